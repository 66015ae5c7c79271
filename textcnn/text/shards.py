"""A corpus that is parted among processes: each keeps some of its rows (:mod:`textcnn.text.holders`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from textcnn.text.holders import Integers, among, places

if TYPE_CHECKING:
    from textcnn.text.stored import StoredTexts


@dataclass(frozen=True)
class Shard:
    """Which rows of a source one of several processes keeps: row ``rank``, and every ``size``-th behind it.

    Attributes:
        rank: number of the process.
        size: how many they are.
        bound: characters of text up to which all of them keep all rows, in memory.
    """

    rank: int
    size: int
    bound: float

    def of(self, texts: list[str], start: int) -> list[str]:
        """The own ones of the texts of row ``start`` and those behind it."""
        return texts[(self.rank - start) % self.size :: self.size]

    def rows(self, count: int) -> Integers:
        """The own ones of so many rows."""
        return np.arange(self.rank, count, self.size)


class ShardedTexts(Sequence[str]):
    """N texts, of which this process has some; to ask for another one is an error.

    Args:
        own: the texts that are here.
        rows: ``(n,)`` which of the N they are, ascending.
        count: N.
    """

    def __init__(self, own: StoredTexts, rows: Integers, count: int) -> None:
        self.own, self.rows, self._count = own, rows, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        asked = np.arange(self._count)[index]
        found = self.own.select(places(self.rows, np.atleast_1d(asked)))
        return list(found) if isinstance(index, slice) else found[0]

    def select(self, positions: Integers) -> ShardedTexts:
        """The texts at these positions as a corpus of their own; no text is copied or sent."""
        here = among(self.rows, positions)
        return ShardedTexts(self.own.select(places(self.rows, positions[here])), np.flatnonzero(here), len(positions))


def own_texts(texts: Sequence[str]) -> Sequence[str]:
    """Those of the texts that are here."""
    return texts.own if isinstance(texts, ShardedTexts) else texts
