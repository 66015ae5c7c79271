"""What dev rows decide after training: the temperature and, multi-label, the thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.probabilities import Floats, probabilities
from textcnn.labels import Labels

DEFAULT_THRESHOLD = 0.5
POOLED_COUNT = 100  # positives of the pool of all labels that stand beside a label's own when its threshold is set


def fit_temperature(logits: npt.NDArray[np.floating], truth: Sequence[Sequence[str]], labels: Labels) -> float:
    """Temperature with the least log loss on dev rows (Guo et al. 2017, arXiv 1706.04599), between 0.05 and 20.

    Rows whose labels were all unseen in training are left out; without rows the answer is 1.
    """
    from scipy.optimize import minimize_scalar

    targets = labels.encode(truth)
    if not labels.multi_label:
        seen = targets >= 0
        logits, targets = logits[seen], targets[seen]
    if not len(targets):
        return 1.0

    def log_loss(log_temperature: float) -> float:
        probs = np.clip(probabilities(logits, labels, float(np.exp(log_temperature))), 1e-12, 1 - 1e-12)
        if labels.multi_label:
            return -float(np.mean(targets * np.log(probs) + (1 - targets) * np.log1p(-probs)))
        return -float(np.mean(np.log(probs[np.arange(len(targets)), targets])))

    found = minimize_scalar(log_loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def fit_thresholds(
    probs: Floats, truth: Sequence[Sequence[str]], labels: Labels, *, pooled: float = POOLED_COUNT
) -> list[float]:
    """For each label the threshold with the best F1 on dev rows; 0.5 for a label that has none there.

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
    """How many scores reach a threshold, and how many of them are positive."""

    def __init__(self, scores: Floats, positive: npt.NDArray[np.bool_]) -> None:
        order = np.argsort(-scores, kind="stable")
        self._ranked = scores[order]
        self._hits = np.append(0, np.cumsum(positive[order]))
        self.positives = int(self._hits[-1])

    def at(self, thresholds: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Scores at or above each threshold, and hits among them."""
        given = np.searchsorted(-self._ranked, -thresholds, side="right")
        return given, self._hits[given]


def _best_threshold(scores: Floats, own: _Curve, everyone: _Curve, weight: float) -> float:
    """Where between two of ``scores``, which fall, the F1 of the weighted counts is best."""
    given, hits = own.at(scores)
    all_given, all_hits = everyone.at(scores)
    f1 = 2 * (hits + weight * all_hits) / (given + own.positives + weight * (all_given + everyone.positives))
    best = int(np.argmax(f1))
    # Half-way to the next score below, if there is a number half-way.
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    middle = (scores[best] + below) / 2
    return float(middle if middle > below else scores[best])
