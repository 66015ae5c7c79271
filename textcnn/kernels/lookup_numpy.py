"""Kernels of the look-up runtime: the definition, in numpy. :mod:`textcnn.kernels.lookup_numba` is its fast twin.

Every function fills ``out`` and adds in an order that its text alone decides: window by window, token by token. Sums of
integers are exact. So both twins give the same bits, whatever stands beside a text.

Shapes: R rows of a table, S taps (the sum of the kernel sizes), G sizes, F filters of a size, C labels, B texts of N
tokens in all. Text b holds the tokens ``offsets[b]`` to ``offsets[b + 1]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

WIDE_UNIT = 2.0**-24  # of the weights and of the table; a product has its square
LARGEST_WEIGHT = 2.0**14  # so that a product of both stays far inside 64 bits
_STRETCH = 256  # windows at once: bounds the memory of a long text


def pool(products: Array, rows: Integers, offsets: Integers, sizes: Integers, out: Array) -> None:
    """Largest sum of every filter over the windows of every text, without bias; 0 for a text without tokens.

    Windows reach over both ends of a text, and a place outside it adds nothing.

    Args:
        products: ``(R, S, F)`` float32 or int8; row 0 is zeros and stands for every place outside a text.
        rows: ``(N,)``, the row of every token.
        offsets: ``(B + 1,)``.
        sizes: ``(G,)``, how many words the windows of each group of filters have.
        out: ``(B, G, F)``, float32 or int16: sums are made in its type.
    """
    overhang = int(sizes.max(initial=1)) - 1
    outside = np.zeros(overhang, np.int64)
    step = max(_STRETCH, overhang + 1)
    for b in range(len(offsets) - 1):
        text = rows[offsets[b] : offsets[b + 1]]
        if not len(text):
            out[b] = 0
            continue
        padded = np.concatenate([outside, text, outside])
        last = len(text) + overhang  # windows of the largest size; smaller ones end with it and begin later
        for start in range(0, last, step):
            stretch = products[padded[start : min(start + step, last) + overhang]]
            _pool_stretch(stretch, sizes, overhang, out[b], is_first=start == 0)


def _pool_stretch(stretch: Array, sizes: Integers, overhang: int, best: Array, *, is_first: bool) -> None:
    """Windows that begin in a stretch of a text, ``(T, S, F)``."""
    tap, high = 0, len(stretch) - overhang
    for g, size in enumerate(sizes.tolist()):
        low = overhang - size + 1 if is_first else 0
        sums = stretch[low:high, tap].astype(best.dtype)
        for i in range(1, size):
            sums += stretch[low + i : high + i, tap + i]
        top = np.maximum.reduce(sums, axis=0)
        best[g] = top if is_first else np.maximum(best[g], top)
        tap += size


def winners(
    products: Array, rows: Integers, offsets: Integers, sizes: Integers, out: Array, places: npt.NDArray[np.int32]
) -> None:
    """As :func:`pool`, and where each largest sum stands: the first token of the first window that has it.

    Args:
        products: as for :func:`pool`; so are ``rows``, ``offsets``, ``sizes`` and ``out``.
        rows: of every token.
        offsets: of the texts.
        sizes: of the windows.
        out: ``(B, G, F)``.
        places: ``(B, G, F)``, counted from the text's first token; below 0 where the window begins outside.
    """
    for b in range(len(offsets) - 1):
        text, tap = rows[offsets[b] : offsets[b + 1]], 0
        out[b], places[b] = 0, 0
        for g, size in enumerate(sizes.tolist() if len(text) else []):
            outside = np.zeros(size - 1, np.int64)
            padded, last = np.concatenate([outside, text, outside]), len(text) + size - 1
            for start in range(0, last, _STRETCH):
                end = min(start + _STRETCH, last)
                sums = products[padded[start:end], tap].astype(out.dtype)
                for i in range(1, size):
                    sums += products[padded[start + i : end + i], tap + i]
                first = sums.argmax(axis=0)
                top = np.take_along_axis(sums, first[None], axis=0)[0]
                better = (top > out[b, g]) | (start == 0)
                out[b, g, better] = top[better]
                places[b, g, better] = first[better] + start - (size - 1)
            tap += size


def head(features: Array, weights: Array, out: Array) -> None:
    """Add ``features (B, K) @ weights (K, C)`` into ``out (B, C)`` float64, one feature after the other.

    Products of two float32 numbers are exact in float64.
    """
    wide = weights.astype(np.float64)
    for b in range(len(features)):
        terms = np.concatenate([out[b, None], features[b, :, None].astype(np.float64) * wide])
        out[b] = np.add.accumulate(terms, axis=0)[-1]


def add_rows(table: Integers, rows: Integers, offsets: Integers, out: Integers) -> None:
    """Add the rows ``(R, C)`` of each text's tokens into ``out (B, C)``, all integers."""
    _add_parts(table[rows], offsets, out)


def add_features(table: Array, scale: float, rows: Array, weights: Array, offsets: Integers, out: Integers) -> None:
    """Add weighted rows of the wide table into ``out (B, C)``, in units of ``WIDE_UNIT ** 2``.

    Args:
        table: ``(features, C)`` float32.
        scale: what the table is multiplied by.
        rows: features of every text.
        weights: float32, of every feature.
        offsets: ``(B + 1,)``, where the features of each text begin.
        out: ``(B, C)``.
    """
    scaled = np.minimum(np.maximum(table[rows] * np.float64(scale), -LARGEST_WEIGHT), LARGEST_WEIGHT)
    whole = np.rint(scaled / WIDE_UNIT).astype(np.int64)
    factor = np.rint(weights / np.float64(WIDE_UNIT)).astype(np.int64)
    _add_parts(whole * factor[:, None], offsets, out)


def collect(
    products: Array,
    means: Integers,
    rows: Integers,
    offsets: Integers,
    sizes: Integers,
    best: Array,
    mean_sums: Integers,
    table: Array,
    scale: float,
    wide_rows: Array,
    wide_weights: Array,
    wide_offsets: Integers,
    wide_sums: Integers,
) -> None:
    """All that is gathered for some texts in one call: :func:`pool`, :func:`add_rows` and :func:`add_features`."""
    if len(sizes):
        pool(products, rows, offsets, sizes, best)
    add_rows(means, rows, offsets, mean_sums)
    if len(table):
        add_features(table, scale, wide_rows, wide_weights, wide_offsets, wide_sums)


def _add_parts(values: Integers, offsets: Integers, out: Integers) -> None:
    if len(out) == 1:
        out += np.add.reduce(values, axis=0)
        return
    sums = np.zeros((len(values) + 1, values.shape[1]), np.int64)
    np.cumsum(values, axis=0, out=sums[1:])
    out += sums[offsets[1:]] - sums[offsets[:-1]]
