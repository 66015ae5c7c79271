"""What-if: every variant of a text has the logits of that variant classified by itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, OPTIONS, make

from textcnn.explain.counterfactuals import Variants
from textcnn.prediction.predictor import Predictor
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.ragged import Ragged

TEXTS = [*ASKED, "a good film with a bad plot!", "a a a", "good good good bad bad", "a good"]


@pytest.fixture(scope="module")
def models():
    return {name: Predictor(make(**changes)).lookup() for name, changes in OPTIONS.items()}


def classified(model, rows, unseen):
    """Logits of texts of these types, by the runtime."""
    tokens = Ragged.from_lists(rows)
    wide = None if model.inputs.wide is None else model.inputs.wide.transform(tokens)
    return model.logits(EncodedTexts(tokens.ids, tokens.offsets, unseen, wide))


def split(model, text):
    encoded = model.inputs.encode([text])
    return encoded.ids, encoded.unseen


@pytest.mark.parametrize("option", OPTIONS)
def test_without_each_word_is_the_text_without_it(models, option):
    model = models[option]
    for text in TEXTS:
        ids, unseen = split(model, text)
        variants = Variants(model, ids, unseen)
        np.testing.assert_allclose(variants.logits()[None], classified(model, [ids], unseen), atol=1e-6)
        found = variants.without_each()
        assert found.shape == (len(ids), len(model.labels))
        rows = [np.delete(ids, p) for p in range(len(ids))]
        if rows:
            np.testing.assert_allclose(found, classified(model, rows, unseen), atol=1e-6)


@pytest.mark.parametrize("option", OPTIONS)
def test_with_each_word_is_the_text_with_it(models, option):
    model = models[option]
    words, fresh = split(model, "good a film unseen plot never")
    for text in TEXTS[2:]:
        ids, unseen = split(model, text)
        if unseen.names:
            continue  # temporary ids of two texts do not mix in one call of the runtime
        for place in {0, len(ids) // 2, len(ids) - 1}:
            found = Variants(model, ids, unseen).with_each(place, words, fresh)
            rows = [[*ids[:place], word, *ids[place + 1 :]] for word in words]
            np.testing.assert_allclose(found, classified(model, rows, fresh), atol=1e-6)


def test_features_of_a_pure_model_are_the_runtimes_to_the_bit(models):
    model = models["pure"]
    for text in TEXTS:
        ids, unseen = split(model, text)
        if len(ids) > 1:
            expected = classified(model, [np.delete(ids, p) for p in range(len(ids))], unseen)
            np.testing.assert_allclose(Variants(model, ids, unseen).without_each(), expected, rtol=0, atol=1e-14)


@settings(deadline=None, max_examples=60)
@given(ids=st.lists(st.integers(1, 12), max_size=9), word=st.integers(1, 12), option=st.sampled_from(sorted(OPTIONS)))
def test_variants_of_any_text(models, ids, word, option):
    model = models[option]
    ids = np.array(ids, np.int32)
    variants = Variants(model, ids)
    if len(ids):
        rows = [np.delete(ids, p) for p in range(len(ids))]
        np.testing.assert_allclose(variants.without_each(), classified(model, rows, split(model, "")[1]), atol=1e-6)
    for place in range(len(ids)):
        row = [*ids[:place], word, *ids[place + 1 :]]
        found = variants.with_each(place, np.array([word]))
        np.testing.assert_allclose(found, classified(model, [row], split(model, "")[1]), atol=1e-6)
