"""Bindings for row operations on float32 tables: sums, sorting, sparse optimizer steps (``src/rows.h``)."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.calls import call, call_with_pool, pointer, real, whole

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def sum_rows(offsets: Integers, rows: Integers, weights: Floats, table: Floats) -> Floats:
    """Return sums ``(K, D)`` of ``weights[e] * table[rows[e]]`` over ``offsets[k] <= e < offsets[k + 1]``, in order.

    Args:
        offsets: ``(K + 1,)``.
        rows: ``(E,)``.
        weights: ``(E,)``.
        table: ``(V, D)``.

    Raises:
        ValueError: a row is not one of the table, or the offsets do not ascend.
    """
    out = np.empty((len(offsets) - 1, table.shape[1]), np.float32)
    entries = pointer(rows, np.int64), pointer(weights, np.float32, len(rows)), whole(len(rows))
    call_with_pool(
        "tc_sum_table_rows",
        None,
        *(pointer(offsets, np.int64), whole(len(out)), *entries, pointer(table, np.float32, None, None)),
        *(whole(table.shape[0]), whole(table.shape[1]), pointer(out, np.float32, None, None)),
    )
    return out


def sort_entries(keys: Integers, others: Integers, weights: Floats, num_keys: int) -> tuple[Integers, Integers, Floats]:
    """Sort entries by key, stably; return the offsets ``(num_keys + 1,)`` of each key and the sorted entries.

    Raises:
        ValueError: a key is not below ``num_keys``.
    """
    size = len(keys)
    offsets, moved, moved_weights = (
        np.empty(num_keys + 1, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.float32),
    )
    call(
        "tc_sort_entries",
        *(pointer(keys, np.int64), pointer(others, np.int64, size), pointer(weights, np.float32, size), whole(size)),
        *(whole(num_keys), pointer(offsets, np.int64), pointer(moved, np.int64), pointer(moved_weights, np.float32)),
    )
    return offsets, moved, moved_weights


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
    """Apply a step of Adam without bias correction to ``weight[rows]``, in place.

    Args:
        weight: ``(V, D)``.
        moments: ``(V, 2, D)``, the averages of the gradient and of its square of each row.
        rows: ``(R,)``, none twice.
        grad: ``(R, D)``.
        rate: step size.
        betas: decay of both averages.
        eps: added to the root of the second.

    Raises:
        ValueError: a row is not one of the table.
    """
    averages = pointer(moments, np.float32, weight.shape[0], 2, weight.shape[1])
    settings = real(rate), real(1 - betas[0]), real(1 - betas[1]), real(eps)
    call_with_pool("tc_adam_rows", None, *_update(weight, averages, rows, grad), *settings)


def adagrad_rows(weight: Floats, total: Floats, rows: Integers, grad: Floats, *, rate: float, eps: float) -> None:
    """Apply a step of row-wise Adagrad to ``weight[rows]``, in place; its accumulator adds the mean square.

    Args:
        weight: ``(V, D)``.
        total: ``(V,)``.
        rows: ``(R,)``, none twice.
        grad: ``(R, D)``.
        rate: step size.
        eps: added to the root of the number.

    Raises:
        ValueError: a row is not one of the table.
    """
    call_with_pool("tc_adagrad_rows", None, *_update(weight, _totals(weight, total), rows, grad), real(rate), real(eps))


def adagrad_entries(weight: Floats, total: Floats, rows: Integers, grad: Floats, *, rate: float) -> None:
    """Apply row-wise Adagrad to a gradient given per example; the accumulator adds ``2 / D`` of each squared norm.

    Args:
        weight: ``(V, D)``.
        total: ``(V,)``.
        rows: ``(E,)``, with repetitions.
        grad: ``(E, D)``.
        rate: step size.

    Raises:
        ValueError: a row is not one of the table.
    """
    call_with_pool("tc_adagrad_entries", None, *_update(weight, _totals(weight, total), rows, grad), real(rate))


def _totals(weight: Floats, total: Floats) -> ctypes.c_void_p:
    return pointer(total, np.float32, weight.shape[0])


def _update(weight: Floats, state: ctypes.c_void_p, rows: Integers, grad: Floats) -> tuple[Any, ...]:
    """Return the arguments that the steps of all optimizers share."""
    size, width = weight.shape
    entries = pointer(rows, np.int64), pointer(grad, np.float32, len(rows), width), whole(len(rows))
    return pointer(weight, np.float32, None, None), state, whole(size), whole(width), *entries
