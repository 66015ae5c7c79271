"""Texts that have moved away from training are told, and a fresh sample of training's own is not."""

import numpy as np
import pytest

from textcnn.evaluation.drift import drift
from textcnn.labels import label_counts

ROWS = [("a",)] * 600 + [("b",)] * 400
TRAINING = {"expected_unknown": 0.04, "labels": label_counts(ROWS)}


@pytest.mark.parametrize(
    ("unknown", "tokens", "told"), [(40, 1000, False), (89, 1000, False), (91, 1000, True), (60, 99, False)]
)
def test_unknown_words_beyond_what_training_lets_expect(unknown, tokens, told):
    expected = (
        f"{unknown / tokens:.1%} of the words are unknown, 4.0% were to be expected: other texts than in training"
    )
    assert drift(TRAINING, unknown, tokens, ROWS) == ([expected] if told else [])


def test_many_unknown_words_are_no_surprise_where_there_always_were_many():
    assert drift({"expected_unknown": 0.3}, 550, 1000, []) == []
    assert drift({"expected_unknown": 0.3}, 650, 1000, [])


def test_another_mix_of_labels_is_told_with_the_labels_that_moved_most():
    (found,) = drift(TRAINING, 0, 0, [("a",)] * 300 + [("b",)] * 600 + [("c",)] * 100)
    moved = "'a' 60.0% -> 30.0%, 'b' 40.0% -> 60.0%, 'c' 0.0% -> 10.0%"
    assert found == f"the mix of labels has moved since training, by 30.0%: {moved}"


@pytest.mark.parametrize("num_rows", [1, 3, 10, 30, 100, 400, 2000])
def test_a_sample_of_the_same_mix_is_not_told(num_rows):
    """Nor a few rows that cannot show it."""
    random = np.random.default_rng(num_rows)
    for num_labels in range(2, 52):
        shares = random.dirichlet(np.full(num_labels, 0.5))
        before, after = (random.choice(num_labels, n, p=shares).astype(str).tolist() for n in (5000, num_rows))
        assert drift({"labels": label_counts([(name,) for name in before])}, 0, 0, [(name,) for name in after]) == []


def test_labels_of_rows_that_have_several_are_counted_one_by_one():
    assert label_counts([("b", "a"), (), ("a",)]) == {"a": 2, "b": 1}


@pytest.mark.parametrize("training", [{}, {"expected_unknown": None, "labels": None}, {"labels": {}}, {"labels": 3}])
def test_what_an_earlier_model_has_not_counted_is_not_compared(training):
    assert drift(training, 1000, 1000, [("z",)] * 1000) == []
