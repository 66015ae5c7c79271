"""Linear models are asked in the same folds: a row's own label never decides what is said of it."""

from __future__ import annotations

import numpy as np

from textcnn.explain import second_opinion
from textcnn.explain.label_errors import rank_rows
from textcnn.explain.second_opinion import with_second_opinion
from textcnn.inference.out_of_fold import OutOfFold
from textcnn.labels import Labels

TEXTS = [f"a {'good' if k % 2 else 'bad'} film, number {k}" for k in range(40)]
TRUTH = [("pos",) if k % 2 else ("neg",) for k in range(40)]
LABELS = Labels(("neg", "pos"))


def flat(num_labels, num_rows=40):
    return OutOfFold(np.full((num_rows, num_labels), 0.5, np.float32), (np.arange(num_rows) // 2 % 3).astype(np.int32))


def test_a_wrong_label_comes_first_and_says_nothing_about_itself():
    right = with_second_opinion(flat(2), TEXTS, TRUTH, LABELS)
    wrong = with_second_opinion(flat(2), TEXTS, [*TRUTH[:7], ("neg",), *TRUTH[8:]], LABELS)
    np.testing.assert_allclose(right.probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.array_equal(wrong.probabilities[7], right.probabilities[7])
    assert not np.array_equal(wrong.probabilities, right.probabilities)
    assert np.array_equal(right.fold, flat(2).fold)
    first = rank_rows(wrong, LABELS, [*TRUTH[:7], ("neg",), *TRUTH[8:]])[0]
    assert (first.row, first.suggested) == (7, "pos")


def test_it_is_the_mean_with_the_first_opinion():
    sure = OutOfFold(np.tile(np.array([1, 0], np.float32), (40, 1)), flat(2).fold)
    one, other = (with_second_opinion(folds, TEXTS, TRUTH, LABELS).probabilities for folds in (sure, flat(2)))
    np.testing.assert_allclose(one - other, np.tile([0.25, -0.25], (40, 1)), atol=1e-6)


def test_several_labels_and_a_label_that_only_one_fold_has():
    labels, first = Labels(("neg", "odd", "pos")), flat(3)
    found = with_second_opinion(OutOfFold(0 * first.probabilities, first.fold), TEXTS, [("odd",), *TRUTH[1:]], labels)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 0.5, atol=1e-6)  # the first opinion is 0
    assert found.probabilities[0, 1] == 0
    assert (found.probabilities[2:, [0, 2]].argmax(axis=1) == np.arange(2, 40) % 2).all()


def test_several_labels_a_text():
    labels = Labels(("film", "pos"), multi_label=True)
    truth = [("film", "pos") if k % 2 else ("film",) for k in range(40)]
    found = with_second_opinion(flat(2), TEXTS, truth, labels).probabilities
    assert (found[:, 0] == 0.75).all()  # every text has it: 1 and the first opinion's 0.5
    assert ((found[:, 1] > 0.5) == np.arange(40) % 2).all()


def test_texts_without_a_word_and_too_many_of_them(monkeypatch):
    found = with_second_opinion(flat(2, 6), [""] * 6, TRUTH[:6], LABELS)
    np.testing.assert_allclose(found.probabilities, 0.5, atol=0.1)
    work = sum(map(len, TEXTS)) * 3
    monkeypatch.setattr(second_opinion, "MOST_WORK", work)
    assert with_second_opinion(flat(2), TEXTS, TRUTH, LABELS) is not None
    monkeypatch.setattr(second_opinion, "MOST_WORK", work - 1)
    assert with_second_opinion(flat(2), TEXTS, TRUTH, LABELS) is None
