"""A second opinion on labels: linear models of words and characters, cross-validated in parts of the first one's folds.

Two models of different kinds err on different rows, so both together tell wrong labels from hard texts better than
either (ensembles of unlike learners as filters of labels: Brodley & Friedl 1999). An n-gram counts as much as it tells
the label from the others among the rows that train: its naive Bayes log-count ratio (Wang & Manning 2012). Linear
models cost little, so they have more and smaller folds than the first opinion, and learn from more rows. Logarithms of
the probabilities are averaged (logarithmic opinion pool, Genest & Zidek 1986), so one that is sure counts for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.folder.training_rows import OutOfFold
from textcnn.labels import Labels
from textcnn.tokenization.words import words_of

WORD_NGRAMS = (1, 2)
CHARACTER_NGRAMS, BUCKETS = (2, 5), 2**20
SMOOTHING = 0.1  # added to sums of TF-IDF, of which words and characters have length 1 in a text each
COST = 3.0  # C of the logistic regressions
FOLDS = 20  # at most, unless the first opinion has more
LEAST = 1e-4  # of the probabilities, so that none decides alone
MOST_WORK = 50_000_000  # characters of all texts times models to fit: about a minute, and some hundred megabytes

Doubles = npt.NDArray[np.float64]


def with_second_opinion(
    folds: OutOfFold, texts: Sequence[str], truth: Sequence[tuple[str, ...]], labels: Labels
) -> OutOfFold | None:
    """What cross validation said of N rows, and linear models say that have not seen them either, as one opinion.

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
    num_folds = int(folds.fold.max(initial=0)) + 1
    work = sum(map(len, texts)) * asked.shape[1] * num_folds
    if work > MOST_WORK:
        return None
    num_parts = max(min(FOLDS // num_folds, MOST_WORK // max(work, 1)), 1)
    probs = _out_of_fold(_features(texts), asked, _parted(folds.fold, num_parts))
    if asked.shape[1] < columns.shape[1]:
        probs = np.concatenate([1 - probs, probs], axis=1)
    elif not labels.multi_label:
        probs /= np.maximum(probs.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    pooled = _pooled(folds.probabilities.astype(np.float64), probs, labels.multi_label)
    return OutOfFold(pooled.astype(np.float32), folds.fold)


def _pooled(one: Doubles, other: Doubles, multi_label: bool) -> Doubles:
    """The geometric mean, scaled to a sum of 1: over the labels, or (multi-label) over the yes and no of each."""
    if multi_label:
        one, other = (np.stack([1 - probs, probs], axis=-1) for probs in (one, other))
    pooled: Doubles = np.sqrt(np.maximum(one, LEAST) * np.maximum(other, LEAST))
    pooled /= pooled.sum(axis=-1, keepdims=True)
    return pooled[..., 1] if multi_label else pooled


def _parted(fold: npt.NDArray[np.int32], num_parts: int) -> npt.NDArray[np.int32]:
    """Smaller folds: the rows of each are dealt at random to ``num_parts``; no label is looked at."""
    order = np.lexsort((np.random.default_rng(0).permutation(len(fold)), fold))
    parted = fold * num_parts
    parted[order] += np.arange(len(fold), dtype=np.int32) % num_parts
    return parted


def _features(texts: Sequence[str]) -> Any:
    """TF-IDF of words and pairs of words, and of the characters inside words; no label is looked at."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer

    words = CountVectorizer(analyzer=_word_ngrams)
    characters = HashingVectorizer(
        analyzer="char_wb", ngram_range=CHARACTER_NGRAMS, n_features=BUCKETS, alternate_sign=False, norm=None
    )
    try:
        counts = [words.fit_transform(words_of(texts)), characters.transform(texts)]
    except ValueError:  # not a single word
        counts = [characters.transform(texts)]
    features = hstack([TfidfTransformer(sublinear_tf=True).fit_transform(part) for part in counts]).tocsr()
    return features[:, np.union1d(features.indices, [0])]  # most buckets are empty; one column there must be


def _word_ngrams(words: list[str]) -> list[str]:
    return [" ".join(words[k : k + n]) for n in WORD_NGRAMS for k in range(len(words) - n + 1)]


def _out_of_fold(features: Any, targets: npt.NDArray[np.bool_], fold: npt.NDArray[np.int32]) -> Doubles:
    """Of each row and column of ``targets (N, L)`` the probability, by a model of the other folds."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import normalize

    probs = np.zeros(targets.shape)
    for number in np.unique(fold).tolist():
        held = fold == number
        for column in range(targets.shape[1]):
            known = targets[~held, column]
            if known.all() or not known.any():
                probs[held, column] = known.all()
                continue
            weighted = normalize(features @ diags(_log_count_ratios(features[~held], known)))
            model = LogisticRegression(C=COST, solver="liblinear").fit(weighted[~held], known)
            probs[held, column] = model.predict_proba(weighted[held])[:, 1]
    return probs


def _log_count_ratios(features: Any, known: npt.NDArray[np.bool_]) -> Doubles:
    """Of each column how much more rows with the label have of it than others, as a logarithm.

    Each side is compared with what it would have by chance: a label of few rows says little of any n-gram.
    """
    have, lack = (np.asarray(features[rows].sum(axis=0), np.float64).ravel() for rows in (known, ~known))
    total, share = have + lack, float(known.mean())
    more = np.log((have + SMOOTHING) / (total * share + SMOOTHING))
    less = np.log((lack + SMOOTHING) / (total * (1 - share) + SMOOTHING))
    ratios: Doubles = more - less
    return ratios
