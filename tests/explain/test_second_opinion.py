"""Linear models are asked in parts of the same folds: a row's own label never decides what is said of it."""

from __future__ import annotations

import numpy as np

from textcnn.explain import linear_ensemble as second_opinion
from textcnn.explain.audit import rank_rows
from textcnn.explain.linear_ensemble import LEAST, with_second_opinion
from textcnn.folder.training_rows import OutOfFold
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


def test_odds_are_averaged_as_logarithms_and_no_opinion_decides_alone():
    first = np.tile(np.array([[0.9, 0.1], [1, 0]], np.float32), (20, 1))
    found, even = (
        with_second_opinion(OutOfFold(probs, flat(2).fold), TEXTS, TRUTH, LABELS).probabilities.astype(np.float64)
        for probs in (first, flat(2).probabilities)
    )
    logits, own = (np.log(probs[:, 0] / probs[:, 1]) for probs in (found, even))  # own: half of the linear models'
    np.testing.assert_allclose((logits - own)[::2], np.log(9) / 2, atol=1e-4)
    np.testing.assert_allclose((logits - own)[1::2], -np.log(LEAST) / 2, atol=1e-4)


def test_several_labels_and_a_label_that_only_one_fold_has():
    labels, first = Labels(("neg", "odd", "pos")), flat(3)
    found = with_second_opinion(OutOfFold(0 * first.probabilities, first.fold), TEXTS, [("odd",), *TRUTH[1:]], labels)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-6)
    assert 0 < found.probabilities[0, 1] < 2 * LEAST**0.5
    assert (found.probabilities[2:, [0, 2]].argmax(axis=1) == np.arange(2, 40) % 2).all()


def test_several_labels_a_text():
    labels = Labels(("film", "pos"), multi_label=True)
    truth = [("film", "pos") if k % 2 else ("film",) for k in range(40)]
    found = with_second_opinion(flat(2), TEXTS, truth, labels).probabilities
    np.testing.assert_allclose(found[:, 0], 1 / (1 + LEAST**0.5), atol=1e-6)  # every text has it: 1 and a half
    assert ((found[:, 1] > 0.5) == np.arange(40) % 2).all()


def test_an_ngram_counts_as_much_as_it_tells_the_labels_apart():
    texts = ["good film", "good plot", "bad film", "bad plot"]
    features, known = second_opinion._features(texts), np.array([True, True, False, False])
    ratios = second_opinion._log_count_ratios(features, known)
    shared = (np.asarray(features[known].sum(axis=0)) * np.asarray(features[~known].sum(axis=0))).ravel() > 0
    assert abs(ratios[shared]).max() < 0.1 < 1 < abs(ratios[~shared]).min()  # shared: what "film" and "plot" have
    np.testing.assert_allclose(second_opinion._log_count_ratios(features, ~known), -ratios)
    rare = second_opinion._log_count_ratios(features[[0, *[2] * 99]], np.arange(100) == 0)
    assert rare.min() > -3  # one row that has no "bad" says little, though 99 others have it


def test_folds_are_parted_within_themselves_and_only_as_far_as_the_work_allows(monkeypatch):
    fold = flat(2).fold
    parted = second_opinion._parted(fold, 6)
    assert np.array_equal(parted // 6, fold)
    assert np.bincount(parted).tolist().count(0) == 0
    assert np.bincount(parted).max() - np.bincount(parted).min() <= 1
    assert np.array_equal(second_opinion._parted(fold, 1), fold)
    asked = []
    monkeypatch.setattr(second_opinion, "_parted", lambda fold, parts: asked.append(parts) or fold)
    work = sum(map(len, TEXTS)) * 3
    for most in (work, 2 * work, 100 * work):
        monkeypatch.setattr(second_opinion, "MOST_WORK", most)
        assert with_second_opinion(flat(2), TEXTS, TRUTH, LABELS) is not None
    assert asked == [1, 2, 20 // 3]


def test_texts_without_a_word_and_too_many_of_them(monkeypatch):
    found = with_second_opinion(flat(2, 6), [""] * 6, TRUTH[:6], LABELS)
    np.testing.assert_allclose(found.probabilities, 0.5, atol=0.1)
    work = sum(map(len, TEXTS)) * 3
    monkeypatch.setattr(second_opinion, "MOST_WORK", work)
    assert with_second_opinion(flat(2), TEXTS, TRUTH, LABELS) is not None
    monkeypatch.setattr(second_opinion, "MOST_WORK", work - 1)
    assert with_second_opinion(flat(2), TEXTS, TRUTH, LABELS) is None
