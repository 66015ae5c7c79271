"""Metrics of predicted numbers against scipy and scikit-learn, and the weights of branches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.calibration import decide, probabilities
from textcnn.evaluation.numbers import LEAST_WEIGHT, NUMBER_METRICS, branch_shares, number_intervals, number_scores
from textcnn.evaluation.promises import interval_radii
from textcnn.labels import Labels, Target

values = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


@given(values)
def test_metrics_are_those_of_scipy_and_scikit_learn(pairs):
    truth, found = (np.array(column, float)[:, None] for column in zip(*pairs, strict=True))
    scores = number_scores(truth, found, ("y",))
    assert scores["n"] == len(pairs)
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(truth, found))
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, found))
    if len(set(truth[:, 0])) > 1:
        assert scores["r2"] == pytest.approx(metrics.r2_score(truth, found))
        if len(set(found[:, 0])) > 1:
            assert scores["pearson"] == pytest.approx(stats.pearsonr(truth[:, 0], found[:, 0])[0])
            assert scores["spearman"] == pytest.approx(stats.spearmanr(truth[:, 0], found[:, 0])[0])
    if len(set(found[:, 0])) == 1:
        assert scores["pearson"] == scores["spearman"] == 0  # a constant says nothing of the order


def test_several_targets_have_their_means_and_each_its_own():
    truth = np.array([[0.0, 0], [1, 10], [2, 20]])
    scores = number_scores(truth, truth + np.array([0, 3]), ("one", "other"))
    assert scores["mae"] == pytest.approx(1.5)
    assert [scores["per_target"][name]["mae"] for name in ("one", "other")] == pytest.approx([0, 3])
    assert number_scores(truth[:0], truth[:0], ("one", "other")) == {"n": 0, **dict.fromkeys(NUMBER_METRICS)}


def test_intervals_hold_the_metric_of_all_data_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = 0
    for seed in range(60):
        truth = random.standard_normal((80, 1))
        found = number_intervals(truth, truth + random.standard_normal((80, 1)), seed=seed)
        low, high = found["rmse"]
        held += low <= 1 <= high
    assert held >= 48  # of 57 to be expected


def test_weights_of_branches_are_never_negative_and_find_a_sum():
    random = np.random.default_rng(1)
    one, other = random.standard_normal((2, 3000, 2))
    found = branch_shares([one, other, -one], 0.7 * one + 0.2 * other)
    assert found == pytest.approx([0.7, 0.2, 0.0], abs=0.01)
    assert branch_shares([one, other], other)[0] == LEAST_WEIGHT


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([0.5, 0.8, 0.9]))
def test_intervals_of_answers_keep_their_promise_on_average(seed, coverage):
    random = np.random.default_rng(seed)
    errors = np.abs(random.standard_normal((20_000, 1)))
    radius = interval_radii(errors[:200], coverage)
    assert (errors[200:] <= radius).mean() >= coverage - 0.15  # one calibration set of 200 rows


@pytest.mark.parametrize(
    ("coverage", "message"), [(1.0, "between 0 and 1, got 1"), (0.99, "more than 5 held-out rows")]
)
def test_a_coverage_that_cannot_be_promised_is_refused(coverage, message):
    with pytest.raises(ConfigError, match=message):
        interval_radii(np.ones((5, 1)), coverage)


numbers = st.floats(-1e9, 1e9).map(lambda x: round(x, 3))


@given(st.lists(numbers, min_size=2, max_size=20, unique=True))
def test_the_link_takes_standardized_numbers_back_to_their_units(column):
    rows = [(repr(x),) for x in column]
    try:
        labels = Labels.scores(("y",), rows)
    except DataError:
        return  # so close together that they have no deviation
    assert labels.problem_type == "regression"
    back = probabilities(labels.encode(rows).astype(np.float64), labels)
    spread = max(column) - min(column)
    np.testing.assert_allclose(back[:, 0], column, atol=1e-5 * spread)
    assert decide(back, labels, [0.5]) == [()] * len(rows)


def test_a_target_without_two_values_is_refused():
    with pytest.raises(DataError, match="expected different numbers in 'stars', found 3 in all rows"):
        Labels.scores(("stars",), [("3.0",), ("3.0",)])


def test_weighted_rows_count_in_mean_and_deviation():
    found = Labels.scores(("y",), [("0",), ("1",)], np.array([3.0, 1.0]))
    assert found.targets == (Target(0.25, pytest.approx(0.1875**0.5), 0.0, 1.0),)
    with pytest.raises(ConfigError, match=r"tags is for models of labels, and this one predicts numbers \(y\)"):
        found.require_labels("tags")
