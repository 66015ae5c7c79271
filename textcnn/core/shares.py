"""Bindings for the attribution kernels (``src/shares.h``); :mod:`textcnn.core.shares_numpy` defines them."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int64, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import address
from textcnn.core.calls import call_with_pool, pointer, whole
from textcnn.core.lookup import products_of, row_texts
from textcnn.core.shares_numpy import Booleans, Doubles, Integers


class _WindowWords(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("first", "inside", "adds")),
        *((name, c_int64) for name in ("num_texts", "num_filters", "widest")),
    )


def window_words(
    products: npt.NDArray[Any],
    rows: Integers,
    offsets: Integers,
    sizes: Integers,
    first_taps: Integers,
    places: npt.NDArray[np.int32],
    first: Integers,
    inside: Integers,
    adds: Doubles,
    *,
    threads: int | None = None,
) -> None:
    """C version of :func:`textcnn.core.shares_numpy.window_words`."""
    given, texts = products_of(products, sizes, first_taps), row_texts(rows, offsets)
    begins = pointer(places, np.int32, len(offsets) - 1, len(sizes), products.shape[2])
    out = _windows(first, inside, adds)
    call_with_pool("tc_find_window_words", threads, byref(given), byref(texts), begins, byref(out))


def spread(
    first: Integers,
    inside: Integers,
    adds: Doubles,
    reach: Doubles,
    features: Doubles,
    heads: Doubles,
    words: Doubles,
    windows: Doubles,
    won: Booleans,
    *,
    threads: int | None = None,
) -> None:
    """C version of :func:`textcnn.core.shares_numpy.spread`."""
    given, (num_texts, num_filters), (num_words, num_labels) = _windows(first, inside, adds), first.shape, words.shape
    num_ngrams = num_words * adds.shape[2]
    shares = pointer(reach, np.float64, *first.shape), pointer(features, np.float64, *first.shape)
    heads = np.ascontiguousarray(heads)
    call_with_pool(
        "tc_spread_shares",
        threads,
        *(byref(given), *shares, pointer(heads, np.float64, num_texts, num_labels, num_filters), whole(num_labels)),
        *(whole(num_words), pointer(words, np.float64, None, None)),
        *(pointer(windows, np.float64, num_ngrams, num_labels), pointer(won, np.bool_, num_ngrams)),
    )


def strongest(
    offsets: Integers,
    values: Doubles,
    top: int,
    ends: Integers,
    order: Integers,
    rest: Doubles,
    *,
    threads: int | None = None,
) -> None:
    """C version of :func:`textcnn.core.shares_numpy.strongest`."""
    given = pointer(offsets, np.int64, len(rest) + 1), whole(len(rest)), pointer(values, np.float64), whole(len(values))
    chosen = whole(top), pointer(ends, np.int64, len(rest) + 1), pointer(order, np.int64), whole(len(order))
    call_with_pool("tc_find_strongest", threads, *given, *chosen, pointer(rest, np.float64))


def _windows(first: Integers, inside: Integers, adds: Doubles) -> _WindowWords:
    num_texts, num_filters = first.shape
    return _WindowWords(
        address(first, np.int64, (num_texts, num_filters), "first words"),
        address(inside, np.int64, (num_texts, num_filters), "numbers of words"),
        address(adds, np.float64, (num_texts, num_filters, None), "what they add"),
        *(num_texts, num_filters, adds.shape[2]),
    )
