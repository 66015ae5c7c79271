"""Caches one row per type: its vector times every filter tap, computed when the type first occurs in a text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.calls import tell_of_forks
from textcnn.core.type_rows_numpy import VectorTables, score_sums
from textcnn.models.weights import CHARACTER_TABLE
from textcnn.tokenization.lexicon import NOTHING, Lexicon, Unseen
from textcnn.tokenization.ragged import Ragged

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

CACHE_BYTES = 160 * 2**20  # default memory limit of the rows; while a full cache restarts, half as much again is in use
BLOCK = 1024  # types whose rows are computed or copied at once: bounds the memory in addition to the tables


class TypeVectors:
    """Computes the vectors of types as ``WordEmbedding`` and ``MultichannelEmbedding`` do, without torch.

    Args:
        tensors: the weights of a model folder by name.
        lexicon: maps types to their character n-grams; none: words only.
        adds: whether n-gram vectors are added to pretrained rows (``combine="add"``) instead of averaged with them.
        score_scale: the factor of the branch of characters; none: the model has none.
    """

    def __init__(
        self, tensors: Mapping[str, Array], lexicon: Lexicon | None, *, adds: bool, score_scale: float | None = None
    ) -> None:
        two = "embedding.static.word.weight" in tensors
        own = "embedding.tuned." if two else "embedding."
        fixed = tensors["embedding.static.word.weight"] if two else None
        word, ngram = tensors[f"{own}word.weight"], tensors.get(f"{own}ngram.weight")
        self._lexicon = lexicon
        scores = None if score_scale is None else np.ascontiguousarray(tensors[CHARACTER_TABLE], np.float32)
        self.tables = VectorTables(
            fixed, word, None if lexicon is None else ngram, adds or two, scores, score_scale or 0.0
        )

    @property
    def ngrams(self) -> npt.NDArray[Any] | None:
        """The stored n-gram vectors; none: words only. The vector of an unseen word is the mean of its n-grams'."""
        return self.tables.ngrams

    def bags(self, types: Integers, unseen: Unseen) -> Ragged:
        """Return the ids of the n-grams of each of ``types``, which are ascending; empty for a model of words only."""
        if self._lexicon is None or self.tables.ngrams is None:
            return NOTHING
        return self._lexicon.bags(types, unseen)

    def character_shares(self, types: Integers, unseen: Unseen) -> Integers | None:
        """Return what the branch of characters adds to the shares ``(n, C)`` of types; none without such a branch."""
        if self.tables.scores is None:
            return None
        bags = self.bags(types, unseen)
        return score_sums(self.tables, bags.ids, bags.offsets)

    def __call__(self, types: Integers, unseen: Unseen) -> npt.NDArray[np.float32]:
        """Return the vectors ``(n, D)`` of ``types``, which are ascending; ids from V up are words of ``unseen``."""
        bags, wanted = self.bags(types, unseen), np.asarray(types, np.int64)
        vectors: npt.NDArray[np.float32] = core.twin("type_rows").compose(self.tables, wanted, bags.ids, bags.offsets)
        return vectors


@dataclass(frozen=True)
class Rows:
    """The rows of R types; row 0 is zeros and stands for positions outside a text.

    Attributes:
        products: ``(R, S, F)``, float32 or int8: the dot product of the type's vector with every tap of every filter.
        means: ``(R, C)`` int64, what the type adds to the logits through mean pooling, in units of ``UNIT``.
        clipped: ``(R,)``, whether a product exceeded the range of int8.
    """

    products: Array
    means: Integers
    clipped: npt.NDArray[np.bool_]

    def grown(self, size: int) -> Rows:
        """Return a copy in arrays of ``size`` rows, padded with zeros."""
        return Rows(*(_grown(part, size) for part in (self.products, self.means, self.clipped)))

    def at(self, numbers: Integers | slice) -> Rows:
        """Return only these rows; a slice gives views, which can be filled."""
        return Rows(self.products[numbers], self.means[numbers], self.clipped[numbers])

    @property
    def row_bytes(self) -> int:
        """The memory of one row in bytes."""
        return sum(part[:1].nbytes for part in (self.products, self.means, self.clipped))


def _grown(part: Array, size: int) -> Array:
    grown = np.zeros((size, *part.shape[1:]), part.dtype)
    grown[: len(part)] = part
    return grown


class Held(NamedTuple):
    """The contents of a cache, valid while its lock is locked.

    Attributes:
        rows: the rows of all cached types.
        known: ``(V + 1,)``, the row number of each type, -1 for none; a new array whenever the cache restarts.
        named: the row numbers of words outside the vocabulary.
    """

    rows: Rows
    known: Integers
    named: Mapping[str, int]


