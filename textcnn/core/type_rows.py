"""Bindings for the lookup rows of types (``src/type_rows.h``); :mod:`textcnn.core.type_rows_numpy` defines them."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_double, c_int64, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import address
from textcnn.core.calls import call_with_pool, pointer, whole
from textcnn.core.numeric import ExactProduct
from textcnn.core.type_rows_numpy import Array, Floats, Integers, RowLayout, VectorTables


class _Tables(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("fixed", "words", "ngrams")),
        *((name, c_int64) for name in ("num_types", "num_ngrams", "fixed_dim", "dim", "adds")),
        *(("scores", c_void_p), ("score_scale", c_double)),
    )


class _Weights(ctypes.Structure):
    _fields_ = (*((name, c_void_p) for name in ("panels", "scales")), ("num_columns", c_int64), ("bits", c_int64))


class _Layout(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("num_taps", "num_filters", "width", "num_shares", "num_sizes")),
        *((name, c_void_p) for name in ("sizes", "first_taps", "steps")),
    )


class _Bags(ctypes.Structure):
    _fields_ = (("rows", c_void_p), ("num_rows", c_int64), ("offsets", c_void_p))


def compose(
    tables: VectorTables, types: Integers, bags: npt.NDArray[np.int32], offsets: Integers, *, threads: int | None = None
) -> Floats:
    """C version of :func:`textcnn.core.type_rows_numpy.compose`."""
    out = np.empty((len(types), tables.dim), np.float32)
    given = _given(tables, types, bags, offsets)
    call_with_pool("tc_compose_vectors", threads, *given, pointer(out, np.float32, None, None))
    return out


def fill_rows(
    tables: VectorTables,
    product: ExactProduct,
    layout: RowLayout,
    types: Integers,
    bags: npt.NDArray[np.int32],
    offsets: Integers,
    rows: Array,
    shares: Integers,
    clipped: npt.NDArray[np.bool_],
    *,
    threads: int | None = None,
) -> None:
    """C version of :func:`textcnn.core.type_rows_numpy.fill_rows`."""
    own, *others = _given(tables, types, bags, offsets, num_shares=layout.num_shares)
    num_columns = product.whole.shape[1]
    weights = _Weights(
        address(product.panels, np.float64, (None, tables.dim, 16), "panels"),
        address(product.scales, np.float64, (num_columns,), "scales"),
        *(num_columns, product.bits),
    )
    num_sizes, kind = len(layout.sizes), np.float32 if layout.steps is None else np.int8
    form = _Layout(
        *(layout.num_taps, layout.num_filters, layout.width, layout.num_shares, num_sizes),
        address(layout.sizes, np.int64, (num_sizes,), "sizes"),
        address(layout.first_taps, np.int64, (num_sizes,), "first taps"),
        address(layout.steps, np.float64, (num_sizes * layout.num_filters,), "steps"),
    )
    out = pointer(rows, kind, len(types), *layout.row_shape), pointer(shares, np.int64, len(types), layout.num_shares)
    given = own, byref(weights), byref(form), *others, *out, pointer(clipped, np.bool_, len(types))
    call_with_pool("tc_fill_rows", threads, *given)


def _given(
    tables: VectorTables, types: Integers, bags: npt.NDArray[np.int32], offsets: Integers, num_shares: int | None = None
) -> tuple[Any, ...]:
    """Return the shared arguments of both functions; the references among them keep the structures alive."""
    fixed, words, ngrams = tables.fixed, tables.words, tables.ngrams
    found = _Tables(
        address(fixed, np.float32, (len(words), None), "a fixed channel"),
        address(words, np.float32, (None, None), "word rows"),
        address(ngrams, np.float32, (None, words.shape[1]), "n-gram rows"),
        *(len(words), 0 if ngrams is None else len(ngrams), 0 if fixed is None else fixed.shape[1], words.shape[1]),
        tables.adds,
        address(tables.scores, np.float32, (0 if ngrams is None else len(ngrams), num_shares), "scores of n-grams"),
        tables.score_scale,
    )
    own = _Bags(address(bags, np.int32, (None,), "n-grams"), len(bags), address(offsets, np.int64, (None,), "offsets"))
    if ngrams is not None and len(offsets) != len(types) + 1:
        raise TypeError(f"expected {len(types) + 1} offsets, got {len(offsets)}")
    return byref(found), pointer(types, np.int64), whole(len(types)), byref(own)
