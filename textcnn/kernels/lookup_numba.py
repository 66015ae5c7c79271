"""Fast twin of :mod:`textcnn.kernels.lookup_numpy`: the same functions, bit by bit, compiled and without the GIL.

No ``prange``: numba's thread pools die in a forked child or under several callers. The runtime has threads of its own
(:mod:`textcnn.inference.threads`). No ``fastmath``: it would change the order of sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from textcnn.kernels import numba_forks as numba_forks

WIDE_UNIT = 2.0**-24
LARGEST_WEIGHT = 2.0**14


@njit(cache=True, nogil=True)
def pool(products, rows, offsets, sizes, out):
    """As :func:`textcnn.kernels.lookup_numpy.pool`."""
    is_standard = sizes.shape[0] == 3 and sizes[0] == 3 and sizes[1] == 4 and sizes[2] == 5
    window = np.empty(products.shape[2], out.dtype)
    for b in range(offsets.shape[0] - 1):
        start = offsets[b]
        length = offsets[b + 1] - start
        # Without a token there is no window: the first would read the next text, or nothing at all.
        if length == 0:
            out[b] = 0
            continue
        inner = 0
        tap = 0
        for g in range(sizes.shape[0]):
            best = out[b, g]
            _first(products, rows, start, length, sizes[g], tap, window, best)
            for t in range(2 - sizes[g], 0):
                _other(products, rows, start, length, t, sizes[g], tap, window, best)
            tap += sizes[g]
        if is_standard:
            while inner + 6 <= length:
                p = start + inner
                _pair(
                    products[rows[p]],
                    products[rows[p + 1]],
                    products[rows[p + 2]],
                    products[rows[p + 3]],
                    products[rows[p + 4]],
                    products[rows[p + 5]],
                    out[b, 0],
                    out[b, 1],
                    out[b, 2],
                )
                inner += 2
        tap = 0
        for g in range(sizes.shape[0]):
            for t in range(inner if sizes[g] > 1 else max(inner, 1), length):
                _other(products, rows, start, length, t, sizes[g], tap, window, out[b, g])
            tap += sizes[g]


@njit(cache=True, nogil=True)
def _pair(a, b, c, d, e, g, best3, best4, best5):
    """Two windows of three, four and five words in one go: making views costs more than the sums."""
    kind = best3.dtype.type
    for f in range(best3.shape[0]):
        x = kind(kind(a[0, f] + b[1, f]) + c[2, f])
        y = kind(kind(b[0, f] + c[1, f]) + d[2, f])
        x = y if y > x else x
        best3[f] = x if x > best3[f] else best3[f]
    for f in range(best4.shape[0]):
        x = kind(kind(kind(a[3, f] + b[4, f]) + c[5, f]) + d[6, f])
        y = kind(kind(kind(b[3, f] + c[4, f]) + d[5, f]) + e[6, f])
        x = y if y > x else x
        best4[f] = x if x > best4[f] else best4[f]
    for f in range(best5.shape[0]):
        x = kind(kind(kind(kind(a[7, f] + b[8, f]) + c[9, f]) + d[10, f]) + e[11, f])
        y = kind(kind(kind(kind(b[7, f] + c[8, f]) + d[9, f]) + e[10, f]) + g[11, f])
        x = y if y > x else x
        best5[f] = x if x > best5[f] else best5[f]


@njit(cache=True, nogil=True)
def _sum(products, rows, start, length, t, size, tap, window):
    """Window ``t`` of a text, of its words alone."""
    low = max(0, -t)
    high = min(size, length - t)
    row = products[rows[start + t + low], tap + low]
    for f in range(window.shape[0]):
        window[f] = row[f]
    for i in range(low + 1, high):
        row = products[rows[start + t + i], tap + i]
        for f in range(window.shape[0]):
            window[f] += row[f]


@njit(cache=True, nogil=True)
def _first(products, rows, start, length, size, tap, window, best):
    _sum(products, rows, start, length, 1 - size, size, tap, window)
    for f in range(window.shape[0]):
        best[f] = window[f]


@njit(cache=True, nogil=True)
def _other(products, rows, start, length, t, size, tap, window, best):
    _sum(products, rows, start, length, t, size, tap, window)
    for f in range(window.shape[0]):
        best[f] = window[f] if window[f] > best[f] else best[f]


@njit(cache=True, nogil=True)
def winners(products, rows, offsets, sizes, out, places):
    """As :func:`textcnn.kernels.lookup_numpy.winners`."""
    is_standard = sizes.shape[0] == 3 and sizes[0] == 3 and sizes[1] == 4 and sizes[2] == 5
    window = np.empty(products.shape[2], out.dtype)
    for b in range(offsets.shape[0] - 1):
        start = offsets[b]
        length = offsets[b + 1] - start
        out[b] = 0
        places[b] = 0
        if length == 0:
            continue
        inner = 0
        tap = 0
        for g in range(sizes.shape[0]):
            _first(products, rows, start, length, sizes[g], tap, window, out[b, g])
            places[b, g] = 1 - sizes[g]
            for t in range(2 - sizes[g], 0):
                _other_place(products, rows, start, length, t, sizes[g], tap, window, out[b, g], places[b, g])
            tap += sizes[g]
        if is_standard:
            while inner + 6 <= length:
                p = start + inner
                _pair_places(
                    products[rows[p]],
                    products[rows[p + 1]],
                    products[rows[p + 2]],
                    products[rows[p + 3]],
                    products[rows[p + 4]],
                    products[rows[p + 5]],
                    inner,
                    out[b],
                    places[b],
                )
                inner += 2
        tap = 0
        for g in range(sizes.shape[0]):
            for t in range(inner if sizes[g] > 1 else max(inner, 1), length):
                _other_place(products, rows, start, length, t, sizes[g], tap, window, out[b, g], places[b, g])
            tap += sizes[g]


@njit(cache=True, nogil=True)
def _other_place(products, rows, start, length, t, size, tap, window, best, place):
    _sum(products, rows, start, length, t, size, tap, window)
    _keep(window, np.int32(t), best, place)


@njit(cache=True, nogil=True)
def _keep(window, t, best, place):
    for f in range(best.shape[0]):
        is_better = window[f] > best[f]
        best[f] = window[f] if is_better else best[f]
        place[f] = t if is_better else place[f]


@njit(cache=True, nogil=True)
def _pair_places(a, b, c, d, e, g, t, best, place):
    """As :func:`_pair`, and which of the windows ``t`` and ``t + 1`` it was."""
    kind = best.dtype.type
    first, second = np.int32(t), np.int32(t + 1)
    for f in range(best.shape[1]):
        x = kind(kind(a[0, f] + b[1, f]) + c[2, f])
        y = kind(kind(b[0, f] + c[1, f]) + d[2, f])
        at = second if y > x else first
        x = y if y > x else x
        place[0, f] = at if x > best[0, f] else place[0, f]
        best[0, f] = x if x > best[0, f] else best[0, f]
    for f in range(best.shape[1]):
        x = kind(kind(kind(a[3, f] + b[4, f]) + c[5, f]) + d[6, f])
        y = kind(kind(kind(b[3, f] + c[4, f]) + d[5, f]) + e[6, f])
        at = second if y > x else first
        x = y if y > x else x
        place[1, f] = at if x > best[1, f] else place[1, f]
        best[1, f] = x if x > best[1, f] else best[1, f]
    for f in range(best.shape[1]):
        x = kind(kind(kind(kind(a[7, f] + b[8, f]) + c[9, f]) + d[10, f]) + e[11, f])
        y = kind(kind(kind(kind(b[7, f] + c[8, f]) + d[9, f]) + e[10, f]) + g[11, f])
        at = second if y > x else first
        x = y if y > x else x
        place[2, f] = at if x > best[2, f] else place[2, f]
        best[2, f] = x if x > best[2, f] else best[2, f]


@njit(cache=True, nogil=True)
def head(features, weights, out):
    """As :func:`textcnn.kernels.lookup_numpy.head`."""
    for b in range(features.shape[0]):
        for k in range(features.shape[1]):
            x = np.float64(features[b, k])
            if x != 0:  # half of them, after a ReLU; adding 0 changes no bit
                for c in range(out.shape[1]):
                    out[b, c] += x * np.float64(weights[k, c])


@njit(cache=True, nogil=True)
def add_rows(table, rows, offsets, out):
    """As :func:`textcnn.kernels.lookup_numpy.add_rows`."""
    for b in range(offsets.shape[0] - 1):
        for n in range(offsets[b], offsets[b + 1]):
            for c in range(out.shape[1]):
                out[b, c] += table[rows[n], c]


@njit(cache=True, nogil=True)
def add_features(table, scale, rows, weights, offsets, out):
    """As :func:`textcnn.kernels.lookup_numpy.add_features`."""
    for b in range(offsets.shape[0] - 1):
        for n in range(offsets[b], offsets[b + 1]):
            factor = np.int64(np.rint(np.float64(weights[n]) / WIDE_UNIT))
            for c in range(out.shape[1]):
                scaled = min(max(np.float64(table[rows[n], c]) * scale, -LARGEST_WEIGHT), LARGEST_WEIGHT)
                out[b, c] += np.int64(np.rint(scaled / WIDE_UNIT)) * factor


@njit(cache=True, nogil=True)
def collect(
    products,
    means,
    rows,
    offsets,
    sizes,
    best,
    mean_sums,
    table,
    scale,
    wide_rows,
    wide_weights,
    wide_offsets,
    wide_sums,
):
    """As :func:`textcnn.kernels.lookup_numpy.collect`."""
    if sizes.shape[0] > 0:
        pool(products, rows, offsets, sizes, best)
    add_rows(means, rows, offsets, mean_sums)
    if table.shape[0] > 0:
        add_features(table, scale, wide_rows, wide_weights, wide_offsets, wide_sums)
