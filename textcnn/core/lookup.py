"""Bindings for the lookup runtime's kernels (``src/lookup.h``); :mod:`textcnn.core.lookup_numpy` defines them."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_double, c_int64, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import address
from textcnn.core.calls import call_with_pool, pointer, whole
from textcnn.core.lookup_numpy import ACTIVATIONS, Array, Integers


class Products(ctypes.Structure):
    """Precomputed filter products of types and their windows, ``tc_products``; its arrays must outlive it."""

    _fields_ = (
        ("products", c_void_p),
        *((name, c_int64) for name in ("num_rows", "num_taps", "width")),
        ("sizes", c_void_p),
        ("first_taps", c_void_p),
        ("num_sizes", c_int64),
        ("is_whole", c_int64),
    )


class _RowTexts(ctypes.Structure):
    _fields_ = (("rows", c_void_p), ("offsets", c_void_p), ("num_tokens", c_int64), ("num_texts", c_int64))


class _WideFeatures(ctypes.Structure):
    _fields_ = (
        ("table", c_void_p),
        ("num_features", c_int64),
        ("scale", c_double),
        ("rows", c_void_p),
        ("weights", c_void_p),
        ("num_entries", c_int64),
        ("offsets", c_void_p),
    )


def products_of(products: Array, sizes: Integers, first_taps: Integers) -> Products:
    """Return the C structure of the precomputed products.

    Raises:
        TypeError: they are neither float32 nor int8, or the arrays do not fit together.
    """
    is_whole = products.dtype == np.int8
    return Products(
        address(products, np.int8 if is_whole else np.float32, (None, None, None), "products"),
        *products.shape,
        address(sizes, np.int64, (None,), "sizes"),
        address(first_taps, np.int64, sizes.shape, "first taps"),
        *(len(sizes), is_whole),
    )


def row_texts(rows: Integers, offsets: Integers) -> _RowTexts:
    """Return the C structure of texts as row numbers.

    Raises:
        TypeError: the arrays are of another kind, or there is no offset.
    """
    if not len(offsets):
        raise TypeError("expected an offset at least, found none")
    places = address(rows, np.int64, (None,), "rows"), address(offsets, np.int64, (None,), "offsets")
    return _RowTexts(*places, len(rows), len(offsets) - 1)


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
    """C version of :func:`textcnn.core.lookup_numpy.pool`."""
    given, texts = products_of(products, sizes, first_taps), row_texts(rows, offsets)
    call_with_pool("tc_pool_windows", threads, byref(given), byref(texts), _sums(given, texts, out))


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
    """C version of :func:`textcnn.core.lookup_numpy.winners`."""
    given, texts = products_of(products, sizes, first_taps), row_texts(rows, offsets)
    found = _sums(given, texts, out), pointer(places, np.int32, *out.shape)
    call_with_pool("tc_find_winners", threads, byref(given), byref(texts), *found)


def head(features: Array, weights: Array, out: Array, *, threads: int | None = None) -> None:
    """C version of :func:`textcnn.core.lookup_numpy.head`."""
    (num_texts, num_features), num_labels = features.shape, weights.shape[1]
    given = pointer(features, np.float32, None, None), whole(num_texts), whole(num_features)
    made = pointer(weights, np.float32, num_features, None), whole(num_labels), _logits(out, num_texts, num_labels)
    call_with_pool("tc_add_head", threads, *given, *made)


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
    """C version of :func:`textcnn.core.lookup_numpy.add_scores`."""
    (num_texts, num_sizes, width), num_labels = best.shape, weights.shape[1]
    num_filters = len(bias) // max(num_sizes, 1)
    given = pointer(best, np.float32, None, None, None), whole(num_texts), whole(num_sizes), whole(width)
    biases = pointer(bias, np.float32, num_sizes * num_filters), whole(num_filters)
    heads = pointer(weights, np.float32, len(bias), None), whole(num_labels)
    how = whole(ACTIVATIONS.index(activation)), pointer(empty, np.bool_, num_texts)
    call_with_pool("tc_add_scores", threads, *given, *biases, *heads, *how, _logits(out, num_texts, num_labels))


def add_rows(table: Integers, rows: Integers, offsets: Integers, out: Integers, *, threads: int | None = None) -> None:
    """C version of :func:`textcnn.core.lookup_numpy.add_rows`."""
    texts, (num_rows, num_labels) = row_texts(rows, offsets), table.shape
    given = pointer(table, np.int64, None, None), whole(num_rows), whole(num_labels), byref(texts)
    call_with_pool("tc_add_whole_rows", threads, *given, pointer(out, np.int64, len(offsets) - 1, num_labels))


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
    """C version of :func:`textcnn.core.lookup_numpy.add_features`."""
    given, (num_texts, num_labels) = _wide(table, scale, rows, weights, offsets), out.shape
    sums = pointer(out, np.int64, len(offsets) - 1, table.shape[1])
    call_with_pool("tc_add_features", threads, byref(given), whole(num_texts), whole(num_labels), sums)


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
    """C version of :func:`textcnn.core.lookup_numpy.collect`."""
    given, texts = products_of(products, sizes, first_taps), row_texts(rows, offsets)
    wide = _wide(table, scale, wide_rows, wide_weights, wide_offsets)
    num_texts, num_labels = len(offsets) - 1, means.shape[1]
    if len(wide_offsets) != len(offsets) or table.shape[1] != num_labels:
        raise TypeError(f"expected wide features of {num_texts} texts and {num_labels} labels")
    call_with_pool(
        "tc_collect",
        threads,
        *(byref(given), byref(texts), pointer(means, np.int64, len(products), None), whole(num_labels), byref(wide)),
        *(_sums(given, texts, best), pointer(mean_sums, np.int64, num_texts, num_labels)),
        pointer(wide_sums, np.int64, num_texts, num_labels),
    )


def _sums(products: Products, texts: _RowTexts, out: Array) -> ctypes.c_void_p:
    kind = np.int16 if products.is_whole else np.float32
    return pointer(out, kind, texts.num_texts, products.num_sizes, products.width)


def _logits(out: Array, num_texts: int, num_labels: int) -> ctypes.c_void_p:
    return pointer(out, np.float64, num_texts, num_labels)


def _wide(table: Array, scale: float, rows: Array, weights: Array, offsets: Integers) -> _WideFeatures:
    entries: tuple[Any, ...] = (
        address(rows, np.int32, (None,), "rows"),
        address(weights, np.float32, rows.shape, "weights"),
        *(len(rows), address(offsets, np.int64, (None,), "offsets")),
    )
    if not len(offsets):
        raise TypeError("expected an offset at least, found none")
    return _WideFeatures(address(table, np.float32, (None, None), "a table"), len(table), scale, *entries)
