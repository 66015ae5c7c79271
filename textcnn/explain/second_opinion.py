"""A second opinion on labels: a linear model of words and characters, cross-validated in the folds of the first one.

Two models of different kinds err on different rows, so the mean of their probabilities tells wrong labels from hard
texts better than either (ensembles of unlike learners as filters of labels: Brodley & Friedl 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.inference.out_of_fold import OutOfFold
from textcnn.labels import Labels

WORDS, WORD_NGRAMS = r"\w+(?:'\w+)?|[^\w\s]", (1, 2)
CHARACTER_NGRAMS, BUCKETS = (2, 5), 2**20
COST = 3.0  # C of the logistic regressions
MOST_WORK = 50_000_000  # characters of all texts times models to fit: about a minute, and some hundred megabytes

Doubles = npt.NDArray[np.float64]


def with_second_opinion(
    folds: OutOfFold, texts: Sequence[str], truth: Sequence[tuple[str, ...]], labels: Labels
) -> OutOfFold | None:
    """The mean of what cross validation said of N rows and what linear models say in the same folds.

    Args:
        folds: of these rows.
        texts: N texts.
        truth: their labels.
        labels: those of the artifact.

    Returns:
        None where that would be more than :data:`MOST_WORK`.
    """
    columns = np.array([[name in row for name in labels.names] for row in truth], np.bool_).reshape(len(truth), -1)
    asked = columns[:, 1:] if not labels.multi_label and len(labels) == 2 else columns
    if sum(map(len, texts)) * asked.shape[1] * (int(folds.fold.max(initial=0)) + 1) > MOST_WORK:
        return None
    probs = _out_of_fold(_features(texts), asked, folds.fold)
    if asked.shape[1] < columns.shape[1]:
        probs = np.concatenate([1 - probs, probs], axis=1)
    elif not labels.multi_label:
        probs /= np.maximum(probs.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return OutOfFold(((folds.probabilities + probs) / 2).astype(np.float32), folds.fold)


def _features(texts: Sequence[str]) -> Any:
    """TF-IDF of words and pairs of words, and of the characters inside words; no label is looked at."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer

    words = CountVectorizer(token_pattern=WORDS, ngram_range=WORD_NGRAMS)
    characters = HashingVectorizer(
        analyzer="char_wb", ngram_range=CHARACTER_NGRAMS, n_features=BUCKETS, alternate_sign=False, norm=None
    )
    try:
        counts = [words.fit_transform(texts), characters.transform(texts)]
    except ValueError:  # not a single word
        counts = [characters.transform(texts)]
    return hstack([TfidfTransformer(sublinear_tf=True).fit_transform(part) for part in counts]).tocsr()


def _out_of_fold(features: Any, targets: npt.NDArray[np.bool_], fold: npt.NDArray[np.int32]) -> Doubles:
    """Of each row and column of ``targets (N, L)`` the probability, by a model of the other folds."""
    from sklearn.linear_model import LogisticRegression

    probs = np.zeros(targets.shape)
    for number in np.unique(fold).tolist():
        held = fold == number
        for column in range(targets.shape[1]):
            known = targets[~held, column]
            if known.all() or not known.any():
                probs[held, column] = known.all()
                continue
            model = LogisticRegression(C=COST, solver="liblinear").fit(features[~held], known)
            probs[held, column] = model.predict_proba(features[held])[:, 1]
    return probs
