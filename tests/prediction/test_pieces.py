"""Pieces of a text, joined in any grouping, are the whole text to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import OPTIONS, make

from textcnn.errors import ConfigError
from textcnn.prediction.documents import Pieces
from textcnn.runtime.lookup import LookupModel

PURE = {
    "relu": {},
    "tanh": {"activation": "tanh"},
    "widths": {"kernel_sizes": [1, 6, 2]},
    "single words": {"kernel_sizes": [1]},
    "multi label": {"multi_label": True},
    "two channels": OPTIONS["two channels of words"],
}
words = st.sampled_from(["a", "good", "bad", "film", "unseen", "filming", "!", "漢", "über", "x9"])
parts = st.lists(st.lists(words, max_size=9).map(" ".join), max_size=7)


@pytest.fixture(scope="module")
def pure(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    folders = {
        name: make(wide=False, pooling="max", **options).save(place / name.replace(" ", "-"))
        for name, options in PURE.items()
    }
    return {
        (name, precision): LookupModel.load(folder, precision=precision, cache_bytes=60_000)
        for name, folder in folders.items()
        for precision in ("float32", "int8")
    }


def whole(model, text):
    encoded = model.inputs.encode([text])
    return (model.whole_logits(encoded) if model.precision == "int8" else model.logits(encoded))[0]


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", PURE)
@settings(deadline=None, max_examples=30)
@given(rows=parts, data=st.data())
def test_any_grouping_is_the_whole_text(pure, name, precision, rows, data):
    model = pure[name, precision]
    pieces = Pieces(model)
    states = [pieces.read(row) for row in rows] or [pieces.empty()]
    while len(states) > 1:
        place = data.draw(st.integers(0, len(states) - 2))
        states[place : place + 2] = [states[place] + states[place + 1]]
    text = " ".join(rows)
    assert (states[0].logits() == whole(model, text)).all()
    found, expected = states[0].answer(), model.answer([text])
    assert (found.probabilities == expected.probabilities).all()
    assert found.labels == expected.labels
    for fact in ("empty", "cut", "num_tokens", "num_unknown", "certified"):
        np.testing.assert_array_equal(getattr(found, fact), getattr(expected, fact))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_text_can_be_classified_as_it_grows(pure, precision):
    model = pure["relu", precision]
    state, text = Pieces(model).empty(), ""
    for piece in ["a good", "film", "", "! unseen", "bad " * 700, "漢 字"]:
        state, text = state.push(piece), f"{text} {piece}"
        assert (state.logits() == whole(model, text)).all()
    size = sum(part.nbytes for part in (state.best, state.first, state.last))
    short = Pieces(model).read("a good film indeed")
    assert size == sum(part.nbytes for part in (short.best, short.first, short.last))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("default", "a mean of word vectors and a wide branch"),
        ("max", "a wide branch"),
        ("no wide", "a mean of word vectors"),
        ("bag of words", "no filters and a mean of word vectors"),
    ],
)
def test_models_whose_parts_cannot_be_joined(tmp_path, name, found):
    model = LookupModel.load(make(**OPTIONS[name]).save(tmp_path / "model"))
    with pytest.raises(ConfigError, match=f"but this model has {found}; train one with --preset pure"):
        Pieces(model)


def test_a_model_with_a_limit_of_length(tmp_path):
    model = LookupModel.load(make(wide=False, pooling="max", max_length=5).save(tmp_path / "model"))
    with pytest.raises(ConfigError, match="but this model has a max_length of 5"):
        Pieces(model)


def test_pieces_of_two_models(pure):
    with pytest.raises(ConfigError, match="expected two pieces of one model, got pieces of two models"):
        Pieces(pure["relu", "float32"]).read("a") + Pieces(pure["relu", "int8"]).read("b")
