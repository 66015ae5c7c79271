"""Precision against recall of each label, over all thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcnn.evaluation.probabilities import Floats
from textcnn.labels import Labels


@dataclass(frozen=True)
class PrecisionRecall:
    """The curve of one label.

    Attributes:
        precision: ``(P,)``.
        recall: ``(P,)``, falling.
        average: area under the steps (average precision).
    """

    precision: Floats
    recall: Floats
    average: float


def precision_recall(
    truth: Sequence[Sequence[str]], probs: Floats, labels: Labels, *, points: int = 200
) -> dict[str, PrecisionRecall]:
    """Curves of the labels that some row has and some row has not, by scikit-learn.

    Args:
        truth: the true labels of each row.
        probs: ``(N, C)``.
        labels: the labels of the columns.
        points: a longer curve is thinned to about as many, evenly along it.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = {}
    for column, name in enumerate(labels.names):
        positive = np.array([name in row for row in truth])
        if not positive.any() or positive.all():
            continue
        precision, recall, _ = precision_recall_curve(positive, probs[:, column])
        kept = np.unique(np.linspace(0, len(recall) - 1, min(points, len(recall))).round().astype(int))
        average = float(average_precision_score(positive, probs[:, column]))
        curves[name] = PrecisionRecall(precision[kept], recall[kept], average)
    return curves
