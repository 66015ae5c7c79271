"""Fast twin of :mod:`textcnn.kernels.shares_numpy`: the same functions, bit by bit, compiled and without the GIL."""

from __future__ import annotations

import numpy as np
from numba import njit

from textcnn.kernels import numba_forks as numba_forks


@njit(cache=True, nogil=True)
def window_words(products, rows, offsets, sizes, places, first, inside, adds):
    """As :func:`textcnn.kernels.shares_numpy.window_words`."""
    if sizes.shape[0] == 0:
        return
    num_filters = first.shape[1] // sizes.shape[0]
    for b in range(offsets.shape[0] - 1):
        length = offsets[b + 1] - offsets[b]
        tap = 0
        for g in range(sizes.shape[0]):
            for f in range(num_filters):
                k = g * num_filters + f
                place = np.int64(places[b, g, f])
                low = place if place > 0 else 0
                high = place + sizes[g] if place + sizes[g] < length else length
                count = high - low if high > low else 0
                first[b, k] = offsets[b] + low
                inside[b, k] = count
                for i in range(adds.shape[2]):
                    adds[b, k, i] = 0
                for i in range(count):
                    adds[b, k, i] = products[rows[offsets[b] + low + i], tap + low - place + i, f]
            tap += sizes[g]


@njit(cache=True, nogil=True)
def spread(first, inside, adds, reach, features, heads, words, windows, won):
    """As :func:`textcnn.kernels.shares_numpy.spread`."""
    for b in range(first.shape[0]):
        for k in range(first.shape[1]):
            if reach[b, k] != 0:
                for n in range(words.shape[1]):
                    weight = heads[b, n, k] * reach[b, k]
                    for i in range(inside[b, k]):
                        words[first[b, k] + i, n] += weight * adds[b, k, i]
            if features[b, k] != 0 and inside[b, k] > 0:
                key = first[b, k] * adds.shape[2] + inside[b, k] - 1
                won[key] = True
                for n in range(words.shape[1]):
                    windows[key, n] += heads[b, n, k] * features[b, k]


@njit(cache=True, nogil=True)
def strongest(offsets, values, top, ends, order, rest):
    """As :func:`textcnn.kernels.shares_numpy.strongest`."""
    for b in range(rest.shape[0]):
        held = 0
        for m in range(offsets[b], offsets[b + 1]):
            size = abs(values[m])
            place = held
            while place > 0 and abs(values[order[ends[b] + place - 1]]) < size:
                place -= 1
            if place >= top:
                continue
            held = min(held + 1, top)
            for k in range(held - 1, place, -1):
                order[ends[b] + k] = order[ends[b] + k - 1]
            order[ends[b] + place] = m
        total = 0.0
        for m in range(offsets[b], offsets[b + 1]):
            listed = False
            size = abs(values[m])
            if held > 0 and size >= abs(values[order[ends[b] + held - 1]]):
                for k in range(held):
                    listed = listed or order[ends[b] + k] == m
            total += 0.0 if listed else values[m]
        rest[b] = total
