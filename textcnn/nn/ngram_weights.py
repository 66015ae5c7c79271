"""Naive-Bayes initialization and pruning of the wide branch's weights, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core import numeric
from textcnn.tokenization.ngrams import WideRows

SHARE = 0.3  # how much of the naive-Bayes weights the table starts with


def naive_bayes_table(
    num_features: int, num_labels: int, rows: WideRows, targets: npt.NDArray[np.int64 | np.float32]
) -> npt.NDArray[np.float64]:
    """Return the naive-Bayes weights ``(F, C)`` of every n-gram for every label.

    One label a text: ``ln P(n-gram | label)`` with add-one counts, centred over the labels. Multi-label: the
    difference of that between texts with and without the label. A label without a row has 0.

    Args:
        num_features: F.
        num_labels: C.
        rows: the features of every training text.
        targets: ``(N,)`` label ids, or ``(N, C)`` of 0 and 1.
    """
    if targets.ndim == 1:
        counts = core.twin("features").count_labels(rows.rows, rows.offsets, targets, num_features, num_labels)
        present = np.bincount(targets, minlength=num_labels) > 0
        weights = _log_shares(counts)
        weights -= weights[:, present].mean(axis=1, keepdims=True)
    else:
        counts, everywhere = _presence(num_features, num_labels, rows, targets)
        present = targets.sum(axis=0) > 0
        weights = _log_shares(counts) - _log_shares(everywhere - counts)
    weights[:, ~present] = 0
    weights *= SHARE
    return weights


def _presence(
    num_features: int, num_labels: int, rows: WideRows, targets: npt.NDArray[np.int64 | np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count the texts that contain each feature: with each label ``(F, C)``, and in all ``(F, 1)``."""
    counts = np.zeros((num_features, num_labels), np.int64)
    everywhere = np.zeros((num_features, 1), np.int64)
    for block, texts in rows.blocks():  # a corpus may be larger than the memory
        text = np.repeat(targets[texts] > 0, np.diff(block.offsets), axis=0)
        everywhere[:, 0] += np.bincount(block.rows, minlength=num_features)
        for c in range(num_labels):
            counts[:, c] += np.bincount(block.rows[text[:, c]], minlength=num_features)
    return counts, everywhere


def _log_shares(counts: npt.NDArray[np.int32 | np.int64]) -> npt.NDArray[np.float64]:
    """Return logarithms of each column's shares with add-one smoothing, computed once for equal counts."""
    logarithms = numeric.log(np.arange(1, int(counts.max(initial=0)) + 2))
    total = counts.sum(axis=0, dtype=np.int64) + len(counts)
    return np.asarray(logarithms[counts] - numeric.log(np.maximum(total, 1)))


_LARGEST = float(np.finfo(np.float16).max)


def num_bytes(num_features: int, num_labels: int, *, float16: bool) -> int:
    """Return the file size of a branch of so many n-grams: key, idf and weights of each."""
    return num_features * (8 + 4 + num_labels * (2 if float16 else 4))


def smaller_table(table: npt.NDArray[Any], most: int) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]:
    """Prune a table ``(N, C)`` to float16 rows within ``most`` bytes; return them and their indices, ascending.

    They are the rows of the largest norm; keys of the rows that are kept stay ascending.
    """
    rounded = np.clip(table, -_LARGEST, _LARGEST).astype(np.float16)
    room = most // num_bytes(1, table.shape[1], float16=True)
    norms = np.linalg.norm(rounded.astype(np.float32), axis=1)
    kept = np.sort(np.argsort(-norms, kind="stable")[:room])
    return rounded[kept], kept
