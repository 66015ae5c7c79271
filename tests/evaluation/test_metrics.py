"""Metrics against scikit-learn called directly, and against arithmetic by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from textcnn.evaluation.metrics import BINS, calibration_error, log_loss, score
from textcnn.labels import Labels

THREE = Labels(("a", "b", "c"))
MANY = Labels(("a", "b", "c"), multi_label=True)
KEYS = ["n", "accuracy", "macro_f1", "micro_f1", "ece", "per_label"]


def certain(names, labels=THREE):
    """Probabilities that decide for these labels."""
    return np.array([[0.9 if name == one else 0.05 for name in labels.names] for one in names])


pairs = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abc")), min_size=1, max_size=12)
sets = st.sets(st.sampled_from("abcd"))
set_pairs = st.lists(st.tuples(sets, st.sets(st.sampled_from("abc"))), min_size=1, max_size=12)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(pairs=pairs)
def test_single_label_scores_are_those_of_scikit_learn(pairs):
    """ "d" is a label unseen in training: nothing is ever predicted as it, so its rows are wrong."""
    truth, given_labels = zip(*pairs, strict=True)
    found = score([(name,) for name in truth], certain(given_labels), THREE, [])
    assert list(found) == KEYS
    assert found["n"] == len(pairs)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, given_labels), abs=1e-12)
    for key in ("macro", "micro"):
        expected = sk.f1_score(truth, given_labels, average=key, zero_division=0)
        assert found[f"{key}_f1"] == pytest.approx(expected, abs=1e-12)
    names = sorted(set(truth) | set(given_labels))
    assert sorted(found["per_label"]) == names
    expected = sk.precision_recall_fscore_support(truth, given_labels, labels=names, zero_division=0)
    for name, *values in zip(names, *expected, strict=True):
        entry = found["per_label"][name]
        assert list(entry) == ["precision", "recall", "f1", "support"]
        assert list(entry.values()) == pytest.approx(values, abs=1e-12)
    json.dumps(found, allow_nan=False)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(pairs=set_pairs)
def test_multi_label_scores_are_those_of_scikit_learn(pairs):
    names = ["a", "b", "c", *(["d"] if any("d" in wanted for wanted, _ in pairs) else [])]
    wanted, predicted = (np.array([[int(n in pair[i]) for n in names] for pair in pairs]) for i in (0, 1))
    probs = np.where(predicted[:, :3], 0.8, 0.1)
    found = score([tuple(sorted(truth)) for truth, _ in pairs], probs, MANY, [0.5] * 3)
    assert list(found) == KEYS
    assert found["accuracy"] == pytest.approx((wanted == predicted).all(axis=1).mean(), abs=1e-12)
    for key in ("macro", "micro"):
        expected = sk.f1_score(wanted, predicted, average=key, zero_division=0)
        assert found[f"{key}_f1"] == pytest.approx(expected, abs=1e-12)
    expected = sk.precision_recall_fscore_support(wanted, predicted, average=None, zero_division=0)
    for name, *values in zip(names, *expected, strict=True):
        assert list(found["per_label"][name].values()) == pytest.approx(values, abs=1e-12)
    json.dumps(found, allow_nan=False)


def test_a_label_named_twice_in_a_row_counts_once():
    found = score([("a", "a", "b")], np.array([[0.9, 0.9, 0.1]]), MANY, [0.5] * 3)
    assert (found["accuracy"], found["micro_f1"], found["per_label"]["a"]["support"]) == (1.0, 1.0, 1)


def test_scores_by_hand():
    truth = [("a",), ("a",), ("b",), ("new",)]
    found = score(truth, certain("aabb"), THREE, [])
    assert found["accuracy"] == found["micro_f1"] == 0.75
    assert found["per_label"] == {
        "a": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2},
        "b": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
        "new": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    }
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_multi_label_scores_by_hand():
    truth = [("a", "b"), (), ("new",), ("c",)]
    probs = np.array([[0.9, 0.9, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.9, 0.9]])
    found = score(truth, probs, MANY, [0.5] * 3)
    assert found["accuracy"] == 0.5
    assert found["micro_f1"] == pytest.approx(2 * 3 / (4 + 4))  # three right, four wanted, four given
    assert {name: entry["f1"] for name, entry in found["per_label"].items()} == {
        "a": 1.0, "b": pytest.approx(2 / 3), "c": 1.0, "new": 0.0,
    }  # fmt: skip


def test_thresholds_decide():
    found = score([("a",)], np.array([[0.3, 0.3, 0.3]]), MANY, [0.2, 0.4, 0.4])
    assert found["accuracy"] == 1.0


def test_one_label_only():
    """Where only one label occurs, and where there is only one: a column is no vector of classes."""
    found = score([("a",)] * 3, certain("aaa"), THREE, [])
    assert (found["accuracy"], found["macro_f1"], found["micro_f1"]) == (1.0, 1.0, 1.0)
    assert list(found["per_label"]) == ["a"]
    one = Labels(("a",), multi_label=True)
    found = score([("a",), (), ("a",), ()], np.array([[0.9], [0.9], [0.1], [0.1]]), one, [0.5])
    assert found["per_label"] == {"a": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}}
    assert (found["accuracy"], found["macro_f1"], found["micro_f1"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("labels", [THREE, MANY])
def test_without_rows_the_numbers_are_none(labels):
    found = score([], np.zeros((0, 3)), labels, [0.5] * 3)
    assert list(found) == KEYS
    assert found == {"n": 0, **dict.fromkeys(KEYS[1:-1]), "per_label": {}}


# ----------------------------------------------------------------------------------------------- calibration


def test_calibration_error_by_hand():
    # ten rows at 0.95, of which nine are right; ten at 0.55 (two labels), of which two are right
    two = Labels(("a", "b"))
    probs = np.array([[0.95, 0.05]] * 10 + [[0.55, 0.45]] * 10)
    truth = [("a",)] * 9 + [("b",)] + [("a",)] * 2 + [("b",)] * 8
    assert calibration_error(truth, probs, two) == pytest.approx((10 * 0.05 + 10 * 0.35) / 20)


def test_confident_and_right_is_no_error_confident_and_wrong_is_all():
    two = Labels(("a", "b"))
    probs = np.array([[1.0, 0.0]] * 4)
    assert calibration_error([("a",)] * 4, probs, two) == 0.0
    assert calibration_error([("unseen",)] * 4, probs, two) == 1.0


def test_multi_label_calibration_counts_every_label_of_every_row():
    probs = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])
    truth = [("a",), ("a", "b", "c")]
    # bins: 0.9 twice, both right: 0.1 each; 0.1 twice, one right: 0.4 each; 0.5 twice, one right: 0
    assert calibration_error(truth, probs, MANY) == pytest.approx((0.2 + 0.8 + 0.0) / 6)


@given(rows=st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=30))
def test_calibration_error_against_a_plain_writing(rows):
    two = Labels(("a", "b"))
    probs = np.array([[p, 1 - p] for p, _ in rows])
    truth = [("a",) if right == (probs[i, 0] >= probs[i, 1]) else ("b",) for i, (_, right) in enumerate(rows)]
    bins = {}
    for p, right in rows:
        bins.setdefault(min(int(p * BINS), BINS - 1), []).append(p - right)
    expected = sum(abs(sum(gaps)) for gaps in bins.values()) / len(rows)
    assert calibration_error(truth, probs, two) == pytest.approx(expected, abs=1e-12)


@given(rows=st.lists(st.tuples(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.integers(0, 3)), min_size=1))
def test_calibration_error_of_several_labels_against_the_definition(rows):
    probs = np.array([[p / sum(row) if sum(row) > 1e-9 else 1 / 3 for p in row] for row, _ in rows])
    truth = [((*THREE.names, "unseen")[true],) for _, true in rows]
    error = 0.0
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        inside = [
            (max(row), THREE.names[row.tolist().index(max(row))] == label)
            for row, (label,) in zip(probs, truth, strict=True)
            if low <= max(row) < high or (number == BINS - 1 and max(row) >= high)
        ]
        if inside:
            confidence = sum(p for p, _ in inside) / len(inside)
            right = sum(right for _, right in inside) / len(inside)
            error += len(inside) / len(rows) * abs(confidence - right)
    on_a_border = any(abs(p * BINS - round(p * BINS)) < 1e-9 for p in probs.max(axis=1))  # either bin is right there
    assert on_a_border or calibration_error(truth, probs, THREE) == pytest.approx(error, abs=1e-12)


# ----------------------------------------------------------------------------------------------- log loss


def test_log_loss_by_hand():
    probs = np.array([[0.5, 0.25, 0.25], [0.1, 0.9, 0.0]])
    assert log_loss([("a",), ("b",)], probs, THREE) == pytest.approx((np.log(2) - np.log(0.9)) / 2)
    # Neither a probability of 0 nor an unseen label makes it infinite.
    assert log_loss([("c",), ("unseen",)], probs[::-1], THREE) == pytest.approx(-np.log(np.finfo(float).eps))


@given(rows=st.lists(st.tuples(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.integers(0, 2)), min_size=1))
def test_log_loss_against_the_definition(rows):
    probs = np.array([[p / sum(row) for p in row] for row, _ in rows])
    expected = -sum(math.log(row[true]) for row, (_, true) in zip(probs, rows, strict=True)) / len(rows)
    assert log_loss([(THREE.names[true],) for _, true in rows], probs, THREE) == pytest.approx(expected)


@given(rows=st.lists(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=3, max_size=3), min_size=1))
def test_multi_label_log_loss_against_the_definition(rows):
    probs = np.array([[p for p, _ in row] for row in rows])
    truth = [tuple(name for name, (_, has) in zip(MANY.names, row, strict=True) if has) for row in rows]
    expected = -sum(math.log(p if has else 1 - p) for row in rows for p, has in row) / (3 * len(rows))
    assert log_loss(truth, probs, MANY) == pytest.approx(expected)
