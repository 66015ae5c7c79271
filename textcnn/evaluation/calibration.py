"""Calibration of logits to probabilities, and decision thresholds, both fitted on dev rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.labels import Labels

Floats = npt.NDArray[np.float64]


def probabilities(logits: npt.NDArray[np.floating], labels: Labels, temperature: float = 1.0) -> Floats:
    """Return softmax or, multi-label, sigmoid probabilities ``(N, C)`` of ``logits / temperature``."""
    z = np.asarray(logits, np.float64) / temperature
    if labels.multi_label:
        # exp of a negative number only: no overflow, and exact far out on both sides
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1 / (1 + small), small / (1 + small))
    # For a single row, overhead costs more than these sums; the ufuncs' own methods have the least of it.
    shifted = np.exp(z - np.maximum.reduce(z, axis=1, keepdims=True))
    return np.asarray(shifted / np.add.reduce(shifted, axis=1, keepdims=True))


def decide(probs: Floats, labels: Labels, thresholds: Sequence[float]) -> list[tuple[str, ...]]:
    """Return the labels of each row: the most probable one, or, multi-label, all that reach their thresholds."""
    if labels.multi_label:
        reached = probs >= np.asarray(thresholds, np.float64)
        return [tuple(labels.names[i] for i in np.flatnonzero(row)) for row in reached]
    single = [(name,) for name in labels.names]
    return [single[i] for i in probs.argmax(axis=1).tolist()]


DEFAULT_THRESHOLD = 0.5
COLDEST, HOTTEST = 0.05, 20.0  # bounds of the temperature
TOLERANCE, MOST_STEPS = 1e-5, 60
FARTHEST = (
    2_000.0  # a logit this far below the largest has no share at any temperature: exp(-2000 / 20) is 0 in float32
)
BLOCK = 2**17  # numbers handled at once
POOLED_COUNT = 100  # weight, in positives, of the pooled scores of all labels when a label's threshold is fitted


def fit_temperature(logits: npt.NDArray[np.floating], truth: Sequence[Sequence[str]], labels: Labels) -> float:
    """Fit the temperature, between 0.05 and 20, with the least log loss on dev rows (Guo et al. 2017, 1706.04599).

    The loss is convex in 1 / temperature, so the root of its slope is found by Newton's method inside a bracket.
    Rows whose labels were all unseen in training are left out; without rows the answer is 1.
    """
    targets = labels.encode(truth)
    if not labels.multi_label:
        seen = targets >= 0
        logits, targets = logits[seen], targets[seen]
    if not len(targets):
        return 1.0
    slope_at = _multi_label_slope if labels.multi_label else _single_label_slope
    inverse, (slope, curvature) = 1.0, slope_at(logits, targets, 1.0)
    bound = COLDEST if slope < 0 else HOTTEST
    if slope == 0 or slope * slope_at(logits, targets, 1 / bound)[0] > 0:  # flat, or falling as far as the bound
        return 1.0 if slope == 0 else bound
    low, high = sorted((1.0, 1 / bound))
    for _ in range(MOST_STEPS):
        before = inverse
        newton = inverse - slope / curvature if curvature > 0 else low
        inverse = newton if low < newton < high else float(np.sqrt(low * high))
        if abs(inverse / before - 1) < TOLERANCE:
            break
        slope, curvature = slope_at(logits, targets, inverse)
        low, high = (inverse, high) if slope < 0 else (low, inverse)
    return 1 / inverse


def _single_label_slope(
    logits: npt.NDArray[np.floating], targets: npt.NDArray[Any], inverse: float
) -> tuple[float, float]:
    """Return the first two derivatives of the summed softmax loss by the inverse temperature."""
    slope = curvature = 0.0
    for rows in _blocks(logits):
        z = logits[rows] - logits[rows].max(axis=1, keepdims=True)
        slope -= float(z[np.arange(len(z)), targets[rows]].sum(dtype=np.float64))
        z = np.maximum(z, -FARTHEST, dtype=np.float32)
        weights = np.exp(np.float32(inverse) * z)
        total = weights.sum(axis=1)
        weights *= z
        mean = weights.sum(axis=1) / total
        slope += float(mean.sum(dtype=np.float64))
        curvature += float((np.einsum("nc,nc->n", weights, z) / total - mean**2).sum(dtype=np.float64))
    return slope, curvature


def _multi_label_slope(
    logits: npt.NDArray[np.floating], targets: npt.NDArray[Any], inverse: float
) -> tuple[float, float]:
    """Return the first two derivatives of the summed sigmoid loss by the inverse temperature."""
    slope = curvature = 0.0
    for rows in _blocks(logits):
        z = np.clip(logits[rows], -FARTHEST, FARTHEST, dtype=np.float32)
        small = np.exp(np.float32(-inverse) * np.abs(z))
        likely = 1 / (1 + small)
        probs = np.where(z >= 0, likely, small * likely)
        slope += float((logits[rows] * (probs - targets[rows])).sum(dtype=np.float64))
        curvature += float((z * z * probs * (1 - probs)).sum(dtype=np.float64))
    return slope, curvature


def _blocks(logits: npt.NDArray[np.floating]) -> Iterator[slice]:
    """Yield ranges of rows small enough for the processor's cache."""
    size = max(1, BLOCK // logits.shape[1])
    return (slice(start, start + size) for start in range(0, len(logits), size))


def fit_thresholds(
    probs: Floats, truth: Sequence[Sequence[str]], labels: Labels, *, pooled: float = POOLED_COUNT
) -> list[float]:
    """Return the threshold of each label with the best F1 on dev rows; 0.5 for labels that do not occur.

    The counts of a label are its own and those of all labels together, weighted so that they hold ``pooled``
    positives: a rare label, whose own best threshold is chance, has that of the pool, a frequent one its own.
    """
    targets = labels.encode(truth)
    if not targets.any():
        return [DEFAULT_THRESHOLD] * len(labels)
    everyone = _Curve(probs.ravel(), targets.ravel() > 0)
    weight = pooled / everyone.positives
    candidates = np.unique(probs)[::-1]
    found = []
    for i in range(len(labels)):
        own = _Curve(probs[:, i], targets[:, i] > 0)
        scores = candidates if pooled else np.unique(probs[:, i])[::-1]
        found.append(_best_threshold(scores, own, everyone, weight) if own.positives else DEFAULT_THRESHOLD)
    return found


class _Curve:
    """Cumulative counts of scores and of positives above any threshold."""

    def __init__(self, scores: Floats, positive: npt.NDArray[np.bool_]) -> None:
        order = np.argsort(-scores, kind="stable")
        self._ranked = scores[order]
        self._hits = np.append(0, np.cumsum(positive[order]))
        self.positives = int(self._hits[-1])

    def at(self, thresholds: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the number of scores at or above each threshold, and of positives among them."""
        given = np.searchsorted(-self._ranked, -thresholds, side="right")
        return given, self._hits[given]


def _best_threshold(scores: Floats, own: _Curve, everyone: _Curve, weight: float) -> float:
    """Return the threshold between two of the descending ``scores`` with the best weighted F1."""
    given, hits = own.at(scores)
    all_given, all_hits = everyone.at(scores)
    f1 = 2 * (hits + weight * all_hits) / (given + own.positives + weight * (all_given + everyone.positives))
    best = int(np.argmax(f1))
    # Half-way to the next score below, if there is a number half-way.
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    middle = (scores[best] + below) / 2
    return float(middle if middle > below else scores[best])
