"""Ragged arrays: token ids of a list of texts as one flat array and the offset of each text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ragged:
    """Token ids of N texts: text i is ``ids[offsets[i]:offsets[i + 1]]``.

    Attributes:
        ids: ``(T,)`` int32, all texts one after another.
        offsets: ``(N + 1,)`` int64, from 0 to T.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        """Concatenate lists of ids."""
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        ids = np.fromiter((i for row in rows for i in row), np.int32, int(offsets[-1]))
        return cls(ids, offsets)

    @classmethod
    def concatenate(cls, parts: Iterable[Ragged]) -> Ragged:
        """Concatenate ragged arrays, the texts of the first part first."""
        parts = list(parts)
        if len(parts) == 1:
            return Ragged(parts[0].ids, parts[0].offsets)
        lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
        ids = np.concatenate([np.zeros(0, np.int32), *(part.ids for part in parts)])
        return cls(ids, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, ``(N,)``."""
        return np.asarray(self.offsets[1:] - self.offsets[:-1])

    def blocks(self, num_tokens: int = 4_000_000) -> Iterator[Ragged]:
        """Yield blocks of consecutive texts with about ``num_tokens`` tokens, to bound temporary memory."""
        for part in ranges(self.offsets, num_tokens):
            offsets = self.offsets[part.start : part.stop + 1]
            yield Ragged(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0])

    def take(self, rows: npt.NDArray[np.int64], *, longest: int | None = None) -> Ragged:
        """Return the texts numbered ``rows``, in that order, each truncated to ``longest`` tokens."""
        places, offsets = gather(self.offsets, rows, longest=longest)
        return Ragged(self.ids[places], offsets)


def ranges(offsets: npt.NDArray[np.int64], num_entries: int) -> Iterator[slice]:
    """Yield consecutive ranges of rows with about ``num_entries`` entries each."""
    ends = np.searchsorted(offsets, np.arange(num_entries, offsets[-1], num_entries))
    for start, end in pairwise(np.unique([0, *ends, len(offsets) - 1]).tolist()):
        yield slice(start, end)


def gather(
    offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], *, longest: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the positions of all entries of the rows numbered ``rows``, and the offsets of the result.

    Args:
        offsets: ``(N + 1,)``, where each row begins.
        rows: ``(R,)`` numbers of rows.
        longest: take no more entries of a row.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    if longest is not None:
        lengths = np.minimum(lengths, longest)
    ends = np.cumsum(lengths)
    # Place of every entry: its place in its own row plus where that row begins.
    within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return within + np.repeat(offsets[rows], lengths), np.concatenate([[0], ends]).astype(np.int64)


def with_room(array: npt.NDArray[Any], used: int, more: int) -> npt.NDArray[Any]:
    """Return an array with the first ``used`` entries and room for ``more``, growing geometrically."""
    if used + more <= len(array):
        return array
    return np.concatenate([array[:used], np.empty(max(more, used), array.dtype)])
