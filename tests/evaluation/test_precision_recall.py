"""Curves of precision against recall."""

import numpy as np
import pytest

from textcnn.evaluation.metrics import precision_recall
from textcnn.labels import Labels


def test_a_perfect_ranking_and_a_reversed_one():
    truth = [("a",), ("a",), ("b",), ("b",)]
    probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    found = precision_recall(truth, probs, Labels(("a", "b")))
    assert found["a"].average == found["b"].average == 1
    worst = precision_recall(truth, 1 - probs, Labels(("a", "b")))
    assert worst["a"].average == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_labels_that_all_rows_have_or_none_has_have_no_curve():
    found = precision_recall([("a",), ("a", "b")], np.full((2, 3), 0.5), Labels(("a", "b", "c"), True))
    assert list(found) == ["b"]


def test_a_long_curve_is_thinned_and_keeps_its_ends(random):
    positive = random.random(5000) < 0.3
    probs = np.stack([random.random(5000), random.random(5000)], axis=1)
    truth = [("a",) if p else ("b",) for p in positive]
    curve = precision_recall(truth, probs, Labels(("a", "b")), points=50)["a"]
    assert len(curve.recall) == len(curve.precision) == 50
    assert (curve.recall[0], curve.recall[-1], curve.precision[-1]) == (1, 0, 1)
    assert (np.diff(curve.recall) <= 0).all()
