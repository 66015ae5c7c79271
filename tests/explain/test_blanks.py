"""Words that are enough: sufficient words keep every logit to the bit, the smallest set keeps the label."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, OPTIONS, make

from textcnn.errors import ConfigError
from textcnn.explain.sufficient_words import Blanked, Decision
from textcnn.prediction.predictor import Predictor

TEXTS = [*ASKED, "a good film with a bad plot!", "a a a", "good good good bad bad it's fine and really over !"]

WORDS = ["a", "good", "film", "bad", ",", "really", "!", "fine", "unseen"]


@pytest.fixture(scope="module")
def models():
    pure = {f"pure {n}": {"wide": False, "pooling": "max", "seed": n, "num_filters": 2} for n in range(3)}
    return {name: Predictor(make(**changes)).lookup() for name, changes in {**OPTIONS, **pure}.items()}


def shown_alone(model, encoded, shown):
    """Logits of the shown words by the definition: every window looked at one by one."""
    one, ids = model.model, encoded.ids
    limit = len(ids) if model.inputs.max_length is None else model.inputs.max_length
    seen = [t for t in range(min(len(ids), limit)) if shown[t]]
    held, rows = model.rows(ids, encoded.unseen)
    logits = one.bias * 2.0**-36
    for g, (size, tap) in enumerate(zip(one.filters.sizes.tolist(), one.filters.first_taps.tolist(), strict=True)):
        for f in range(one.filters.num_filters):
            sums = [
                sum(
                    float(held.products[rows[t + i], tap + i, f])
                    for i in range(size)
                    if 0 <= t + i < min(len(ids), limit)
                )
                for t in range(1 - size, min(len(ids), limit))
                if all(shown[t + i] for i in range(size) if 0 <= t + i < min(len(ids), limit))
            ]
            if sums:
                k = g * one.filters.num_filters + f
                score = max(sums) + float(one.filters.bias[k])
                kinds = {"relu": max(score, 0), "tanh": np.tanh(score), "leaky_relu": max(score, score * 0.01)}
                logits = logits + kinds.get(one.filters.activation, score) * one.filters.head[k].astype(float)
    if one.means is not None and seen:
        logits = logits + held.means[rows[seen]].sum(axis=0) * 2.0**-36 / len(seen)
    if one.features is not None:
        keys = [int(ids[t]) for t in range(len(ids)) if shown[t]]
        keys += [
            (int(a) + 1) << 32 | int(b) for t, (a, b) in enumerate(itertools.pairwise(ids)) if shown[t] and shown[t + 1]
        ]
        counts = {key: keys.count(key) for key in keys if key in one.features.keys}
        rows_of = {key: int(np.searchsorted(one.features.keys, key)) for key in counts}
        weights = {key: (1 + np.log(n)) * float(one.features.idf[rows_of[key]]) for key, n in counts.items()}
        norm = np.sqrt(sum(w * w for w in weights.values())) or 1
        for key, weight in weights.items():
            logits = logits + one.scale * one.table[rows_of[key]].astype(float) * weight / norm
    return logits


@pytest.mark.parametrize("option", OPTIONS)
def test_blanks_are_what_is_said_of_them(models, option):
    model, random = models[option], np.random.default_rng(1)
    for text in ["good", "a good film with a bad plot! unseen", "a a a good a a"]:
        encoded = model.inputs.encode([text])
        shown = random.random((6, len(encoded.ids))) < 0.6
        shown[0], shown[1] = True, False
        found = Blanked(model, encoded, 0).logits(shown)
        np.testing.assert_array_equal(found[0], model.logits(encoded)[0])
        np.testing.assert_array_equal(found[1], model.logits(model.inputs.encode([""]))[0])
        for row, one in zip(found, shown, strict=True):
            np.testing.assert_allclose(row, shown_alone(model, encoded, one), atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(ids=st.lists(st.sampled_from(WORDS), max_size=30), n=st.integers(0, 2))
def test_sufficient_words_keep_every_logit_to_the_bit(models, ids, n):
    model = models[f"pure {n}"]
    encoded = model.inputs.encode(["", " ".join(ids)])
    blanked = Blanked(model, encoded, 1)
    shown = blanked.sufficient()
    assert (blanked.logits(shown[None])[0] == model.logits(encoded)[1]).all()


def test_some_words_of_a_long_text_are_not_needed(models):
    model = models["pure 0"]
    encoded = model.inputs.encode(["bad , really ! fine unseen " * 20 + "good film"])
    blanked = Blanked(model, encoded, 0)
    shown = blanked.sufficient()
    assert 0 < shown.sum() < 40
    fewer = shown.copy()
    fewer[np.flatnonzero(shown)[::2]] = False
    assert (blanked.logits(fewer[None])[0] != model.logits(encoded)[0]).any()


@pytest.mark.parametrize("option", OPTIONS)
def test_the_smallest_set_keeps_the_labels_and_no_word_of_it_can_go(models, option):
    model = models[option]
    encoded = model.inputs.encode(TEXTS)
    for number, labels in enumerate(model.answer(TEXTS).labels):
        blanked = Blanked(model, encoded, number)
        shown = blanked.smallest()
        alone = blanked.logits(shown[None])
        assert Decision(model, alone[0]).labels == labels
        decision = Decision(model, model.logits(encoded)[number])
        for place in np.flatnonzero(shown):
            fewer = shown.copy()
            fewer[place] = False
            assert not decision.keeps(blanked.logits(fewer[None]))[0]


@pytest.mark.parametrize("option", ["default", "no wide"])
def test_a_model_with_a_mean_or_a_wide_branch_has_no_sufficient_words(models, option):
    encoded = models[option].inputs.encode(["good"])
    with pytest.raises(ConfigError, match=r"features are maxima alone, but this model has a mean.*--preset pure"):
        Blanked(models[option], encoded, 0).sufficient()
