"""The grades of an ordered scale: a score's probabilities of each grade by cumulative logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError

Floats = npt.NDArray[np.float64]
CUMULATIVE = "cumulative"  # the loss of grades by cumulative logits
_LOGISTIC = 1.8  # slope of a logistic distribution with about the standard deviation 1
_STEEPEST = 1e4
PRIOR_ROWS = 1.0  # each grade counts as seen so often more


@dataclass(frozen=True)
class Grades:
    """C ordered grades and how a score leads to them: ``P(grade > j) = sigmoid(slope * (score - cuts[j]))``.

    These are the proportional odds of McCullagh (1980), with one score for all cuts.

    Attributes:
        names: the grades, the lowest first.
        values: the number that each stands for: itself, or, where the names are no numbers, its place from 1.
        slope: of the cumulative logits, above 0.
        cuts: ``C - 1`` ascending scores.
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    slope: float
    cuts: tuple[float, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Grades:
        """Return grades with cuts half-way between them, before they are fitted.

        Raises:
            ConfigError: there are fewer than two, one is there twice, or their numbers do not ascend.
        """
        names = tuple(part.strip() for name in names for part in name.split(","))
        if len(names) < 2 or len(set(names)) < len(names) or not all(names):
            raise ConfigError(f"ordinal must be two or more different grades, the lowest first, got {', '.join(names)}")
        try:
            values = tuple(map(float, names))
        except ValueError:
            values = tuple(float(place) for place in range(1, len(names) + 1))
        if not np.isfinite(values).all() or not (np.diff(values) > 0).all():
            raise ConfigError(f"ordinal must be grades from the lowest to the highest, got {', '.join(names)}")
        cuts = tuple((low + high) / 2 for low, high in pairwise(values))
        return cls(names, values, _LOGISTIC * (len(values) - 1) / (values[-1] - values[0]), cuts)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Grades:
        """Return the grades that a config.json tells."""
        return cls(tuple(saved["names"]), tuple(saved["values"]), float(saved["slope"]), tuple(saved["cuts"]))

    def numbers(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Return the number ``(N,)``, from 0, of the grade nearest to each true score."""
        return np.asarray(np.abs(scores[:, None] - np.array(self.values)).argmin(axis=1))

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability ``(N, C)`` of each grade from scores ``(N,)``."""
        logits = self.slope * (np.array(self.cuts) - scores[:, None])
        small = np.exp(-np.abs(logits))
        below = np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
        ends = np.zeros((len(scores), 1))
        return np.diff(np.concatenate([ends, below, ends + 1], axis=1), axis=1)

    def fitted(self, scores: Floats, truth: npt.NDArray[np.int64]) -> Grades:
        """Return the slope and cuts with the greatest likelihood of the grades ``truth (N,)`` given scores ``(N,)``.

        Every grade counts as seen once more, at its own value, so that a grade without a row keeps its place.
        """
        from scipy.optimize import minimize

        scores = np.concatenate([scores, self.values])
        truth = np.concatenate([truth, np.arange(len(self.values))])
        weights = np.concatenate([np.ones(len(scores) - len(self.values)), np.full(len(self.values), PRIOR_ROWS)])

        def grades_at(point: Floats) -> Grades:
            cuts = np.cumsum(np.concatenate([point[1:2], np.exp(np.minimum(point[2:], 50.0))]))
            return replace(self, slope=float(min(np.exp(point[0]), _STEEPEST)), cuts=tuple(cuts.tolist()))

        def loss(point: Floats) -> float:
            likely = grades_at(point).probabilities(scores)[np.arange(len(truth)), truth]
            return float(-(weights * np.log(np.maximum(likely, 1e-12))).sum() / len(truth))

        start = np.concatenate([[np.log(self.slope)], self.cuts[:1], np.log(np.diff(self.cuts))])
        found = minimize(loss, start, method="L-BFGS-B")
        return grades_at(found.x) if found.fun <= loss(start) else self


def grade_scores(truth: npt.NDArray[np.int64], given: npt.NDArray[np.int64], count: int) -> dict[str, float]:
    """Compute accuracy, accuracy within one grade, and quadratically weighted kappa (Cohen 1968) of N grades of C.

    Without rows the numbers are 0; kappa is 0 where chance would agree everywhere.
    """
    if not len(truth):
        return {"accuracy": 0.0, "within_one_accuracy": 0.0, "quadratic_kappa": 0.0}
    table = np.zeros((count, count))
    np.add.at(table, (truth, given), 1 / len(truth))
    distance = np.square(np.subtract.outer(np.arange(count), np.arange(count))).astype(np.float64)
    by_chance = float((distance * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    kappa = 1 - float((distance * table).sum()) / by_chance if by_chance else 0.0
    near = np.abs(truth - given) <= 1
    return {
        "accuracy": float((truth == given).mean()),
        "within_one_accuracy": float(near.mean()),
        "quadratic_kappa": kappa,
    }
