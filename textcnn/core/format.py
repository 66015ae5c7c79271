"""Bindings for formatting rows as bytes: JSON lines, CSV, and shortest decimal fractions (``src/format.h``).

There is no NumPy version: Python's ``json``, ``csv`` and ``repr`` are the definition, and are used without the core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from textcnn.core.calls import call, pointer, whole

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

_FRACTION_BYTES = 24


class As(IntEnum):
    """How a value is escaped."""

    IT_IS = 0
    JSON = 1  # a string in its quotes
    CSV = 2  # a cell, in quotes where it must be


@dataclass(frozen=True)
class Piece:
    """One column of the output: entry k is ``data[begins[k]:ends[k]]``.

    Attributes:
        data: bytes of all entries.
        begins: start offset of each entry.
        ends: end offset of each entry.
        codes: ``(R,)`` int32, the entry of each row; none: row r has entry r, or all have the only one.
        form: how its entries are escaped.
    """

    data: Bytes
    begins: Integers
    ends: Integers
    codes: npt.NDArray[np.int32] | None = None
    form: As = As.IT_IS


class _Part(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("data", "begins", "ends", "codes")),
        *((name, ctypes.c_int64) for name in ("num_bytes", "num_entries", "form")),
    )


def literal(text: str) -> Piece:
    """Return a piece with the same text in each row."""
    data = np.frombuffer(text.encode(), np.uint8)
    return Piece(data, np.zeros(1, np.int64), np.array([len(data)]))


def join_rows(pieces: Sequence[Piece], num_rows: int, delimiter: str = ",") -> tuple[Bytes, Integers]:
    """Concatenate the pieces of each row, row after row; return the bytes and the end offset of each row ``(R,)``.

    Args:
        pieces: of each row, in order.
        num_rows: R.
        delimiter: delimiter of CSV; cells that contain it are quoted.

    Raises:
        ValueError: entries that there are not.
    """
    parts = (_Part * len(pieces))(
        *(
            _Part(
                *(pointer(p.data, np.uint8), pointer(p.begins, np.int64), pointer(p.ends, np.int64, len(p.begins))),
                *(None if p.codes is None else pointer(p.codes, np.int32, num_rows), len(p.data), len(p.begins)),
                p.form,
            )
            for p in pieces
        )
    )
    row_ends, given = np.empty(num_rows, np.int64), (whole(len(pieces)), whole(num_rows), ctypes.c_int(ord(delimiter)))
    ends = pointer(row_ends, np.int64)
    size = call("tc_join_rows", parts, *given, None, whole(0), ends)
    out = np.empty(size, np.uint8)
    call("tc_join_rows", parts, *given, pointer(out, np.uint8), whole(size), ends)
    return out, row_ends


def fractions(values: npt.NDArray[np.float64]) -> Piece:
    """Format each value ``(R,)`` as ``repr`` does: the shortest decimal that reads back as the same number."""
    out = np.empty(len(values) * _FRACTION_BYTES, np.uint8)
    begins, ends = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    places = pointer(begins, np.int64), pointer(ends, np.int64)
    missing = call(
        "tc_write_fractions", pointer(values, np.float64), whole(len(values)), pointer(out, np.uint8), *places
    )
    if not missing:
        return Piece(out, begins, ends)
    rows = np.flatnonzero(begins == ends)
    forms = [repr(value).encode() for value in values[rows].tolist()]
    used, sizes = int(ends.max(initial=0)), np.array([len(form) for form in forms])
    ends[rows] = used + np.cumsum(sizes)
    begins[rows] = ends[rows] - sizes
    return Piece(np.concatenate([out[:used], np.frombuffer(b"".join(forms), np.uint8)]), begins, ends)
