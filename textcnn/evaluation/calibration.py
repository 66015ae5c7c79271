"""Probabilities of logits, decisions by thresholds, and thresholds fitted on rows that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from textcnn.labels import Labels

Floats = npt.NDArray[np.float64]


def probabilities(logits: npt.NDArray[np.floating], labels: Labels, temperature: float = 1.0) -> Floats:
    """Return softmax or, multi-label, sigmoid probabilities ``(N, C)`` of ``logits / temperature``.

    In regression the link is linear: the numbers ``(N, K)`` themselves, in the units of the targets.
    """
    z = np.asarray(logits, np.float64) / temperature
    if labels.targets:
        return labels.means + labels.stds * z
    if labels.multi_label:
        # exp of a negative number only: no overflow, and exact far out on both sides
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1 / (1 + small), small / (1 + small))
    # For a single row, overhead costs more than these sums; the ufuncs' own methods have the least of it.
    shifted = np.exp(z - np.maximum.reduce(z, axis=1, keepdims=True))
    return np.asarray(shifted / np.add.reduce(shifted, axis=1, keepdims=True))


def decide(probs: Floats, labels: Labels, thresholds: Sequence[float]) -> list[tuple[str, ...]]:
    """Return the labels of each row: the most probable one, or, multi-label, all that reach their thresholds.

    In regression there are none.
    """
    if labels.targets:
        return [()] * len(probs)
    if labels.multi_label:
        reached = probs >= np.asarray(thresholds, np.float64)
        return [tuple(labels.names[i] for i in np.flatnonzero(row)) for row in reached]
    single = [(name,) for name in labels.names]
    return [single[i] for i in probs.argmax(axis=1).tolist()]


DEFAULT_THRESHOLD = 0.5
POOLED_COUNT = 100  # weight, in positives, of the pooled scores of all labels when a label's threshold is fitted


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
