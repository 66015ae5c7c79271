"""Explanations of models of several layers: approximate, marked so, and with the line that installs what they need."""

import sys

import numpy as np
import pytest
from one_layer_models import make

from textcnn.errors import MissingExtraError
from textcnn.prediction.predictor import Predictor

TEXTS = ["", "good", "a good film, a bad plot"]


@pytest.fixture
def predictor():
    return Predictor(make(architecture="lstm"))


def test_without_captum_the_error_names_the_line_that_installs_it(predictor, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"models? of several layers.*pip install 'textcnn\[explain\]'"):
        predictor.explain(TEXTS)


@pytest.mark.slow
def test_sums_hold_and_the_error_of_the_integral_is_a_term(predictor):
    pytest.importorskip("captum")
    logits = predictor.logits(predictor.inputs.encode(TEXTS))
    for b, row in enumerate(predictor.explain(TEXTS, labels="all")):
        for c, one in enumerate(row):
            assert one["approximate"] == "integrated gradients"
            assert one["logit"] == pytest.approx(logits[b, c], abs=1e-5)
            other = {term["name"]: term["contribution"] for term in one["other"]}
            words = sum(entry["contribution"] for entry in one["words"])
            assert one["bias"] + words + sum(other.values()) == pytest.approx(one["logit"], abs=1e-9)
            assert abs(other["error of the integral"]) < 0.1 * max(np.abs(logits).max(), 1)
            assert one["ngrams"] == []


@pytest.mark.slow
def test_of_a_linear_model_the_gradients_are_exact():
    pytest.importorskip("captum")
    from textcnn.explain.gradients import ERROR, integrated_gradients

    linear = Predictor(make(architecture="bag", wide=False))
    encoded = linear.inputs.encode(TEXTS)
    found = integrated_gradients(linear, encoded, np.tile(np.arange(3), (3, 1)))
    assert np.abs(found.other[ERROR]).max() < 1e-5
    exact = linear.explain(TEXTS[1:], labels="all")
    means = [term["contribution"] for row in exact for one in row for term in one["other"]]
    sums = np.add.reduceat(found.words.contributions, found.words.offsets[1:-1], axis=0)
    np.testing.assert_allclose(sums.reshape(-1), means, atol=1e-5)
