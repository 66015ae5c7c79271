"""Bindings for chunks, the whitespace-delimited parts of texts: numbering and reassembly (``src/chunks.h``)."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.calls import call, pointer, whole

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


class Table(ctypes.Structure):
    """A hash table of chunks, ``tc_chunk_table`` of chunks.h."""

    _fields_ = (
        ("seed", ctypes.c_uint64),
        *((name, ctypes.c_void_p) for name in ("table", "starts", "pool")),
        *((name, ctypes.c_int64) for name in ("num_slots", "most_chunks", "most_bytes", "used")),
    )


class _Progress(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_int64) for name in ("text", "place", "count")),)


class ChunkTable:
    """Assigns consecutive numbers to distinct chunks, the parts of a text between ASCII whitespace."""

    def __init__(self) -> None:
        self._table = np.zeros((2**10, 2), np.uint64)
        self._starts, self._pool, self._used = np.zeros(2**9 + 1, np.int64), np.zeros(2**12, np.uint8), 0
        # A random seed, so that nobody can craft texts whose chunks collide in the hash table.
        self._seed = int.from_bytes(os.urandom(8), "little")

    def __len__(self) -> int:
        return self._used

    @property
    def size(self) -> int:
        """Bytes of all chunks."""
        return int(self._starts[self._used])

    def number(self, data: Bytes, ends: Integers) -> tuple[Integers, Integers]:
        """Return the chunk numbers ``(M,)`` of all texts and the offsets ``(B + 1,)`` of each text's chunks.

        Args:
            data: UTF-8 of B texts, one after another.
            ends: ``(B,)``, where each ends.

        Raises:
            TypeError: the arrays are of another kind.
            ValueError: the ends do not ascend, or lie outside.
        """
        most = len(data) // 2 + len(ends)  # chunks, if each had one byte
        numbers, offsets, progress = np.empty(most, np.int64), np.empty(len(ends) + 1, np.int64), _Progress()
        given = pointer(data, np.uint8), whole(len(data)), pointer(ends, np.int64), whole(len(ends))
        found = pointer(numbers, np.int64), whole(most), pointer(offsets, np.int64)
        # The core stops when an array is full, and continues after it has been enlarged here.
        while True:
            table = Table(
                self._seed,
                pointer(self._table, np.uint64, None, 2),
                pointer(self._starts, np.int64),
                pointer(self._pool, np.uint8),
                *(len(self._table), len(self._starts) - 1, len(self._pool), self._used),
            )
            is_full = call("tc_number_chunks", *given, byref(table), byref(progress), *found)
            self._used = table.used
            if not is_full:
                return numbers[: progress.count], offsets
            self._make_room(len(data) - progress.place)

    def chunks(self, start: int) -> tuple[Bytes, Integers]:
        """Return the bytes of the chunks numbered from ``start`` on, concatenated, and their end offsets."""
        begin = self._starts[start]
        return self._pool[begin : self.size], self._starts[start + 1 : self._used + 1] - begin

    def arrays(self) -> tuple[np.uint64, npt.NDArray[np.uint64], Integers, Bytes]:
        """Return hash seed, hash table, and the chunks' offsets and bytes, for compiled code."""
        return np.uint64(self._seed), self._table, self._starts, self._pool

    def _make_room(self, num_bytes: int) -> None:
        """Double the arrays that are full; the next chunk has at most ``num_bytes`` bytes."""
        if 2 * (self._used + 1) > len(self._table):
            larger = np.zeros((4 * len(self._table), 2), np.uint64)
            tables = (self._table, larger)
            call("tc_move_chunks", *(a for t in tables for a in (pointer(t, np.uint64, None, 2), whole(len(t)))))
            self._table = larger
        if self._used == len(self._starts) - 1:
            self._starts = np.concatenate([self._starts, np.zeros(len(self._starts), np.int64)])
        if len(self._pool) - self.size < num_bytes:
            self._pool = np.concatenate([self._pool, np.zeros(max(len(self._pool), min(num_bytes, 2**20)), np.uint8)])


def take_ragged(
    values: npt.NDArray[np.int32], offsets: Integers, rows: Integers
) -> tuple[npt.NDArray[np.int32], Integers]:
    """Concatenate the ragged rows numbered ``rows``; return their values and the offsets of the result.

    Args:
        values: entries of all rows.
        offsets: where each row begins; there may be more entries than rows.
        rows: ``(R,)``.
    """
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(offsets) - 1:
        raise ValueError(f"expected numbers of rows below {len(offsets) - 1}")
    found = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(offsets[rows + 1] - offsets[rows], out=found[1:])
    out = np.empty(int(found[-1]), np.int32)
    given: list[Any] = [pointer(values, np.int32), whole(len(values)), pointer(offsets, np.int64)]
    given += [whole(len(offsets) - 1), pointer(rows, np.int64), whole(len(rows)), pointer(found, np.int64)]
    call("tc_take_ragged", *given, pointer(out, np.int32), whole(len(out)))
    return out, found


def place_tokens(
    data: Bytes, ends: Integers, numbers: Integers, spans: Integers, lows: Integers, highs: Integers
) -> tuple[Integers, Integers, Integers]:
    """Return the character offsets of each token in its text (starts, stops), and offsets per text.

    Args:
        data: UTF-8 of B texts, one after another.
        ends: ``(B,)``, where each ends.
        numbers: chunk numbers of all texts.
        spans: where the tokens of each numbered chunk begin in ``lows`` and ``highs``.
        lows: characters from the start of a chunk to that of a token.
        highs: to its end.
    """
    size = int((spans[numbers + 1] - spans[numbers]).sum())
    starts, stops, offsets = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(len(ends) + 1, np.int64)
    given = pointer(data, np.uint8), whole(len(data)), pointer(ends, np.int64), whole(len(ends))
    chunks = pointer(numbers, np.int64), whole(len(numbers)), pointer(spans, np.int64), whole(len(spans) - 1)
    places = pointer(lows, np.int64), pointer(highs, np.int64, len(lows)), whole(len(lows))
    call(
        "tc_place_tokens",
        *(*given, *chunks, *places),
        *(pointer(starts, np.int64), pointer(stops, np.int64), whole(size), pointer(offsets, np.int64)),
    )
    return starts, stops, offsets


def hash_texts(data: Bytes, ends: Integers) -> npt.NDArray[np.uint64]:
    """Return a hash of each text's bytes ``(B,)``, ignoring ASCII case and whitespace.

    Args:
        data: UTF-8 of B texts, one after another.
        ends: ``(B,)``, where each ends.
    """
    hashes = np.empty(len(ends), np.uint64)
    given = pointer(data, np.uint8), whole(len(data)), pointer(ends, np.int64), whole(len(ends))
    call("tc_hash_texts", *given, pointer(hashes, np.uint64))
    return hashes
