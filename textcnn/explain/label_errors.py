"""Labels that a model which had not seen them would not have given: suspected errors, most suspicious first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn.inference.out_of_fold import OutOfFold
from textcnn.labels import Labels


@dataclass(frozen=True)
class Suspect:
    """A training row and what the model that had not seen it says of its label.

    Attributes:
        row: its number, from 0, in the order the rows were read.
        given: its label, or labels.
        suggested: the label that is more probable than the given one; of a multi-label row, the label that is absent
            where it should be there, or there where it should not. None: the given one is the most probable.
        probability: that the given label is right, out of fold.
    """

    row: int
    given: tuple[str, ...]
    suggested: str | None
    probability: float


def rank_rows(folds: OutOfFold, labels: Labels, truth: Sequence[tuple[str, ...]]) -> list[Suspect]:
    """Every row, the one with the least probability of its own label first (self-confidence, Northcutt et al. 2021).

    A multi-label row is as probable as the least probable of its C decisions. A label that the artifact does not know
    has probability 0.

    Args:
        folds: of these rows.
        labels: those of the artifact.
        truth: the labels of each row.
    """
    probs = folds.probabilities.astype(np.float64)
    if labels.multi_label:
        given = np.array([[name in row for name in labels.names] for row in truth], np.bool_).reshape(probs.shape)
        right = np.where(given, probs, 1 - probs)
        own, other = right.min(axis=1), right.argmin(axis=1)
        doubtful = own < 0.5
    else:
        number = {name: k for k, name in enumerate(labels.names)}
        column = np.array([number.get(row[0], -1) for row in truth], np.int64)
        own = np.where(column >= 0, probs[np.arange(len(probs)), column], 0)
        other = probs.argmax(axis=1)
        doubtful = other != column
    return [
        Suspect(row, truth[row], labels.names[other[row]] if doubtful[row] else None, float(own[row]))
        for row in _ascending(own).tolist()
    ]


def _ascending(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.argsort(values, kind="stable")
