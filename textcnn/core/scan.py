"""Bindings for the fast scanner, which cuts unambiguous CSV and JSON lines into cells (``src/scan.h``).

There is no NumPy version: the reference readers (:mod:`textcnn.reading.delimited` and
:mod:`textcnn.reading.json_rows`) are the definition; they read every irregular row, and all rows without the core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import byref
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.calls import call, pointer, whole

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


_FOREIGN = 2


class Quotes(IntEnum):
    """Meaning of a quote character: text, syntax of quoted cells, or a reason not to scan the row."""

    TEXT = 0
    SYNTAX = 1
    ODD = 2  # a row with a quote goes to the reference reader


class _Form(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("delimiter", "quotes", "keeps_blank", "num_columns", "longest")),
        *((name, ctypes.c_void_p) for name in ("names", "name_ends")),
        ("num_names", ctypes.c_int64),
    )


class _ObjectForm(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("keys", "key_ends")),
        *((name, ctypes.c_int64) for name in ("num_columns", "longest")),
    )


class _Progress(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_int64) for name in ("place", "rows", "lines")),)


@dataclass(frozen=True)
class TableForm:
    """The dialect of a delimited file, and which of its rows the scanner must leave to the reference reader.

    Attributes:
        num_columns: a row with another number of cells is irregular.
        longest: row length in bytes from which on the rest of the file is not cut.
        delimiter: a character of ASCII; empty: a line is one cell.
        quotes: meaning of a quote character.
        keeps_blank: whether an empty line is a row.
        names: a row that begins with one of them, ignoring blanks, is irregular; names must not contain quotes.
    """

    num_columns: int
    longest: int
    delimiter: str = ""
    quotes: Quotes = Quotes.TEXT
    keeps_blank: bool = False
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Scanned:
    """The rows that a scan has cut.

    Attributes:
        begins: ``(R, C)``, where each cell begins in the data.
        ends: ``(R, C)``, where it ends; undefined for irregular rows, like ``begins``.
        spans: ``(R, 2)``, where each row begins and ends, its line end included.
        lines: ``(R,)``, number of line ends before each row.
        odd: ``(R,)``, marks the irregular rows, which are not cut.
        place: number of bytes processed.
        num_lines: number of line ends processed.
        is_foreign: whether neither the row at ``place`` nor any after it can be cut.
        scalars: ``(R, C)``, cells that are other JSON than a string, as it stands; none: all are strings.
    """

    begins: Integers
    ends: Integers
    spans: Integers
    lines: Integers
    odd: npt.NDArray[np.uint8]
    place: int
    num_lines: int
    is_foreign: bool
    scalars: npt.NDArray[np.uint8] | None = None


def scan_rows(data: Bytes, form: TableForm, *, is_last: bool, most_rows: int) -> Scanned:
    """Cut the complete rows at the start of ``data``; doubled quotes within cells are merged in place.

    Args:
        data: UTF-8.
        form: dialect of the table.
        is_last: whether the table ends with the data.
        most_rows: at most so many.
    """
    names, name_ends = _joined(form.names)
    delimiter = ord(form.delimiter) if form.delimiter else -1
    given = _Form(
        *(delimiter, form.quotes, form.keeps_blank, form.num_columns, form.longest),
        *(pointer(names, np.uint8), pointer(name_ends, np.int64), len(name_ends)),
    )
    room, progress = _Room(most_rows, form.num_columns), _Progress()
    state = call("tc_scan_rows", *_given(data, is_last, given, progress), *room.cells, *room.rows, whole(most_rows))
    return room.scanned(progress, state)


def scan_objects(data: Bytes, keys: Sequence[str], longest: int, *, is_last: bool, most_rows: int) -> Scanned:
    """Cut the complete lines, one object each, at the start of ``data``; strings are unescaped in place.

    Args:
        data: UTF-8.
        keys: of every object, in this order; none needs an escape.
        longest: bytes of a line, from which on the rest is not cut.
        is_last: whether the file ends with the data.
        most_rows: at most so many.
    """
    joined, key_ends = _joined(keys)
    given = _ObjectForm(pointer(joined, np.uint8), pointer(key_ends, np.int64), len(keys), longest)
    room, progress, scalars = _Room(most_rows, len(keys)), _Progress(), np.empty((most_rows, len(keys)), np.uint8)
    kinds = pointer(scalars, np.uint8, None, None)
    state = call(
        "tc_scan_objects", *_given(data, is_last, given, progress), *room.cells, kinds, *room.rows, whole(most_rows)
    )
    return room.scanned(progress, state, scalars)


class _Room:
    """Preallocated arrays that a scan fills."""

    def __init__(self, most_rows: int, num_columns: int) -> None:
        shape = most_rows, num_columns
        self._begins, self._ends = np.empty(shape, np.int64), np.empty(shape, np.int64)
        self._spans, self._lines = np.empty((most_rows, 2), np.int64), np.empty(most_rows, np.int64)
        self._odd = np.empty(most_rows, np.uint8)
        self.cells = [pointer(table, np.int64, None, None) for table in (self._begins, self._ends)]
        self.rows = (
            pointer(self._spans, np.int64, None, None),
            pointer(self._lines, np.int64),
            pointer(self._odd, np.uint8),
        )

    def scanned(self, progress: _Progress, state: int, scalars: Any = None) -> Scanned:
        """Return the rows that a scan has found."""
        rows = slice(progress.rows)
        return Scanned(
            *(self._begins[rows], self._ends[rows], self._spans[rows], self._lines[rows], self._odd[rows]),
            *(progress.place, progress.lines, state == _FOREIGN, None if scalars is None else scalars[rows]),
        )


def _given(data: Bytes, is_last: bool, form: ctypes.Structure, progress: _Progress) -> list[Any]:
    return [pointer(data, np.uint8), whole(len(data)), ctypes.c_int(is_last), byref(form), byref(progress)]


def _joined(names: Sequence[str]) -> tuple[Bytes, Integers]:
    """Concatenate names as bytes; return them and their end offsets."""
    parts = [name.encode() for name in names]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


def take_bytes(data: Bytes, begins: Integers, ends: Integers) -> tuple[Bytes, Integers]:
    """Concatenate slices of ``data``; return the bytes and the offsets ``(N + 1,)`` of the slices.

    Args:
        data: bytes.
        begins: ``(N,)``, where each part begins; may be a column of a table.
        ends: likewise, where it ends.
    """
    stride = begins.strides[0] // 8 if len(begins) else 1
    if ends.strides != begins.strides or begins.dtype != np.int64 or ends.dtype != np.int64:
        raise TypeError("expected begins and ends as int64, laid out alike")
    offsets = np.zeros(len(begins) + 1, np.int64)
    out = np.empty(int((ends - begins).sum()), np.uint8)
    columns: list[Any] = [ctypes.c_void_p(a.__array_interface__["data"][0]) for a in (begins, ends)]
    call(
        "tc_take_bytes",
        *(pointer(data, np.uint8), whole(len(data)), *columns, whole(stride), whole(len(begins))),
        *(pointer(out, np.uint8), whole(len(out)), pointer(offsets[1:], np.int64)),
    )
    return out, offsets