class RowCache:
    """A thread-safe cache of the rows of the types seen so far, at most ``capacity`` of them.

    A full cache restarts in new arrays, so that readers of the old ones are not disturbed, and copies the rows of the
    lowest ids, which belong to the types that were most frequent in training. A row never changes.

    Args:
        fill: computes the rows of types (ascending, without duplicates) into the rows that it is given.
        nothing: zero rows of the shape and type of those to cache.
        num_types: V, the size of the vocabulary; words outside it are cached by name.
        capacity: the largest number of rows, exceeded only where a single call needs more.

    Attributes:
        num_made: the number of rows computed so far; a row is computed again if it was evicted.
        changes: how often rows were added or evicted; read it only while :attr:`lock` is locked.
    """

    def __init__(
        self, fill: Callable[[Integers, Unseen, Rows], None], nothing: Rows, num_types: int, capacity: int
    ) -> None:
        self._fill, self._num_types, self._capacity = fill, num_types, capacity
        self.lock = threading.Lock()
        self.num_made = self.changes = 0
        self._nothing = nothing.grown(1)
        self._start_again()
        tell_of_forks(self)

    @property
    def capacity(self) -> int:
        """The largest number of rows, exceeded only where a single call needs more."""
        return self._capacity

    def __len__(self) -> int:
        """Return the number of cached types."""
        return self._used - 1

    @property
    def num_bytes(self) -> int:
        """The memory of the cached rows in bytes; the arrays are larger, but untouched pages take no memory."""
        return self._used * self._rows.row_bytes

    def find(self, ids: Array, unseen: Unseen) -> tuple[Rows, Integers]:
        """Return rows that include those of ``ids (N,)``, computing new ones, and the row number of each."""
        with self.lock:
            if self._is_forked:
                self._start_again()
            if self._used > self._capacity:  # the previous call exceeded the capacity
                self._keep_frequent(len(np.unique(ids)))
            numbers = self._numbers(ids, unseen)
            missing: Any = np.flatnonzero(numbers < 0)
            if len(missing):
                new = np.sort(ids[missing])  # np.unique would import numpy.ma, 5 ms of the first text
                new = new[np.append(True, new[1:] != new[:-1])]
                if self._used + len(new) > self._capacity:
                    wanted = np.unique(ids)
                    self._keep_frequent(len(wanted))
                    missing = slice(None)  # all rows have moved
                    new = wanted[self._numbers(wanted, unseen) < 0]
                self._add(new, unseen)
                numbers[missing] = self._numbers(ids[missing], unseen)
            return self._rows, numbers

    def held(self) -> Held:
        """Return the contents; the caller has locked :attr:`lock` and reads them before it unlocks it."""
        if self._is_forked:
            self._start_again()
        return Held(self._rows, self._known, self._named)

    def mark_forked(self) -> None:
        """Give the cache of a forked child a new lock, and have it emptied at its next use.

        The thread that had locked the old one does not exist in the child, and may have left rows half computed. Before
        its next use, since other locks may be taken in the child as well: it does as little as possible here.
        """
        self.lock, self._is_forked = threading.Lock(), True
        self.changes += 1

    def _start_again(self) -> None:
        self._is_forked = False
        self._rows, self._used = self._nothing.grown(self._capacity), 1
        self._known = np.full(self._num_types + 1, -1, np.int64)
        self._named: dict[str, int] = {}
        self.changes += 1

    def _keep_frequent(self, num_wanted: int) -> None:
        old, known = self._rows, self._known
        # A third: enough for the frequent types, while new ones have room before the next restart.
        most = min(self._capacity // 3, max(self._capacity - num_wanted, 0))
        kept = np.flatnonzero(known >= 0)[:most]
        self._start_again()
        for block in np.split(kept, range(BLOCK, len(kept), BLOCK)):
            source, rows = old.at(known[block]), self._next(len(block))
            rows.products[:], rows.means[:], rows.clipped[:] = source.products, source.means, source.clipped
            self._name(block, Unseen())

    def _numbers(self, ids: Array, unseen: Unseen) -> Integers:
        numbers = self._known[np.minimum(ids, self._num_types)]  # unseen words share the last entry, which is -1
        if unseen.names:
            outside = np.flatnonzero(ids >= self._num_types)
            names = [unseen.names[i] for i in (ids[outside] - self._num_types).tolist()]
            numbers[outside] = [self._named.get(name, -1) for name in names]
        return numbers

    def _add(self, types: Integers, unseen: Unseen) -> None:
        self.changes += 1
        needed = self._used + len(types)
        if needed > len(self._rows.products):  # one call needs more than the capacity
            self._rows = self._rows.grown(needed)
        for start in range(0, len(types), BLOCK):
            block = types[start : start + BLOCK].astype(np.int64)
            self.num_made += len(block)
            self._fill(block, unseen, self._next(len(block)))
            self._name(block, unseen)

    def _next(self, count: int) -> Rows:
        """Return the next ``count`` free rows."""
        return self._rows.at(slice(self._used, self._used + count))

    def _name(self, types: Integers, unseen: Unseen) -> None:
        """Register the next rows, which have just been filled, as those of these types."""
        first = self._used
        self._used += len(types)
        own = types < self._num_types
        self._known[types[own]] = first + np.flatnonzero(own)
        for place in np.flatnonzero(~own).tolist():
            self._named[unseen.names[int(types[place]) - self._num_types]] = first + place
