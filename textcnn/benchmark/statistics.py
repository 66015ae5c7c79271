"""What many noisy times say: a median or a ratio of sums, and how far it may be off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.intervals import CONFIDENCE, RESAMPLES
from textcnn.evaluation.intervals import Interval as Interval

Floats = npt.NDArray[np.float64]


def median_ratio(slow: Floats, fast: Floats, seed: int) -> Interval:
    """Median of ``slow / fast``, pair by pair.

    Args:
        slow: ``(N,)`` seconds.
        fast: ``(N,)`` seconds of the same batches.
        seed: decides the resampling.
    """
    ratios = slow / fast
    return _bootstrap(len(ratios), lambda rows: np.median(ratios[rows], axis=-1), seed)


def ratio_of_sums(slow: Floats, fast: Floats, seed: int) -> Interval:
    """Sum of ``slow`` over sum of ``fast``; arguments as for :func:`median_ratio`."""
    return _bootstrap(len(slow), lambda rows: slow[rows].sum(-1) / fast[rows].sum(-1), seed)


def _bootstrap(size: int, statistic: Callable[[npt.NDArray[np.int64]], Floats], seed: int) -> Interval:
    """Percentile bootstrap (Efron 1979): the spread of the statistic over samples drawn from the sample."""
    drawn = np.random.default_rng(seed).integers(size, size=(RESAMPLES, size))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(statistic(drawn), [tail, 1 - tail])
    return Interval(float(statistic(np.arange(size))), float(low), float(high))
