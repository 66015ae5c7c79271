"""What dev rows decide after training: the temperature and, multi-label, the thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.probabilities import Floats, probabilities
from textcnn.labels import Labels

DEFAULT_THRESHOLD = 0.5


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


def fit_thresholds(probs: Floats, truth: Sequence[Sequence[str]], labels: Labels) -> list[float]:
    """For each label the threshold with the best F1 on dev rows; 0.5 for a label that has none there."""
    targets = labels.encode(truth)
    return [_best_threshold(probs[:, i], targets[:, i] > 0) for i in range(len(labels))]


def _best_threshold(scores: Floats, positive: npt.NDArray[np.bool_]) -> float:
    if not positive.any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + positive.sum())
    # A cut is possible only between two different scores; it is put half-way, if there is a number half-way.
    possible = np.append(ranked[:-1] > ranked[1:], True)
    best = int(np.argmax(np.where(possible, f1, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    middle = (ranked[best] + below) / 2
    return float(middle if middle > below else ranked[best])
