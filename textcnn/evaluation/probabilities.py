"""Logits to probabilities, in float64, and probabilities to labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from textcnn.labels import Labels

Floats = npt.NDArray[np.float64]


def probabilities(logits: npt.NDArray[np.floating], labels: Labels, temperature: float = 1.0) -> Floats:
    """Softmax (each row sums to 1) or, multi-label, sigmoid of ``logits / temperature``, ``(N, C)``."""
    z = np.asarray(logits, np.float64) / temperature
    if labels.multi_label:
        # exp of a negative number only: no overflow, and exact far out on both sides
        small = np.exp(-np.abs(z))
        return np.where(z >= 0, 1 / (1 + small), small / (1 + small))
    # Of one row, what stands around these sums costs more than they do: the ufuncs' own methods have least of it.
    shifted = np.exp(z - np.maximum.reduce(z, axis=1, keepdims=True))
    return np.asarray(shifted / np.add.reduce(shifted, axis=1, keepdims=True))


def decide(probs: Floats, labels: Labels, thresholds: Sequence[float]) -> list[tuple[str, ...]]:
    """Labels of each row: the most probable one, or, multi-label, all that reach their thresholds (maybe none)."""
    if labels.multi_label:
        reached = probs >= np.asarray(thresholds, np.float64)
        return [tuple(labels.names[i] for i in np.flatnonzero(row)) for row in reached]
    single = [(name,) for name in labels.names]
    return [single[i] for i in probs.argmax(axis=1).tolist()]
