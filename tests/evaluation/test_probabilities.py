"""Probabilities are probabilities, far out too; decisions follow them."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from textcnn.evaluation.calibration import decide, probabilities
from textcnn.labels import Labels

THREE = Labels(("a", "b", "c"))
MANY = Labels(("a", "b", "c"), multi_label=True)
logits = arrays.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(3)), elements=st.floats(-1e4, 1e4, width=32))
temperatures = st.floats(0.05, 20)


@given(z=logits, temperature=temperatures)
def test_softmax_rows_sum_to_one(z, temperature):
    probs = probabilities(z, THREE, temperature)
    assert (probs.dtype, probs.shape) == (np.float64, z.shape)
    assert ((probs >= 0) & (probs <= 1)).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=0, atol=1e-9)


@given(z=logits, temperature=temperatures)
def test_the_decision_is_the_most_probable_label(z, temperature):
    probs = probabilities(z, THREE, temperature)
    assert decide(probs, THREE, []) == [(THREE.names[i],) for i in probs.argmax(axis=1)]
    assert (probs[np.arange(len(z)), z.argmax(axis=1)] == probs.max(axis=1)).all()


def test_softmax_against_a_plain_writing():
    z = np.array([[0.0, 1.0, -2.0], [3.0, 3.0, 3.0]], np.float32)
    expected = [[math.exp(v / 2) / sum(math.exp(w / 2) for w in row) for v in row] for row in z.tolist()]
    np.testing.assert_allclose(probabilities(z, THREE, 2.0), expected, rtol=1e-15)


@pytest.mark.parametrize("z", [1e4, -1e4, 710.0, -745.2, 3e38, -3e38])
def test_extreme_logits_overflow_nowhere(z):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert probabilities(np.array([[z, 0.0, -z]]), THREE)[0, 0 if z > 0 else 2] == 1.0
        many = probabilities(np.array([[z, 0.0, -z]]), MANY)[0]
    assert many[1] == 0.5
    assert np.isfinite(many).all()
    assert many[0] + many[2] == 1.0


@given(z=st.floats(-700, 700))
def test_sigmoid_is_exact_on_both_sides(z):
    with localcontext() as context:
        context.prec = 400
        expected = 1 / (1 + (-Decimal(z)).exp())
    found = probabilities(np.array([[z]]), Labels(("a",), multi_label=True))[0, 0]
    assert abs(Decimal(float(found)) / expected - 1) < Decimal("1e-14")


def test_a_small_probability_is_not_zero():
    assert 0 < probabilities(np.array([[-700.0, 0, 0]]), MANY)[0, 0] < 1e-300
    assert 0 < probabilities(np.array([[-700.0, 0, -800.0]]), THREE)[0, 0] < 1e-300


@pytest.mark.slow
@given(z=logits, threshold=st.floats(0, 1))
def test_multi_label_decisions_are_the_labels_that_reach_their_thresholds(z, threshold):
    probs = probabilities(z, MANY)
    thresholds = [0.5, threshold, 0.0]
    expected = [
        tuple(n for n, p, t in zip(MANY.names, row, thresholds, strict=True) if p >= t) for row in probs.tolist()
    ]
    assert decide(probs, MANY, thresholds) == expected


def test_no_label_may_be_given():
    assert decide(np.array([[0.2, 0.1, 0.4]]), MANY, [0.5] * 3) == [()]


@pytest.mark.parametrize("labels", [THREE, MANY])
def test_no_rows(labels):
    probs = probabilities(np.zeros((0, 3), np.float32), labels)
    assert probs.shape == (0, 3)
    assert decide(probs, labels, [0.5] * 3) == []
