"""Accuracy of a cascade: answers that are not sure enough are replaced by those of a larger model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.promises import HeldOutAnswers

ACCURACIES = (0.9, 0.95, 0.98, 0.99)  # asked of the answers that are sure
Booleans = npt.NDArray[np.bool_]


class Step(NamedTuple):
    """A cascade of one confidence, measured on labelled rows.

    Attributes:
        asked: the accuracy that the answers of held-out rows have from this confidence on.
        min_probability: that confidence; above 1: no held-out answers are so accurate.
        share: the share of the rows that are sure.
        accuracy: the accuracy of their answers; none: no row is sure.
        together: the accuracy of all rows, the others answered by the larger model; none: its answers are not known.
    """

    asked: float
    min_probability: float
    share: float
    accuracy: float | None
    together: float | None


def cascade(
    held_out: HeldOutAnswers,
    confidence: npt.NDArray[np.float32],
    correct: Booleans,
    teacher: Booleans | None = None,
    accuracies: Sequence[float] = ACCURACIES,
) -> list[Step]:
    """Return the cascades whose confidences held-out rows choose for these accuracies.

    Args:
        held_out: the answers that choose the confidences.
        confidence: ``(N,)``, the largest probability of each measured row.
        correct: ``(N,)``, whether its label is the true one.
        teacher: ``(N,)``, whether the answer of the larger model is; none: not known.
        accuracies: those asked of the answers that are sure.
    """
    found = []
    for accuracy in accuracies:
        least = held_out.least_confidence(accuracy)
        sure = confidence >= np.float32(least)
        found.append(
            Step(
                accuracy,
                least,
                float(sure.mean()),
                float(correct[sure].mean()) if sure.any() else None,
                None if teacher is None else float(np.where(sure, correct, teacher).mean()),
            )
        )
    return found
