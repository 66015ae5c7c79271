"""Cascades: what is not sure enough is answered by a larger model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.evaluation.cascade import ACCURACIES, cascade
from textcnn.evaluation.promises import HeldOutAnswers
from textcnn.labels import Labels

AB = Labels(("a", "b"))


def drawn(number, seed):
    chance = np.random.default_rng(seed)
    probs = chance.dirichlet([0.5, 0.5], number)
    truth = [("a" if chance.random() < p else "b",) for p in probs[:, 0]]
    return HeldOutAnswers.of(probs, truth, AB)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 200))
def test_the_parts_add_up_to_the_whole(seed, number):
    held_out, rows = drawn(number, seed), drawn(number, seed + 1)
    teacher = np.random.default_rng(seed).random(number) < 0.9
    steps = cascade(held_out, rows.confidence, rows.correct, teacher)
    assert [step.asked for step in steps] == list(ACCURACIES)
    for step in steps:
        sure = rows.confidence >= np.float32(step.min_probability)
        assert step.share == sure.mean()
        assert step.together * number == pytest.approx(rows.correct[sure].sum() + teacher[~sure].sum())
    shares = [step.share for step in steps]
    assert shares == sorted(shares, reverse=True)


def test_on_the_rows_that_chose_the_confidence_the_accuracy_is_that_which_was_asked():
    held_out = drawn(500, 0)
    for step in cascade(held_out, held_out.confidence, held_out.correct):
        assert step.together is None
        assert step.accuracy is None or step.accuracy >= step.asked


def test_where_no_answer_is_sure_the_larger_model_answers_all():
    wrong = HeldOutAnswers.of(np.array([[0.9, 0.1]] * 4), [("b",)] * 4, AB)
    teacher = np.array([True, True, True, False])
    (step,) = cascade(wrong, wrong.confidence, wrong.correct, teacher, (0.9,))
    assert (step.share, step.accuracy, step.together) == (0, None, 0.75)
