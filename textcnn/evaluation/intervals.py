"""Confidence intervals of metrics by the percentile bootstrap over rows (Efron 1979)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.calibration import Floats
from textcnn.labels import Labels

RESAMPLES = 2_000
CONFIDENCE = 0.95
_CELLS = 4_000_000  # numbers drawn at once


class Interval(NamedTuple):
    """An estimate and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreIntervals:
    """Intervals of the metrics that :func:`textcnn.evaluation.metrics.score` computes.

    Attributes:
        overall: accuracy, macro_f1 and micro_f1.
        per_label: F1 of each label that occurs.
    """

    overall: dict[str, Interval]
    per_label: dict[str, Interval]


def score_intervals(
    truth: Sequence[Sequence[str]], given: Sequence[Sequence[str]], labels: Labels, *, seed: int = 0
) -> ScoreIntervals:
    """Compute bootstrap intervals of accuracy and F1 from N rows.

    These metrics depend only on how often each pair of (true labels, labels given) occurs. So a sample is drawn as one
    multinomial over the pairs, exactly as if rows had been drawn, at a cost that does not grow with N. The calibration
    error has no such form, and its bootstrap is biased upwards: it gets no interval.

    Args:
        truth: the true labels of each row, one row at least.
        given: the labels that a model gave each row.
        labels: labels of the model.
        seed: decides the samples.
    """
    names = [*labels.names, *sorted({name for row in truth for name in row} - set(labels.names))]
    pairs = Counter((frozenset(t), frozenset(g)) for t, g in zip(truth, given, strict=True))
    counts = np.array(list(pairs.values()), np.int64)
    wanted = _indicators((t for t, _ in pairs), names)
    found = _indicators((g for _, g in pairs), names)
    right = np.array([t == g for t, g in pairs])
    # Single-label averages are over the labels that occur; multi-label ones over all.
    tables = (wanted, found, right, not labels.multi_label)
    random, size = np.random.default_rng(seed), max(1, _CELLS // len(counts))
    value = _metrics(counts[None], *tables)
    parts = [
        _metrics(random.multinomial(len(truth), counts / len(truth), size=min(size, RESAMPLES - done)), *tables)
        for done in range(0, RESAMPLES, size)
    ]
    overall = {
        name: _interval(float(value[name][0]), np.concatenate([part[name] for part in parts]))
        for name in ("accuracy", "macro_f1", "micro_f1")
    }
    per_label = {
        name: _interval(float(value["f1"][0, i]), np.concatenate([part["f1"][:, i] for part in parts]))
        for i, name in enumerate(names)
        if not np.isnan(value["f1"][0, i])
    }
    return ScoreIntervals(overall, per_label)


def _metrics(drawn: npt.NDArray[np.int64], wanted: Any, found: Any, right: Any, occurring: bool) -> dict[str, Floats]:
    """Compute the metrics of R samples; ``drawn (R, pairs)`` counts each (true, given) pair in each sample."""
    hits = _totals(drawn, wanted.multiply(found))
    both = _totals(drawn, wanted) + _totals(drawn, found)
    f1 = np.divide(2 * hits, both, out=np.full(both.shape, np.nan), where=both > 0)
    filled = np.nan_to_num(f1)
    kinds = np.maximum((both > 0).sum(axis=1), 1) if occurring else both.shape[1]
    num_rows = drawn.sum(axis=1)
    return {
        "accuracy": drawn @ right.astype(np.float64) / num_rows,
        "macro_f1": filled.sum(axis=1) / kinds,
        "micro_f1": 2 * hits.sum(axis=1) / np.maximum(both.sum(axis=1), 1),
        "f1": f1,
    }


def _totals(drawn: npt.NDArray[np.int64], table: Any) -> Floats:
    return np.asarray((table.T @ drawn.T).T, np.float64)


def _interval(value: float, sampled: Floats) -> Interval:
    """Return the percentile interval; samples without the label have no F1 and are ignored."""
    tail = (1 - CONFIDENCE) / 2
    kept = sampled[~np.isnan(sampled)]
    low, high = np.quantile(kept, [tail, 1 - tail]) if len(kept) else (value, value)
    return Interval(value, float(low), float(high))


def _indicators(rows: Iterable[Iterable[str]], names: Sequence[str]) -> Any:
    """Return a sparse indicator matrix ``(rows, names)`` of the labels of each row."""
    from scipy.sparse import csr_matrix

    index = {name: i for i, name in enumerate(names)}
    places = [sorted(index[name] for name in row) for row in rows]
    indptr = np.cumsum([0, *map(len, places)])
    indices = np.array([i for row in places for i in row], np.int64)
    return csr_matrix((np.ones(len(indices), np.int64), indices, indptr), shape=(len(places), len(names)))
