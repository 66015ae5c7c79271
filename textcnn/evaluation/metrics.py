"""How good predictions are: accuracy, F1 and calibration error, by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.probabilities import Floats, decide
from textcnn.labels import Labels

BINS = 15  # as in Guo et al. 2017 (arXiv 1706.04599)


def score(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels, thresholds: Sequence[float]) -> dict[str, Any]:
    """Compare predictions with the true labels of N rows.

    Args:
        truth: the true labels of each row; one unseen in training counts as wrong and has its own line.
        probs: ``(N, C)``.
        labels: the labels of the columns.
        thresholds: ``(C,)``, used for multi-label.

    Returns:
        n, accuracy (multi-label: all labels of a row right), macro_f1, micro_f1, ece, and per_label: a dictionary of
        precision, recall, f1 and support for each label. Without rows the numbers are none.
    """
    if not len(truth):
        return {"n": 0, "accuracy": None, "macro_f1": None, "micro_f1": None, "ece": None, "per_label": {}}
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    predicted = decide(probs, labels, thresholds)
    names = [*labels.names, *sorted({name for row in truth for name in row} - set(labels.names))]
    wanted, given = _indicators(truth, names), _indicators(predicted, names)
    if not labels.multi_label:
        # Averages over the labels that occur, as scikit-learn has them; a label nobody has or got says nothing.
        occurring = np.flatnonzero(np.concatenate([wanted, given]).any(axis=0))
        names = [names[i] for i in occurring]
        wanted, given = wanted[:, occurring], given[:, occurring]
    # A single column would be taken for a vector of classes: a blank one stands beside, and is left out.
    wanted, given = (np.pad(table, ((0, 0), (0, 1))) for table in (wanted, given))
    options: dict[str, Any] = {"labels": range(len(names)), "zero_division": 0}
    precision, recall, f1, support = precision_recall_fscore_support(wanted, given, average=None, **options)
    micro = precision_recall_fscore_support(wanted, given, average="micro", **options)[2]
    per_label = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(names, precision, recall, f1, support, strict=True)
    }
    return {
        "n": len(truth),
        "accuracy": float(accuracy_score(wanted, given)),
        "macro_f1": float(np.mean(f1)),
        "micro_f1": float(micro),
        "ece": calibration_error(truth, probs, labels),
        "per_label": per_label,
    }


@dataclass(frozen=True)
class CalibrationBins:
    """Decisions in 15 equal bins of confidence, as a reliability diagram shows them.

    Attributes:
        counts: ``(15,)``, decisions in each.
        confidence: ``(15,)``, the sum of their probabilities.
        success: ``(15,)``, how many were right.
    """

    counts: Floats
    confidence: Floats
    success: Floats

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017): mean gap of confidence and success."""
        return float(np.abs(self.confidence - self.success).sum() / self.counts.sum())


def calibration_bins(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels) -> CalibrationBins:
    """Put every decision into the bin of its confidence.

    Single-label: the confidence is that of the label given; multi-label: every label of every row counts.
    """
    if labels.multi_label:
        confidence = probs.ravel()
        success = _indicators(truth, labels.names).ravel().astype(float)
    else:
        best = probs.argmax(axis=1)
        confidence = probs[np.arange(len(probs)), best]
        success = np.array([labels.names[i] in row for i, row in zip(best, truth, strict=True)], float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(bins, weights=values, minlength=BINS), np.float64)

    return CalibrationBins(total(np.ones_like(confidence)), total(confidence), total(success))


def calibration_error(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels) -> float:
    """Expected calibration error over 15 equal bins (Guo et al. 2017): mean gap of confidence and success."""
    return calibration_bins(truth, probs, labels).error


def _indicators(rows: Sequence[Sequence[str]], names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """``(N, len(names))``: which row has which label."""
    index = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(rows), len(names)), np.bool_)
    for number, row in enumerate(rows):
        table[number, [index[name] for name in row if name in index]] = True
    return table
