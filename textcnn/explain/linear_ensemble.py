"""Combines out-of-fold probabilities with those of cross-validated linear models over words and characters.

Two models of different kinds err on different rows, so both together tell wrong labels from hard texts better than
either (ensembles of unlike learners as filters of labels: Brodley & Friedl 1999). Features are weighted by the naive
Bayes log-count ratio of their label in the training rows (Wang & Manning 2012). Linear models are cheap, so they have
more and smaller folds than the first model, and learn from more rows. The logarithms of the probabilities are averaged
(logarithmic opinion pool, Genest & Zidek 1986), so a confident model counts for more.
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
SMOOTHING = 0.1  # added to sums of TF-IDF; the TF-IDF vectors of a text's words and of its characters have length 1
COST = 3.0  # C of the logistic regressions
FOLDS = 20  # the largest number of folds, unless the first model has more
LEAST = 1e-4  # lower bound of the probabilities, so that neither model decides alone
MOST_WORK = 50_000_000  # characters of all texts times models to fit: about a minute and a few hundred megabytes

Doubles = npt.NDArray[np.float64]


def with_second_opinion(
    folds: OutOfFold, texts: Sequence[str], truth: Sequence[tuple[str, ...]], labels: Labels
) -> OutOfFold | None:
    """Average the out-of-fold probabilities of N rows with those of linear models.

    Args:
        folds: the out-of-fold probabilities of the rows.
        texts: the N texts.
        truth: the labels of the texts.
        labels: the labels of the artifact.

    Returns:
        The averaged probabilities; None if fitting the linear models would exceed :data:`MOST_WORK`.
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
    """Return the geometric mean, normalized to sum to 1 over the labels, or over yes and no of each (multi-label)."""
    if multi_label:
        one, other = (np.stack([1 - probs, probs], axis=-1) for probs in (one, other))
    pooled: Doubles = np.sqrt(np.maximum(one, LEAST) * np.maximum(other, LEAST))
    pooled /= pooled.sum(axis=-1, keepdims=True)
    return pooled[..., 1] if multi_label else pooled


def _parted(fold: npt.NDArray[np.int32], num_parts: int) -> npt.NDArray[np.int32]:
    """Split each fold at random, without looking at labels, into ``num_parts`` smaller ones."""
    order = np.lexsort((np.random.default_rng(0).permutation(len(fold)), fold))
    parted = fold * num_parts
    parted[order] += np.arange(len(fold), dtype=np.int32) % num_parts
    return parted


def _features(texts: Sequence[str]) -> Any:
    """Return TF-IDF features of words, pairs of words, and character n-grams inside words; labels are not used."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer

    words = CountVectorizer(analyzer=_word_ngrams)
    characters = HashingVectorizer(
        analyzer="char_wb", ngram_range=CHARACTER_NGRAMS, n_features=BUCKETS, alternate_sign=False, norm=None
    )
    try:
        counts = [words.fit_transform(words_of(texts)), characters.transform(texts)]
    except ValueError:  # the texts have no words at all
        counts = [characters.transform(texts)]
    features = hstack([TfidfTransformer(sublinear_tf=True).fit_transform(part) for part in counts]).tocsr()
    return features[:, np.union1d(features.indices, [0])]  # drops empty buckets, but keeps one column


def _word_ngrams(words: list[str]) -> list[str]:
    return [" ".join(words[k : k + n]) for n in WORD_NGRAMS for k in range(len(words) - n + 1)]


def _out_of_fold(features: Any, targets: npt.NDArray[np.bool_], fold: npt.NDArray[np.int32]) -> Doubles:
    """Return the probability of each target of ``targets (N, L)``, from a model fitted on the other folds."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import normalize

    probs = np.zeros(targets.shape)
    for number in np.unique(fold).tolist():
        test = fold == number
        for column in range(targets.shape[1]):
            known = targets[~test, column]
            if known.all() or not known.any():  # a logistic regression needs both classes
                probs[test, column] = known.all()
                continue
            weighted = normalize(features @ diags(_log_count_ratios(features[~test], known)))
            model = LogisticRegression(C=COST, solver="liblinear").fit(weighted[~test], known)
            probs[test, column] = model.predict_proba(weighted[test])[:, 1]
    return probs


def _log_count_ratios(features: Any, known: npt.NDArray[np.bool_]) -> Doubles:
    """Return the log-count ratio of each feature: how much more of it rows with the label have than others.

    Each side is compared with its expected share, so that a label with few rows gets no extreme ratios.
    """
    have, lack = (np.asarray(features[rows].sum(axis=0), np.float64).ravel() for rows in (known, ~known))
    total, share = have + lack, float(known.mean())
    more = np.log((have + SMOOTHING) / (total * share + SMOOTHING))
    less = np.log((lack + SMOOTHING) / (total * (1 - share) + SMOOTHING))
    ratios: Doubles = more - less
    return ratios
