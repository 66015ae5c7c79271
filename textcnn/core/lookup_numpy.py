"""Kernels of the lookup runtime, defined in NumPy; :mod:`textcnn.core.lookup` binds the same in C.

Every function fills ``out`` and adds in an order that depends on the text alone: window by window, token by token; sums
of integers are exact. So both versions give the same bits for any batch and any number of threads; NumPy uses one.

Shapes: R rows of a table, S taps of a row, G sizes, F filters of a size (a multiple of 16), C labels, B texts of N
tokens in all. Text b has the tokens ``offsets[b]`` to ``offsets[b + 1]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.units import LARGEST_WEIGHT, WIDE_UNIT

Integers = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

ACTIVATIONS = ("relu", "leaky_relu", "tanh", "identity")  # in the order of the core's numbers
LEAK = np.float32(0.01)  # of `leaky_relu`, as torch.nn.LeakyReLU has it
_STRETCH = 256  # windows at once: bounds the memory of a long text


def pool(
    products: Array,
    rows: Integers,
    offsets: Integers,
    sizes: Integers,
    first_taps: Integers,
    out: Array,
    *,
    threads: int | None = None,
) -> None:
    """Max-pool every filter's score over the windows of every text, without bias; 0 for a text without tokens.

    Windows reach over both ends of a text, and a place outside it adds nothing.

    Args:
        products: ``(R, S, F)`` float32 or int8; row 0 is zeros, for every position outside a text.
        rows: ``(N,)``, the row of every token.
        offsets: ``(B + 1,)``.
        sizes: ``(G,)``, how many words the windows of each group of filters have.
        first_taps: ``(G,)``, the tap of a window's first word; the next word has the next one. Neighbouring sizes that
            ascend and have the same first tap share the sums of their first words.
        out: ``(B, G, F)``, float32 or int16: sums are made in its type.
        threads: none: :func:`textcnn.core.threads.num_threads`.

    Raises:
        ValueError: sizes or numbers do not fit together.
    """
    _check(products, rows, offsets, sizes, first_taps)
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
            for g, sums in window_sums(stretch, sizes, first_taps, overhang, out.dtype):
                inside = sums[overhang + 1 - int(sizes[g]) :] if start == 0 else sums
                top = np.maximum.reduce(inside, axis=0)
                out[b, g] = top if start == 0 else np.maximum(out[b, g], top)


def window_sums(
    stretch: Array, sizes: Integers, first_taps: Integers, overhang: int, kind: np.dtype[Any]
) -> Iterator[tuple[int, Array]]:
    """Yield, for each filter width, the sums ``(T, F)`` of the windows that begin in a stretch of a text."""
    high, taps = len(stretch) - overhang, first_taps.tolist()
    sums, done = np.empty(0, kind), 0
    for g, size in enumerate(sizes.tolist()):
        if not (g and taps[g] == taps[g - 1] and size > done):
            sums, done = stretch[:high, taps[g]].astype(kind), 1
        for i in range(done, size):
            sums += stretch[i : high + i, taps[g] + i]
        done = size
        yield g, sums


def winners(
    products: Array,
    rows: Integers,
    offsets: Integers,
    sizes: Integers,
    first_taps: Integers,
    out: Array,
    places: npt.NDArray[np.int32],
    *,
    threads: int | None = None,
) -> None:
    """Max-pool like :func:`pool`, and return the position of each maximum: the first token of the first such window.

    Args:
        products: as for :func:`pool`; so are ``rows``, ``offsets``, ``sizes``, ``first_taps``, ``out`` and ``threads``.
        rows: row of every token.
        offsets: offsets of the texts.
        sizes: window sizes.
        first_taps: first tap of each window size.
        out: ``(B, G, F)``.
        places: ``(B, G, F)``, counted from the text's first token; below 0 where the window begins outside.
        threads: at most.

    Raises:
        ValueError: as for :func:`pool`.
    """
    _check(products, rows, offsets, sizes, first_taps)
    overhang = int(sizes.max(initial=1)) - 1
    outside, step = np.zeros(overhang, np.int64), max(_STRETCH, overhang + 1)
    for b in range(len(offsets) - 1):
        text = rows[offsets[b] : offsets[b + 1]]
        out[b], places[b] = 0, 0
        padded, last = np.concatenate([outside, text, outside]), len(text) + overhang
        for start in range(0, last if len(text) else 0, step):
            stretch = products[padded[start : min(start + step, last) + overhang]]
            for g, sums in window_sums(stretch, sizes, first_taps, overhang, out.dtype):
                low = overhang + 1 - int(sizes[g]) if start == 0 else 0
                first = sums[low:].argmax(axis=0) + low
                top = np.take_along_axis(sums, first[None], axis=0)[0]
                better = (top > out[b, g]) | (start == 0)
                out[b, g, better] = top[better]
                places[b, g, better] = first[better] + start - overhang


def _check(products: Array, rows: Integers, offsets: Integers, sizes: Integers, first_taps: Integers) -> None:
    if len(sizes) and (sizes.min() < 1 or first_taps.min() < 0 or (first_taps + sizes).max() > products.shape[1]):
        raise ValueError(f"expected windows within the {products.shape[1]} taps of a row")
    _check_texts(rows, len(products), offsets)


def _check_texts(rows: Array, num_rows: int, offsets: Integers) -> None:
    lengths = offsets[1:] - offsets[:-1]
    if offsets[0] < 0 or offsets[-1] > len(rows) or lengths.min(initial=0) < 0:
        raise ValueError("expected offsets that ascend within the rows")
    if len(rows) and not 0 <= rows.min() <= rows.max() < num_rows:
        raise ValueError(f"expected numbers of rows below {num_rows}")


def head(features: Array, weights: Array, out: Array, *, threads: int | None = None) -> None:
    """Add ``features (B, K) @ weights (K, C)`` to ``out (B, C)`` in float64, one feature after another.

    Products of two float32 numbers are exact in float64.
    """
    wide = weights.astype(np.float64)
    for b in range(len(features)):
        terms = np.concatenate([out[b, None], features[b, :, None].astype(np.float64) * wide])
        out[b] = np.add.accumulate(terms, axis=0)[-1]


def add_scores(
    best: Array,
    bias: Array,
    activation: str,
    weights: Array,
    empty: npt.NDArray[np.bool_],
    out: Array,
    *,
    threads: int | None = None,
) -> None:
    """Add the linear head of the activated maxima plus bias to ``out``; texts without tokens add nothing.

    Args:
        best: ``(B, G, F)`` float32.
        bias: ``(G * K,)`` float32, of the first K of the F filters of each size; the others are padding.
        activation: one of :data:`ACTIVATIONS`.
        weights: ``(G * K, C)`` float32.
        empty: ``(B,)``.
        out: ``(B, C)`` float64.
        threads: none: :func:`textcnn.core.threads.num_threads`.
    """
    num_filters = len(bias) // max(best.shape[1], 1)
    features = activate(best[:, :, :num_filters].reshape(len(best), len(bias)) + bias, activation)
    features[empty] = 0
    head(features, weights, out)


def activate(scores: Array, activation: str) -> Array:
    """Apply the activation of that name; the dtype stays the same."""
    found = scores
    if activation == "relu":
        found = np.maximum(scores, np.float32(0))
    elif activation == "leaky_relu":
        found = np.where(scores > 0, scores, scores * LEAK)
    elif activation == "tanh":
        found = hyperbolic_tangent(scores).astype(scores.dtype)
    return found


def hyperbolic_tangent(x: Array) -> npt.NDArray[np.float64]:
    """Return tanh within 1e-13, from IEEE 754 operations only, because library functions differ by machine.

    ``tanh(2 y) = 2 tanh(y) / (1 + tanh(y)**2)``, six times, from a quotient that is exact to 1e-13 for y < 1/3.
    """
    y = np.clip(x.astype(np.float64), -20, 20) / 64
    square = y * y
    value: npt.NDArray[np.float64] = y * (945 + square * (105 + square)) / (945 + square * (420 + square * 15))
    for _ in range(6):
        value = 2 * value / (1 + value * value)
    return value


def add_rows(table: Integers, rows: Integers, offsets: Integers, out: Integers, *, threads: int | None = None) -> None:
    """Add the integer rows ``(R, C)`` of each text's tokens to ``out (B, C)``."""
    _check_texts(rows, len(table), offsets)
    _add_parts(table[rows], offsets, out)


