"""Bootstrap intervals: the values of `score`, the spread of rows drawn again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.evaluation.calibration import decide
from textcnn.evaluation.intervals import score_intervals
from textcnn.evaluation.metrics import score
from textcnn.labels import Labels

NAMES = ("a", "b", "c")
OVERALL = ("accuracy", "macro_f1", "micro_f1")


def drawn_rows(random, n, multi_label):
    labels = Labels(NAMES, multi_label)
    probs = random.random((n, 3))
    if multi_label:
        truth = [tuple(np.array(NAMES)[random.random(3) < row]) for row in probs]
    else:
        probs /= probs.sum(axis=1, keepdims=True)
        truth = [(NAMES[i] if random.random() < 0.7 else "a",) for i in probs.argmax(axis=1)]
    return labels, probs, truth


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.booleans(), st.integers(0, 1000))
def test_the_estimates_are_those_of_score(n, multi_label, seed):
    labels, probs, truth = drawn_rows(np.random.default_rng(seed), n, multi_label)
    if not multi_label:
        truth[0] = ("unseen",)
    scores = score(truth, probs, labels, [0.5] * 3)
    found = score_intervals(truth, decide(probs, labels, [0.5] * 3), labels)
    for name in OVERALL:
        value, low, high = found.overall[name]
        assert value == pytest.approx(scores[name], abs=1e-12)
        assert 0 <= low <= high <= 1
    for name, interval in found.per_label.items():
        assert interval.value == pytest.approx(scores["per_label"][name]["f1"], abs=1e-12)


@pytest.mark.parametrize("multi_label", [False, True])
def test_drawing_pairs_is_drawing_rows(random, multi_label):
    labels, probs, truth = drawn_rows(random, 150, multi_label)
    predicted = decide(probs, labels, [0.5] * 3)
    found = score_intervals(truth, predicted, labels)
    wanted, given_labels = (np.array([[name in row for name in NAMES] for row in rows]) for rows in (truth, predicted))
    rows = random.integers(150, size=(2000, 150))
    hits, both = ((wanted & given_labels)[rows].sum(1), (wanted[rows].sum(1) + given_labels[rows].sum(1)))
    f1 = 2 * hits / both
    samples = {
        "accuracy": (wanted == given_labels).all(1)[rows].mean(1),
        "macro_f1": f1.mean(1),
        "micro_f1": 2 * hits.sum(1) / both.sum(1),
        **{name: f1[:, i] for i, name in enumerate(NAMES)},
    }
    for name, sample in samples.items():
        _, low, high = {**found.overall, **found.per_label}[name]
        assert (low, high) == pytest.approx(np.quantile(sample, [0.025, 0.975]), abs=0.02), name


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_as_often_as_it_says(random):
    labels, hits = Labels(("a", "b")), 0
    for seed in range(200):
        right = random.random(200) < 0.8
        given_labels = [("a",) if r else ("b",) for r in right]
        _, low, high = score_intervals([("a",)] * 200, given_labels, labels, seed=seed).overall["accuracy"]
        hits += low <= 0.8 <= high
    assert 0.89 <= hits / 200 <= 0.99


def test_more_rows_more_certainty_and_the_same_seed_the_same_ends():
    labels = Labels(("a", "b"))
    small = score_intervals([("a",)] * 10, [("a",)] * 8 + [("b",)] * 2, labels).overall["accuracy"]
    large = score_intervals([("a",)] * 1000, [("a",)] * 800 + [("b",)] * 200, labels).overall["accuracy"]
    assert large.high - large.low < (small.high - small.low) / 5
    assert score_intervals([("a",)] * 10, [("a",)] * 8 + [("b",)] * 2, labels).overall["accuracy"] == small
    sure = score_intervals([("a",)] * 10, [("a",)] * 10, labels).overall["accuracy"]
    assert sure == (1, 1, 1)
