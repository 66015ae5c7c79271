"""NumPy definition of :mod:`textcnn.core.rows`, used without the core."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_LANES = 16  # partial sums of a row's squares


def sum_rows(offsets: Integers, rows: Integers, weights: Floats, table: Floats) -> Floats:
    """NumPy version of :func:`textcnn.core.rows.sum_rows`."""
    _check(rows, len(table))
    lengths = np.diff(offsets)
    if offsets[0] < 0 or offsets[-1] > len(rows) or lengths.min(initial=0) < 0:
        raise ValueError("expected offsets that ascend within the entries")
    out = np.zeros((len(lengths), table.shape[1]), np.float32)
    for place in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > place)
        entries = offsets[longer] + place
        out[longer] += weights[entries, None] * table[rows[entries]]
    return out


def sort_entries(keys: Integers, others: Integers, weights: Floats, num_keys: int) -> tuple[Integers, Integers, Floats]:
    """NumPy version of :func:`textcnn.core.rows.sort_entries`."""
    _check(keys, num_keys)
    order = np.argsort(keys, kind="stable")
    offsets = np.zeros(num_keys + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=num_keys), out=offsets[1:])
    return offsets, others[order], weights[order]


def adam_rows(
    weight: Floats,
    moments: Floats,
    rows: Integers,
    grad: Floats,
    *,
    rate: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """NumPy version of :func:`textcnn.core.rows.adam_rows`."""
    _check(rows, len(weight))
    average, square = moments[rows, 0], moments[rows, 1]
    average += np.float32(1 - betas[0]) * (grad - average)
    square += np.float32(1 - betas[1]) * (grad * grad - square)
    moments[rows, 0], moments[rows, 1] = average, square
    weight[rows] -= np.float32(rate) * average / (np.sqrt(square) + np.float32(eps))


def adagrad_rows(weight: Floats, total: Floats, rows: Integers, grad: Floats, *, rate: float, eps: float) -> None:
    """NumPy version of :func:`textcnn.core.rows.adagrad_rows`."""
    _check(rows, len(weight))
    total[rows] += _squares(grad) / np.float32(grad.shape[1])
    step = np.float32(rate) / (np.sqrt(total[rows]) + np.float32(eps))
    weight[rows] += -step[:, None] * grad


def adagrad_entries(weight: Floats, total: Floats, rows: Integers, grad: Floats, *, rate: float) -> None:
    """NumPy version of :func:`textcnn.core.rows.adagrad_entries`."""
    _check(rows, len(weight))
    np.add.at(total, rows, np.float32(2) / np.float32(grad.shape[1]) * _squares(grad))
    step = np.float32(rate) / np.sqrt(np.maximum(total[rows], np.float32(1e-30)))
    np.add.at(weight, rows, -step[:, None] * grad)


def _squares(grad: Floats) -> Floats:
    """Sum the squares of each row in the core's order: 16 strided partial sums, then pairwise."""
    width = -(-grad.shape[1] // _LANES) * _LANES
    squares = np.zeros((len(grad), width), np.float32)
    squares[:, : grad.shape[1]] = grad * grad
    part = np.zeros((len(grad), _LANES), np.float32)
    for start in range(0, width, _LANES):
        part += squares[:, start : start + _LANES]
    for half in (8, 4, 2, 1):
        part[:, :half] += part[:, half : 2 * half]
    return part[:, 0]


def _check(rows: Integers, size: int) -> None:
    if len(rows) and not 0 <= rows.min() <= rows.max() < size:
        raise ValueError(f"expected numbers of rows below {size}")