def add_features(
    table: Array,
    scale: float,
    rows: Array,
    weights: Array,
    offsets: Integers,
    out: Integers,
    *,
    threads: int | None = None,
) -> None:
    """Add weighted rows of the wide table to ``out (B, C)``, in units of ``WIDE_UNIT ** 2``.

    Args:
        table: ``(features, C)`` float32.
        scale: factor of the table.
        rows: features of every text.
        weights: float32, of every feature.
        offsets: ``(B + 1,)``, where the features of each text begin.
        out: ``(B, C)``.
        threads: none: :func:`textcnn.core.threads.num_threads`.
    """
    _check_texts(rows, len(table), offsets)
    terms = whole_numbers(table[rows] * np.float64(scale)) * whole_numbers(weights.astype(np.float64))[:, None]
    _add_parts(terms, offsets, out)


def whole_numbers(numbers: npt.NDArray[np.float64]) -> Integers:
    """Round numbers to integer multiples of WIDE_UNIT, clipped at LARGEST_WEIGHT; NaN becomes the minimum."""
    clipped = np.fmin(np.fmax(numbers, -LARGEST_WEIGHT), LARGEST_WEIGHT)
    return np.rint(clipped / WIDE_UNIT).astype(np.int64)


def collect(
    products: Array,
    means: Integers,
    rows: Integers,
    offsets: Integers,
    sizes: Integers,
    first_taps: Integers,
    best: Array,
    mean_sums: Integers,
    table: Array,
    scale: float,
    wide_rows: Array,
    wide_weights: Array,
    wide_offsets: Integers,
    wide_sums: Integers,
    *,
    threads: int | None = None,
) -> None:
    """Run :func:`pool`, :func:`add_rows` and :func:`add_features` on a batch in one call."""
    if len(sizes):
        pool(products, rows, offsets, sizes, first_taps, best)
    add_rows(means, rows, offsets, mean_sums)
    if len(table):
        add_features(table, scale, wide_rows, wide_weights, wide_offsets, wide_sums)


def _add_parts(values: Integers, offsets: Integers, out: Integers) -> None:
    if len(out) == 1:
        out += np.add.reduce(values[offsets[0] : offsets[1]], axis=0)
        return
    sums = np.zeros((len(values) + 1, values.shape[1]), np.int64)
    np.cumsum(values, axis=0, out=sums[1:])
    out += sums[offsets[1:]] - sums[offsets[:-1]]
