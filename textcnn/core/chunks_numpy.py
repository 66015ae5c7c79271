"""NumPy definition of :mod:`textcnn.core.chunks`, used without the core."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

_BASIS, _PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)  # of FNV-1a
_AS_BLANKS = bytes.maketrans(b"\x1c\x1d\x1e\x1f", b"    ")


class ChunkTable:
    """Chunk numbering by a dictionary; see :class:`textcnn.core.chunks.ChunkTable`."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, data: Bytes, ends: Integers) -> tuple[Integers, Integers]:
        """NumPy version of :meth:`textcnn.core.chunks.ChunkTable.number`."""
        whole, offsets = data.tobytes(), np.zeros(len(ends) + 1, np.int64)
        found: list[int] = []
        for text, (begin, end) in enumerate(pairwise([0, *_checked(data, ends).tolist()])):
            for chunk in whole[begin:end].split():  # at ASCII's blanks
                if chunk not in self._numbers:
                    self._numbers[chunk] = len(self._numbers)
                    self.size += len(chunk)
                found.append(self._numbers[chunk])
            offsets[text + 1] = len(found)
        return np.array(found, np.int64), offsets

    def chunks(self, start: int) -> tuple[Bytes, Integers]:
        """NumPy version of :meth:`textcnn.core.chunks.ChunkTable.chunks`."""
        found = list(self._numbers)[start:]
        return np.frombuffer(b"".join(found), np.uint8), np.cumsum(np.array([len(c) for c in found], np.int64))

    def arrays(self) -> tuple[Any, ...]:
        """Return a seed of 0, the dictionary in the place of a hash table, and no offsets and bytes."""
        return np.uint64(0), self._numbers, np.zeros(0, np.int64), np.zeros(0, np.uint8)


def take_ragged(
    values: npt.NDArray[np.int32], offsets: Integers, rows: Integers
) -> tuple[npt.NDArray[np.int32], Integers]:
    """NumPy version of :func:`textcnn.core.chunks.take_ragged`."""
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(offsets) - 1:
        raise ValueError(f"expected numbers of rows below {len(offsets) - 1}")
    lengths = offsets[rows + 1] - offsets[rows]
    found = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=found[1:])
    places = np.arange(found[-1]) + np.repeat(offsets[rows] - found[:-1], lengths)
    return values[places], found


def place_tokens(
    data: Bytes, ends: Integers, numbers: Integers, spans: Integers, lows: Integers, highs: Integers
) -> tuple[Integers, Integers, Integers]:
    """NumPy version of :func:`textcnn.core.chunks.place_tokens`."""
    blank = np.isin(data, np.frombuffer(b" \t\n\v\f\r", np.uint8))
    begins_text = np.zeros(len(data) + 1, np.bool_)
    begins_text[np.concatenate([[0], _checked(data, ends)])] = True
    before = np.concatenate([[True], blank[:-1]])[: len(data)]
    places = np.flatnonzero(~blank & (before | begins_text[:-1]))  # where chunks begin
    text = np.searchsorted(ends, places, side="right")
    characters = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])
    begins = np.concatenate([[0], ends])
    first = characters[places] - characters[begins[text]]
    lengths = spans[numbers + 1] - spans[numbers]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    entries = np.repeat(spans[numbers], lengths) + within
    shift = np.repeat(first, lengths)
    counts = np.bincount(text, lengths, minlength=len(ends)).astype(np.int64)
    return shift + lows[entries], shift + highs[entries], np.concatenate([[0], np.cumsum(counts)])


def hash_texts(data: Bytes, ends: Integers) -> npt.NDArray[np.uint64]:
    """NumPy version of :func:`textcnn.core.chunks.hash_texts`."""
    whole, bounds = data.tobytes().translate(_AS_BLANKS).lower(), pairwise([0, *_checked(data, ends).tolist()])
    plain = [b" ".join(whole[begin:end].split()) for begin, end in bounds]
    hashes, lengths = np.full(len(plain), _BASIS, np.uint64), np.array([len(text) for text in plain], np.int64)
    letters, begins = np.frombuffer(b"".join(plain), np.uint8), np.cumsum(lengths) - lengths
    with np.errstate(over="ignore"):
        for place in range(int(lengths.max(initial=0))):
            inside = np.flatnonzero(lengths > place)
            hashes[inside] = (hashes[inside] ^ letters[begins[inside] + place].astype(np.uint64)) * _PRIME
    return hashes


def _checked(data: Bytes, ends: Integers) -> Integers:
    """Return the end offsets of texts after checking that they ascend within the data."""
    if len(ends) and (np.diff(ends, prepend=0).min() < 0 or ends[-1] > len(data)):
        raise ValueError("expected ends that ascend within the data")
    return ends
