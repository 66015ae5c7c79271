"""What the n-gram branch starts from: a share of the naive-Bayes weights of the training rows, without torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from textcnn.text.wide import WideRows

SHARE = 0.3  # how much of the naive-Bayes weights the table starts with


def naive_bayes_table(
    num_features: int, num_labels: int, rows: WideRows, targets: npt.NDArray[np.int64 | np.float32]
) -> npt.NDArray[np.float64]:
    """Weights ``(F, C)`` of every n-gram for every label.

    One label a text: ``ln P(n-gram | label)`` with add-one counts, centred over the labels. Multi-label: the
    difference of that between texts with and without the label. A label without a row has 0.

    Args:
        num_features: F.
        num_labels: C.
        rows: the features of every training text.
        targets: ``(N,)`` label ids, or ``(N, C)`` of 0 and 1.
    """
    counts = np.zeros((num_features, num_labels))
    everywhere = np.zeros((num_features, 1))
    for block, texts in rows.blocks():  # a corpus may be larger than the memory
        text = np.repeat(targets[texts], np.diff(block.offsets), axis=0)
        if targets.ndim == 1:
            code = block.rows.astype(np.int64) * num_labels + text
            counts += np.bincount(code, minlength=num_features * num_labels).reshape(num_features, num_labels)
        else:
            everywhere += np.bincount(block.rows, minlength=num_features)[:, None]
            for c in range(num_labels):
                counts[:, c] += np.bincount(block.rows, text[:, c], minlength=num_features)
    if targets.ndim == 1:
        present = np.bincount(targets, minlength=num_labels) > 0
        weights = _log_shares(counts)
        weights -= weights[:, present].mean(axis=1, keepdims=True)
    else:
        present = targets.sum(axis=0) > 0
        weights = _log_shares(counts) - _log_shares(everywhere - counts)
    weights[:, ~present] = 0
    weights *= SHARE
    return weights


def _log_shares(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    smoothed = counts + 1.0
    smoothed /= smoothed.sum(axis=0)
    return np.log(smoothed, out=smoothed)
