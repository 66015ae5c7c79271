"""Documents whose parts are anywhere, read and merged in any order, are classified as the whole texts to the bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import make

from textcnn.errors import ConfigError, DataError
from textcnn.folder.model_folder import fingerprint
from textcnn.prediction.documents import Documents, Pieces
from textcnn.runtime.lookup import LookupModel

words = st.sampled_from(["a", "good", "bad", "film", "unseen", "filming", "!", "漢", "über", "x9"])
texts = st.lists(st.lists(words, max_size=9).map(" ".join), min_size=1, max_size=6)
corpora = st.dictionaries(st.sampled_from(["one", "two", "drei", ""]), texts, min_size=1)


@pytest.fixture(scope="module")
def pure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents") / "model"
    make(wide=False, pooling="max", kernel_sizes=[1, 4, 2]).save(folder)
    return {precision: Pieces(LookupModel.load(folder, precision=precision)) for precision in ("float32", "int8")}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "int8"])
@settings(deadline=None, max_examples=40)
@given(corpus=corpora, data=st.data())
def test_any_shards_merged_in_any_order_are_the_whole(pure, precision, corpus, data):
    pieces = pure[precision]
    first = data.draw(st.integers(0, 1))
    parts = [(name, number, text) for name, rows in corpus.items() for number, text in enumerate(rows, start=first)]
    shards = [Documents(pieces, "m") for _ in range(data.draw(st.integers(1, 4)))]
    for part in data.draw(st.permutations(parts)):
        shards[data.draw(st.integers(0, len(shards) - 1))].add(*part)
    states = [shard.to_bytes() for shard in shards]
    while len(states) > 1:  # joined by two, as a tree of machines would
        one, other = (states.pop(data.draw(st.integers(0, len(states) - 1))) for _ in range(2))
        joined = Documents.from_bytes(one, pieces, "m")
        joined.merge(Documents.from_bytes(other, pieces, "m"))
        states.append(joined.to_bytes())
    found = list(Documents.from_bytes(states[0], pieces, "m").answers())
    assert [name for name, _, _ in found] == sorted(corpus)
    for name, num_parts, answer in found:
        expected = pieces.model.answer([" ".join(corpus[name])])
        assert num_parts == len(corpus[name])
        for fact in ("probabilities", "empty", "num_tokens", "num_unknown", "certified"):
            np.testing.assert_array_equal(getattr(answer, fact), getattr(expected, fact))


def test_every_order_of_three_parts_gives_the_same_bytes(pure):
    found = set()
    for order in itertools.permutations(enumerate(["a good", "film unseen !", "bad bad film"])):
        state = Documents(pure["float32"], "m")
        for number, text in order:
            state.add("a", number, text)
        found.add(state.to_bytes())
    assert len(found) == 1


def test_a_state_does_not_grow_with_its_parts(pure):
    def size(text):
        state = Documents(pure["float32"], "m")
        state.add("a", 0, text)
        return len(state.to_bytes())

    assert abs(size("a good film " * 10_000) - size("a good film " * 2)) < 16  # the digits of its length


def test_parts_that_are_missing_or_given_twice(pure):
    state = Documents(pure["float32"], "m")
    state.add("a", 2, "good")
    with pytest.raises(DataError, match="document 'a' begins with part 2; expected part 0 or 1"):
        next(state.answers())
    state.add("a", 0, "bad")
    with pytest.raises(DataError, match="document 'a' has no part 1, but a part 2; merge the states of all its parts"):
        next(state.answers())
    with pytest.raises(DataError, match="part 2 of document 'a' was given twice"):
        state.add("a", 2, "good")
    state.add("a", 1, "film")
    with pytest.raises(DataError, match="part 1 of document 'a' was given twice"):
        state.add("a", 1, "good")
    other = Documents(pure["float32"], "m")
    other.add("a", 1, "good")
    with pytest.raises(DataError, match="part 1 of document 'a' was given twice"):
        state.merge(other)


def test_states_of_other_models_are_refused(pure, tmp_path):
    pieces = pure["float32"]
    with pytest.raises(ConfigError, match="expected states of one model, got states of two"):
        Documents(pieces, "m").merge(Documents(pieces, "n"))
    with pytest.raises(ConfigError, match="the state is of another model; make it with the folder and precision that"):
        Documents.from_bytes(Documents(pieces, "m").to_bytes(), pieces, "n")
    folders = [make(wide=False, pooling="max", seed=seed).save(tmp_path / f"{seed}") for seed in (0, 1)]
    prints = [fingerprint(folder) for folder in (*folders, folders[0])]
    assert prints[0] == prints[2] != prints[1]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_state_is_an_error_or_says_nothing_false(pure, data):
    state = Documents(pure["float32"], "m")
    state.add("a", 0, "a good film")
    whole = state.to_bytes()
    damaged = bytearray(whole)
    if data.draw(st.booleans()):
        damaged = damaged[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, 400))
        damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = Documents.from_bytes(bytes(damaged), pure["float32"], "m")
    except (DataError, ConfigError):
        return
    assert len(found) <= 1
