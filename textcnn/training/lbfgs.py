"""Minimizes a smooth function of many numbers by L-BFGS (Liu and Nocedal 1989)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
LossAt = Callable[[Floats], tuple[float, Floats]]

MEMORY = 6  # pairs of steps and changes of the gradient that stand for the curvature
DECREASE, SHRINK, MOST_TRIALS = 1e-4, 0.5, 25  # of the line search (Armijo 1966)
_CHUNK = 4_096


def minimize(loss_at: LossAt, start: Floats, *, most_steps: int, tolerance: float) -> tuple[Floats, int]:
    """Return the point with the least loss that was found, and the number of steps, for any number of threads alike.

    Args:
        loss_at: returns the loss at a point ``(n,)`` and its gradient ``(n,)``.
        start: ``(n,)``, where the search begins.
        most_steps: the largest number of steps.
        tolerance: the search also ends when a step lowers the loss by less than this share of it.
    """
    point, (loss, slope) = start, loss_at(start)
    pairs: deque[tuple[Floats, Floats, float]] = deque(maxlen=MEMORY)
    for number in range(most_steps):
        direction = _direction(slope, pairs)
        descent = dot(direction, slope)
        if descent >= 0:
            return point, number
        size = 1.0 if pairs else min(1.0, 1 / max(dot(slope, slope) ** 0.5, 1e-30))
        for _ in range(MOST_TRIALS):
            tried = point + np.float32(size) * direction
            found = loss_at(tried)
            if found[0] <= loss + DECREASE * size * descent:
                break
            size *= SHRINK
        else:
            return point, number
        step, change = tried - point, found[1] - slope
        if (curvature := dot(step, change)) > 1e-10 * dot(change, change):
            pairs.append((step, change, curvature))
        before, (loss, slope), point = loss, found, tried
        if before - loss <= tolerance * abs(before):
            return point, number + 1
    return point, most_steps


def _direction(slope: Floats, pairs: deque[tuple[Floats, Floats, float]]) -> Floats:
    """Return minus the approximate inverse curvature times the gradient: the two loops of the method."""
    direction, shares = -slope, []
    for step, change, curvature in reversed(pairs):
        share = dot(step, direction) / curvature
        direction -= np.float32(share) * change
        shares.append(share)
    if pairs:
        _, change, curvature = pairs[-1]
        direction *= np.float32(curvature / dot(change, change))
    for (step, change, curvature), share in zip(pairs, reversed(shares), strict=True):
        direction += np.float32(share - dot(change, direction) / curvature) * step
    return direction


def dot(one: Floats, other: Floats) -> float:
    """Return the inner product, added in a fixed order whatever the number of threads: first parts, in float32."""
    whole = len(one) // _CHUNK * _CHUNK
    parts = np.einsum("ij,ij->i", one[:whole].reshape(-1, _CHUNK), other[:whole].reshape(-1, _CHUNK))
    rest = np.einsum("i,i->", one[whole:], other[whole:])
    return float(parts.sum(dtype=np.float64)) + float(rest)
