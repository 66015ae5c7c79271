"""What dev rows decide: a temperature that is found again, and thresholds no other threshold beats."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from textcnn.evaluation.branch_weights import fit_temperature
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, decide, fit_thresholds, probabilities
from textcnn.labels import Labels

THREE = Labels(("a", "b", "c"))
MANY = Labels(("a", "b", "c"), multi_label=True)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("labels", [THREE, MANY])
def test_a_known_temperature_is_found_again(temperature, labels):
    """Labels drawn from the probabilities of some logits fit those logits at temperature 1, and k times them at k."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 3))
    probs = probabilities(logits, labels)
    if labels.multi_label:
        drawn = random.random(probs.shape) < probs
        truth = [tuple(labels.names[i] for i in np.flatnonzero(row)) for row in drawn]
    else:
        drawn = (random.random((len(probs), 1)) > probs.cumsum(axis=1)).sum(axis=1)
        truth = [(labels.names[i],) for i in drawn]
    assert fit_temperature(logits * temperature, truth, labels) == pytest.approx(temperature, rel=0.05)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@example(seed=1457088, rows=1, size=39.0, sure=2.0, labels=MANY)  # flat where the search begins
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 300),
    size=st.floats(0.01, 40),
    sure=st.floats(0, 3),
    labels=st.sampled_from([THREE, MANY]),
)
def test_the_temperature_is_that_of_scipy(seed, rows, size, sure, labels):
    random = np.random.default_rng(seed)
    targets = random.integers(3, size=rows)
    logits = (random.normal(0, 1, (rows, 3)) + sure * np.eye(3)[targets]) * size
    logits = logits.astype(random.choice([np.float32, np.float64]))
    truth = [("abc"[target],) for target in targets]

    def loss(log_temperature):
        z = logits.astype(np.float64) / np.exp(log_temperature)
        if labels.multi_label:
            return (np.logaddexp(0, z) - z * np.eye(3)[targets]).mean()
        return (logsumexp(z, axis=1) - z[np.arange(rows), targets]).mean()

    found = fit_temperature(logits, truth, labels)
    bounds = (np.log(0.05), np.log(20))
    expected = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    assert loss(np.log(found)) <= expected.fun * (1 + 1e-6) + 1e-9  # the loss may be flat where the two differ
    if loss(expected.x + 1e-3) > expected.fun * (1 + 1e-6) < loss(expected.x - 1e-3):
        assert found == pytest.approx(np.exp(expected.x), rel=1e-3)


@pytest.mark.parametrize(("truth", "bound"), [("a", 0.05), ("b", 20.0)])
def test_a_temperature_keeps_within_its_bounds(truth, bound):
    logits = np.array([[1.0, 0.0, 0.0]] * 4)  # always right: colder is better; always wrong: hotter
    assert fit_temperature(logits, [(truth,)] * 4, THREE) == pytest.approx(bound)


@pytest.mark.parametrize("size", [1e4, 1e-4])
def test_extreme_logits_have_a_temperature(size):
    logits = np.array([[size, -size, 0.0], [-size, size, 0.0]])
    with np.errstate(over="raise", invalid="raise"):
        assert 0.05 <= fit_temperature(logits, [("a",), ("a",)], THREE) <= 20


def test_rows_of_unseen_labels_and_no_rows_leave_it_alone():
    logits = np.array([[5.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    seen = fit_temperature(logits[1:], [("a",), ("a",)], THREE)
    assert fit_temperature(logits, [("unseen",), ("a",), ("a",)], THREE) == seen
    assert fit_temperature(logits, [("unseen",)] * 3, THREE) == 1.0
    assert fit_temperature(np.zeros((0, 3)), [], THREE) == 1.0
    assert fit_temperature(np.zeros((0, 3)), [], MANY) == 1.0


def test_temperature_changes_no_decision():
    random = np.random.default_rng(1)
    logits = random.normal(0, 3, (200, 3)).astype(np.float32)
    cold, warm = (decide(probabilities(logits, THREE, t), THREE, []) for t in (0.05, 20.0))
    assert cold == warm


# ------------------------------------------------------------------------------------------------ thresholds

scored = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, np.nextafter(0.5, 1), 0.75, np.nextafter(1.0, 0), 1.0]) | st.floats(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def f1_at(threshold, rows):
    given_to = [p >= threshold for p, _ in rows]
    hits = sum(g and wanted for g, (_, wanted) in zip(given_to, rows, strict=True))
    total = sum(given_to) + sum(wanted for _, wanted in rows)
    return 2 * hits / total if total else 0.0


@given(rows=scored)
@example(rows=[(np.nextafter(0.5, 1), True), (0.5, False)])  # half-way between these is no other number
def test_no_threshold_has_a_better_f1(rows):
    one = Labels(("a",), multi_label=True)
    (threshold,) = fit_thresholds(np.array([[p] for p, _ in rows]), [("a",) if w else () for _, w in rows], one)
    assert 0 <= threshold <= 1
    if not any(wanted for _, wanted in rows):
        assert threshold == DEFAULT_THRESHOLD
        return
    best = max(f1_at(candidate, rows) for candidate in [*(p for p, _ in rows), 0.0, 1.0])
    assert f1_at(threshold, rows) == pytest.approx(best, abs=1e-12)


def test_a_threshold_stands_half_way_between_two_scores():
    probs = np.array([[0.9, 0.8, 0.3], [0.7, 0.4, 0.3], [0.1, 0.2, 0.3]])
    truth = [("a", "b"), ("a",), ()]
    assert fit_thresholds(probs, truth, MANY, pooled=0) == [pytest.approx(0.4), pytest.approx(0.6), DEFAULT_THRESHOLD]


def test_a_rare_label_has_the_threshold_of_all_and_a_frequent_one_its_own():
    random = np.random.default_rng(0)
    wanted = random.random((4000, 2)) < (0.4, 0.0005)
    wanted[:2, 1] = True
    scores = np.where(wanted, 0.55, 0.35) + random.normal(0, 0.08, wanted.shape)
    scores[:, 1] -= 0.3  # its own best threshold stands far below
    truth = [tuple(n for n, w in zip("ab", row, strict=True) if w) for row in wanted]
    labels = Labels(("a", "b"), multi_label=True)
    together = fit_thresholds(scores, truth, labels, pooled=1e9)
    assert together[0] == together[1] == pytest.approx(0.45, abs=0.03)
    alone = fit_thresholds(scores, truth, labels, pooled=0)
    assert alone[1] < 0.35
    frequent, rare = fit_thresholds(scores, truth, labels)
    assert rare == pytest.approx(together[1], abs=0.03)
    assert frequent == pytest.approx(alone[0], abs=0.03)


def test_thresholds_are_one_for_each_label_and_plain_numbers():
    random = np.random.default_rng(0)
    truth = [tuple(n for n in "abcd" if random.random() < 0.4) for _ in range(30)]
    found = fit_thresholds(random.random((30, 3)), truth, MANY)
    assert [type(value) for value in found] == [float] * 3
