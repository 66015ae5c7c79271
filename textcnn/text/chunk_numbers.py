"""Numbers for chunks, what stands between the blanks of texts: by a dictionary, the definition, or compiled."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, count, islice, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

# The characters of Unicode's property White_Space; `str.split` parts at four more, \x1c to \x1f, which are signs here.
_BLANKS = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_NO_BLANKS = ("\x1c", "\x1d", "\x1e", "\x1f")


class Numbers(Protocol):
    """Gives every chunk a number, the next one to a chunk that is new; which texts it parts where is its own affair."""

    def __len__(self) -> int:
        """How many chunks have a number."""

    @property
    def size(self) -> int:
        """Characters, or bytes, of these chunks."""

    def number(self, texts: Sequence[str]) -> tuple[Integers, Integers]:
        """Numbers ``(M,)`` of the chunks of all texts, and the offsets ``(B + 1,)`` where those of each text begin."""

    def names(self, start: int) -> list[str]:
        """The chunks numbered from ``start`` on."""


class DictNumbers:
    """Numbers by a dictionary; chunks stand between any of Unicode's blanks."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)
        self.size = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, texts: Sequence[str]) -> tuple[Integers, Integers]:
        """As :meth:`Numbers.number`."""
        known = len(self)
        parted = [_part(text) for text in texts]
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(chunks) for chunks in parted], out=offsets[1:])
        found = map(self._numbers.__getitem__, chain.from_iterable(parted))
        numbers = np.fromiter(found, np.int64, int(offsets[-1]))
        self.size += sum(map(len, self.names(known)))
        return numbers, offsets

    def names(self, start: int) -> list[str]:
        """As :meth:`Numbers.names`."""
        return list(islice(reversed(self._numbers), len(self) - start))[::-1]


class HashNumbers:
    """The same, compiled: a hash table over the bytes of chunks, which stand between ASCII's blanks."""

    def __init__(self) -> None:
        self._table = np.zeros((2**16, 2), np.uint64)
        self._starts, self._pool, self._count = np.zeros(1, np.int64), np.empty(0, np.uint8), 0
        # Nobody who writes texts can know which chunks will meet in the table.
        self._seed = np.uint64(int.from_bytes(os.urandom(8), "little"))

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """Bytes of the chunks."""
        return int(self._starts[self._count])

    def number(self, texts: Sequence[str]) -> tuple[Integers, Integers]:
        """As :meth:`Numbers.number`."""
        from textcnn.kernels.chunks_numba import ASCII_BLANKS, number_chunks

        raw = [text.encode("utf-8", "surrogatepass") for text in texts]
        data = np.frombuffer(b"".join(raw), np.uint8)
        ends = np.cumsum(np.fromiter(map(len, raw), np.int64, len(raw)))
        most = len(data) // 2 + len(raw)  # chunks, if each had one byte
        self._make_room(most, len(data))
        numbers, offsets = np.empty(most, np.int64), np.empty(len(raw) + 1, np.int64)
        self._count = number_chunks(
            data, ends, ASCII_BLANKS, self._seed, self._table, self._starts, self._pool, self._count, numbers, offsets
        )
        return numbers[: offsets[-1]], offsets

    def names(self, start: int) -> list[str]:
        """As :meth:`Numbers.names`."""
        begins = self._starts[start : self._count + 1].tolist()
        data = self._pool[begins[0] : begins[-1]].tobytes()
        places = [begin - begins[0] for begin in begins]
        return [data[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(places)]

    def arrays(self) -> tuple[np.uint64, npt.NDArray[np.uint64], Integers, npt.NDArray[np.uint8]]:
        """What the hash begins with, the table, and where each chunk begins in the letters of all."""
        return self._seed, self._table, self._starts, self._pool

    def _make_room(self, chunks: int, size: int) -> None:
        """For so many new chunks of so many bytes; the table stays at most half full, that probes are few."""
        from textcnn.kernels.chunks_numba import move_entries

        self._starts = with_room(self._starts, self._count + 1, chunks)
        self._pool = with_room(self._pool, self.size, size)
        length = len(self._table)
        while length < 2 * (self._count + chunks):
            length *= 2
        if length > len(self._table):
            larger = np.zeros((length, 2), np.uint64)
            move_entries(self._table, larger)
            self._table = larger


def with_room(array: npt.NDArray[Any], used: int, more: int) -> npt.NDArray[Any]:
    """An array that begins with the first ``used`` entries and has room for ``more``, at a cost that is soon repaid."""
    if used + more <= len(array):
        return array
    return np.concatenate([array[:used], np.empty(max(more, used), array.dtype)])


def _part(text: str) -> list[str]:
    """What stands between the blanks of a text."""
    if any(sign in text for sign in _NO_BLANKS):
        return [chunk for chunk in _BLANKS.split(text) if chunk]
    return text.split()
