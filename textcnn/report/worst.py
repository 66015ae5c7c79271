"""The worst errors: wrong rows of which the model was surest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcnn.evaluation.probabilities import Floats
from textcnn.labels import Labels


@dataclass(frozen=True)
class Mistake:
    """A row that was answered wrongly.

    Attributes:
        row: its number, from 1.
        text: the text.
        truth: its true labels.
        given: the labels the model gave.
        probabilities: of all labels in ``truth`` and ``given`` that the model knows.
    """

    row: int
    text: str
    truth: tuple[str, ...]
    given: tuple[str, ...]
    probabilities: dict[str, float]


def worst_errors(
    texts: Sequence[str],
    truth: Sequence[tuple[str, ...]],
    given: Sequence[tuple[str, ...]],
    probs: Floats,
    labels: Labels,
    *,
    most: int,
) -> tuple[list[Mistake], int]:
    """The ``most`` worst errors, the worst first, and how many rows are wrong.

    An error is as bad as the largest gap between a probability and the truth (0 or 1) among the labels that were
    decided wrongly. A row whose only fault is a label the model was never shown comes last.

    Args:
        texts: N texts.
        truth: the true labels of each.
        given: the labels the model gave each.
        probs: ``(N, C)``.
        labels: the labels of the columns.
        most: how many.
    """
    index = {name: i for i, name in enumerate(labels.names)}
    wrong = [row for row in range(len(truth)) if set(truth[row]) != set(given[row])]

    def gap(row: int) -> float:
        missed = [1 - probs[row, index[name]] for name in set(truth[row]) - set(given[row]) if name in index]
        added = [probs[row, index[name]] for name in set(given[row]) - set(truth[row])]
        return float(max(missed + added, default=0.0)) - (not set(truth[row]) <= set(index))

    gaps = np.array([gap(row) for row in wrong])
    mistakes = []
    for row in (wrong[k] for k in np.argsort(-gaps, kind="stable")[:most]):
        concerned = [name for name in dict.fromkeys((*truth[row], *given[row])) if name in index]
        found = {name: float(probs[row, index[name]]) for name in concerned}
        mistakes.append(Mistake(row + 1, texts[row], tuple(truth[row]), tuple(given[row]), found))
    return mistakes, len(wrong)
