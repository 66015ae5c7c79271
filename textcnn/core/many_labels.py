"""Bindings for very many labels (``src/many_labels.h``); :mod:`textcnn.core.many_labels_numpy` defines them."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_int64, c_void_p

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import address
from textcnn.core.calls import call, call_with_pool, pointer, real, whole
from textcnn.core.many_labels_numpy import PANEL, Floats, Head, Integers, SparseTable


class _SparseTable(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("offsets", "labels", "weights")),
        *((name, c_int64) for name in ("num_features", "num_entries", "num_labels")),
    )


def head_logits(head: Head, features: Floats, *, threads: int | None = None) -> Floats:
    """C version of :func:`textcnn.core.many_labels_numpy.head_logits`."""
    (num_texts, size), num_panels = features.shape, len(head.panels)
    out = np.empty((num_texts, num_panels * PANEL), np.float32)
    given = pointer(features, np.float32, None, None), whole(num_texts), whole(size)
    weights = pointer(head.panels, np.float32, None, size, PANEL), pointer(head.bias, np.float32, out.shape[1])
    call_with_pool("tc_head_logits", threads, *given, *weights, whole(num_panels), pointer(out, np.float32, None, None))
    return out


def check_sparse(table: SparseTable) -> None:
    """C version of :func:`textcnn.core.many_labels_numpy.check_sparse`."""
    call("tc_check_sparse", byref(_table(table)))


def add_sparse(
    table: SparseTable,
    scale: float,
    rows: npt.NDArray[np.int32],
    values: Floats,
    offsets: Integers,
    logits: Floats,
    *,
    threads: int | None = None,
) -> None:
    """C version of :func:`textcnn.core.many_labels_numpy.add_sparse`."""
    num_texts, stride = logits.shape
    entries = pointer(rows, np.int32), pointer(values, np.float32, len(rows)), whole(len(rows))
    texts = pointer(offsets, np.int64, num_texts + 1), whole(num_texts)
    out = pointer(logits, np.float32, None, None), whole(stride)
    call_with_pool("tc_add_sparse", threads, byref(_table(table)), real(scale), *entries, *texts, *out)


def best_labels(
    logits: Floats, num_labels: int, temperature: float, count: int, *, threads: int | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """C version of :func:`textcnn.core.many_labels_numpy.best_labels`."""
    num_texts, stride = logits.shape
    best, probs = np.empty((num_texts, count), np.int32), np.empty((num_texts, count))
    given = pointer(logits, np.float32, None, None), whole(num_texts), whole(num_labels), whole(stride)
    made = pointer(best, np.int32, None, None), pointer(probs, np.float64, None, None)
    call_with_pool("tc_best_labels", threads, *given, real(temperature), whole(count), *made)
    return best, probs


def _table(table: SparseTable) -> _SparseTable:
    return _SparseTable(
        address(table.offsets, np.int64, (None,), "offsets"),
        address(table.labels, np.int32, (None,), "labels"),
        address(table.weights, np.float32, table.labels.shape, "weights"),
        *(len(table.offsets) - 1, len(table.labels), table.num_labels),
    )
