"""Sparse weights of words for very many labels: the centroid of each label's texts, without torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from textcnn.core.many_labels_numpy import SparseTable
from textcnn.tokenization.ngrams import WideFeatures, WideRows

SCALE = 20.0  # from a cosine to a logit; the calibration fits the factor of the branch


def words_alone(features: WideFeatures) -> WideFeatures:
    """Return the features without those of pairs of words, which gain nothing here (docs/log.md)."""
    is_word = features.keys < 1 << 32
    return WideFeatures(features.keys[is_word], features.idf[is_word])


def label_centroids(rows: WideRows, targets: npt.NDArray[np.int64], num_features: int, num_labels: int) -> SparseTable:
    """Return :data:`SCALE` times the mean direction of each label's texts (Rocchio 1971), by feature.

    A text has norm 1, and so has a centroid, so the product of both is a cosine. The entries are at most as many as
    those of the texts, however many labels there are.

    Args:
        rows: the features of every training text.
        targets: ``(N,)``, the label of each.
        num_features: F.
        num_labels: C.
    """
    owners = np.repeat(targets, np.diff(rows.offsets))
    pairs, place = np.unique(rows.rows.astype(np.int64) * num_labels + owners, return_inverse=True)
    sums = np.bincount(place, rows.weights, minlength=len(pairs))
    features, labels = np.divmod(pairs, num_labels)
    norms = np.sqrt(np.bincount(labels, sums * sums, minlength=num_labels))
    offsets = np.searchsorted(features, np.arange(num_features + 1)).astype(np.int64)
    weights = (SCALE * sums / norms[labels]).astype(np.float32)
    return SparseTable(offsets, labels.astype(np.int32), weights, num_labels)
