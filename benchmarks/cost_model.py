"""Seconds of a run as a sum of what it does, each kind of work at its price, fitted to runs that were timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Work = Mapping[str, float]


@dataclass(frozen=True)
class CostModel:
    """Prices in seconds of one unit of each kind of work.

    Attributes:
        prices: by kind, none below 0.
    """

    prices: Mapping[str, float]

    @classmethod
    def fit(cls, runs: Sequence[tuple[Work, float]]) -> CostModel:
        """The prices with the smallest sum of squared relative errors (non-negative least squares, Lawson & Hanson).

        Args:
            runs: amounts of work by kind, the same kinds in each, and the seconds that it took.
        """
        from scipy.optimize import nnls

        kinds = list(runs[0][0])
        amounts = np.array([[work[kind] for kind in kinds] for work, _ in runs])
        seconds = np.array([taken for _, taken in runs])
        scale = amounts.max(axis=0)  # tokens by the million beside a single start
        prices, _ = nnls(amounts / scale / seconds[:, None], np.ones(len(runs)))
        return cls({kind: float(price / size) for kind, price, size in zip(kinds, prices, scale, strict=True)})

    def seconds(self, work: Work) -> float:
        """What a run should take."""
        return sum(self.prices[kind] * amount for kind, amount in work.items())

    def check(self, runs: Sequence[tuple[Work, float]]) -> list[dict[str, Any]]:
        """Runs with their predictions; ``error`` is relative to the time that was taken."""
        found = []
        for work, taken in runs:
            predicted = self.seconds(work)
            found.append({"work": dict(work), "seconds": taken, "predicted": predicted, "error": predicted / taken - 1})
        return found
