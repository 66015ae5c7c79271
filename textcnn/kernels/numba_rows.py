"""Compiled loops over rows of tables, which the fast twins share: sums of rows, entries sorted by key, lazy updates.

A ragged sum of rows (words of n-grams, means of words, gradients of winners) is a sparse matrix times a table. Its
gradient is the same sum with the matrix transposed, so a sort of the entries by their column is all that it needs.

The bodies of parallel loops are functions of their own, for numba compiles such a body several times. Every parallel
loop owns the rows it writes and adds in a fixed order: the result does not depend on the number of threads.
Shapes: K sums of E entries in all, R rows, D their width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
import numpy as np
import torch
from numba import njit, prange

from textcnn.kernels import numba_forks as numba_forks

# torch brings libgomp; another layer's threads would fight with its spinning ones.
numba.config.THREADING_LAYER = "omp"

_STRIDE = 64  # tasks of a loop over sums
_SHARES = 4  # parts of a table that are moved side by side; fixed, whatever the number of threads


@contextmanager
def threads_of_torch() -> Iterator[None]:
    """Run a kernel on as many threads as torch has been given; they share one pool, and numba would set torch's too."""
    threads = torch.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@njit(cache=True, fastmath={"contract"})
def _sum(k, offsets, rows, weights, table, out):
    total = out[k]
    total[:] = 0
    entry = offsets[k]
    end = offsets[k + 1]
    while entry + 4 <= end:  # four rows for one reading and writing of the sum
        a, b, c, d = weights[entry], weights[entry + 1], weights[entry + 2], weights[entry + 3]
        first, second = table[rows[entry]], table[rows[entry + 1]]
        third, fourth = table[rows[entry + 2]], table[rows[entry + 3]]
        for i in range(total.shape[0]):
            total[i] += a * first[i] + b * second[i] + c * third[i] + d * fourth[i]
        entry += 4
    while entry < end:
        a = weights[entry]
        first = table[rows[entry]]
        for i in range(total.shape[0]):
            total[i] += a * first[i]
        entry += 1


@njit(parallel=True, cache=True, fastmath={"contract"})
def sum_rows(offsets, rows, weights, table, out):
    """Set ``out[k] (K, D)`` to the sum of ``weights[e] * table[rows[e]]`` over ``offsets[k] <= e < offsets[k + 1]``."""
    # Frequent words come first and have the most entries: threads take every so-manieth sum, not one half each.
    for part in prange(_STRIDE):
        for k in range(part, out.shape[0], _STRIDE):
            _sum(k, offsets, rows, weights, table, out)


@njit(cache=True)
def sort_entries(keys, others, weights, num_keys):
    """Entries in the order of their keys, equal ones as they came, and the offsets ``(num_keys + 1,)`` of each key."""
    offsets = np.zeros(num_keys + 2, np.int64)  # the place behind is the next free one of a key while entries move
    for e in range(keys.shape[0]):
        offsets[keys[e] + 2] += 1
    for key in range(2, num_keys + 2):
        offsets[key] += offsets[key - 1]
    moved = np.empty(keys.shape[0], np.int64)
    moved_weights = np.empty(keys.shape[0], np.float32)
    for e in range(keys.shape[0]):
        place = offsets[keys[e] + 1]
        offsets[keys[e] + 1] = place + 1
        moved[place] = others[e]
        moved_weights[place] = weights[e]
    return offsets[:-1], moved, moved_weights


@njit(cache=True, fastmath={"contract"})
def _move(row, average, square, g, rate, first, second, eps):
    for i in range(row.shape[0]):
        average[i] += first * (g[i] - average[i])
        square[i] += second * (g[i] * g[i] - square[i])
        row[i] -= rate * average[i] / (np.sqrt(square[i]) + eps)


@njit(parallel=True, cache=True)
def adam(weight, moments, rows, grad, rate, first, second, eps):
    """One step of Adam on ``weight[rows]``; ``moments (V, 2, D)`` holds both averages of a row side by side."""
    for r in prange(rows.shape[0]):
        row = rows[r]
        _move(weight[row], moments[row, 0], moments[row, 1], grad[r], rate, first, second, eps)


@njit(cache=True)
def _move_part(part, weight, total, rows, grad, rate):
    share = np.float32(2.0 / grad.shape[1])
    least = np.float32(1e-30)
    for e in range(rows.shape[0]):
        if rows[e] % _SHARES == part:
            norm = np.float32(0)
            for c in range(grad.shape[1]):
                norm += grad[e, c] * grad[e, c]
            total[rows[e]] += share * norm
    for e in range(rows.shape[0]):
        if rows[e] % _SHARES == part:
            step = rate / np.sqrt(max(total[rows[e]], least))
            for c in range(grad.shape[1]):
                weight[rows[e], c] -= step * grad[e, c]


@njit(parallel=True, cache=True)
def adagrad(weight, total, rows, grad, rate):
    """One step of Adagrad with a number a row, for a gradient with an entry for each example; rows may repeat."""
    for part in prange(_SHARES):
        _move_part(np.int64(part), weight, total, rows, grad, rate)
