"""What the look-up runtime knows of a type: its vector, and a row of products, made when a text first holds it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.type_rows_numpy import VectorTables
from textcnn.tokenization.lexicon import NOTHING, Lexicon, Unseen
from textcnn.tokenization.ragged import Ragged

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

CACHE_BYTES = 96 * 2**20  # memory for the rows of types, where nobody says otherwise; once more half of it at times
BLOCK = 1024  # types whose rows are made or moved at once: bounds what is held beside the tables


class TypeVectors:
    """The vectors of types: what ``WordEmbedding`` and ``MultichannelEmbedding`` make, without torch.

    Args:
        tensors: the weights of a model folder by name.
        lexicon: knows the n-grams of the types; none: words only.
        adds: whether n-grams are added to pretrained rows (``combine="add"``), not averaged with them.
    """

    def __init__(self, tensors: Mapping[str, Array], lexicon: Lexicon | None, *, adds: bool) -> None:
        two = "embedding.static.word.weight" in tensors
        own = "embedding.tuned." if two else "embedding."
        fixed = tensors["embedding.static.word.weight"] if two else None
        word, ngram = tensors[f"{own}word.weight"], tensors.get(f"{own}ngram.weight")
        self._lexicon = lexicon
        self.tables = VectorTables(fixed, word, None if lexicon is None else ngram, adds or two)

    @property
    def ngrams(self) -> npt.NDArray[Any] | None:
        """Rows of the n-grams, as they are stored; none: words only. An unseen word's vector is the mean of its own."""
        return self.tables.ngrams

    def bags(self, types: Integers, unseen: Unseen) -> Ragged:
        """The n-gram rows of ``types``, which are ascending; without n-grams none at all."""
        if self._lexicon is None or self.tables.ngrams is None:
            return NOTHING
        return self._lexicon.bags(types, unseen)

    def __call__(self, types: Integers, unseen: Unseen) -> npt.NDArray[np.float32]:
        """Vectors ``(n, D)`` of ``types``, which are ascending; behind the vocabulary they are those of ``unseen``."""
        bags, wanted = self.bags(types, unseen), np.asarray(types, np.int64)
        vectors: npt.NDArray[np.float32] = core.twin("type_rows").compose(self.tables, wanted, bags.ids, bags.offsets)
        return vectors


@dataclass(frozen=True)
class Rows:
    """Rows of R types; row 0 is zeros.

    Attributes:
        products: ``(R, S, F)``, float32 or int8: every tap of every filter times the type's vector.
        means: ``(R, C)`` int64, the type's share of the logits through mean pooling, in units of ``UNIT``.
        clipped: ``(R,)``, whether a product is outside the range of int8.
    """

    products: Array
    means: Integers
    clipped: npt.NDArray[np.bool_]

    def grown(self, size: int) -> Rows:
        """The same in arrays of ``size`` rows."""
        return Rows(*(_grown(part, size) for part in (self.products, self.means, self.clipped)))

    def at(self, numbers: Integers | slice) -> Rows:
        """Only these rows; of a slice the rows themselves, to be filled."""
        return Rows(self.products[numbers], self.means[numbers], self.clipped[numbers])

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        return sum(part[:1].nbytes for part in (self.products, self.means, self.clipped))


def _grown(part: Array, size: int) -> Array:
    grown = np.zeros((size, *part.shape[1:]), part.dtype)
    grown[: len(part)] = part
    return grown


class Held(NamedTuple):
    """What a cache holds, for as long as its lock is held.

    Attributes:
        rows: of all types.
        known: ``(V + 1,)``, the row of each type, -1 for none; another array after the cache has started again.
        named: rows of the types behind V.
    """

    rows: Rows
    known: Integers
    named: Mapping[str, int]


class RowCache:
    """Rows of the types met so far, at most ``capacity`` of them; any number of threads may ask.

    A full cache starts again in new arrays, whoever reads the old ones keeps them as they were, and takes along the
    rows of the lowest ids, which are of the types that were frequent in training. A row never changes.

    Args:
        fill: makes the rows of types, ascending, none twice, in the rows that it is given.
        nothing: no rows at all, of the shape of those that are to be held.
        num_types: V; the types behind it are known by their names.
        capacity: rows at most; more only where one call needs more at once.

    Attributes:
        num_made: rows made so far; those of a type may be made again after the cache was full.
        changes: how often rows were added or given up; to be read while :attr:`lock` is held.
    """

    def __init__(
        self, fill: Callable[[Integers, Unseen, Rows], None], nothing: Rows, num_types: int, capacity: int
    ) -> None:
        self._fill, self._num_types, self._capacity = fill, num_types, capacity
        self.lock = threading.Lock()
        self.num_made = self.changes = 0
        self._nothing = nothing.grown(1)
        self._start_again()
        _caches.add(self)

    @property
    def capacity(self) -> int:
        """Rows at most, but where one call needs more."""
        return self._capacity

    def __len__(self) -> int:
        """Types whose rows are held."""
        return self._used - 1

    @property
    def num_bytes(self) -> int:
        """Memory of the rows made so far; the arrays have room for all, which costs nothing until it is used."""
        return self._used * self._rows.row_bytes

    def find(self, ids: Array, unseen: Unseen) -> tuple[Rows, Integers]:
        """Rows that hold all of ``ids (N,)``, and the number of the row of each, ``(N,)``."""
        with self.lock:
            if self._used > self._capacity:  # the call before needed more
                self._keep_frequent(len(np.unique(ids)))
            numbers = self._numbers(ids, unseen)
            if numbers.min(initial=0) < 0:
                new = np.unique(ids[numbers < 0])
                if self._used + len(new) > self._capacity:
                    wanted = np.unique(ids)
                    self._keep_frequent(len(wanted))
                    new = wanted[self._numbers(wanted, unseen) < 0]
                self._add(new, unseen)
                numbers = self._numbers(ids, unseen)
            return self._rows, numbers

    def held(self) -> Held:
        """What is held, to be read while :attr:`lock` is."""
        return Held(self._rows, self._known, self._named)

    def forget(self) -> None:
        """Begin anew in a forked child: who held the lock is not there any more, and may have left rows half made."""
        self.lock = threading.Lock()
        self._start_again()

    def _start_again(self) -> None:
        self._rows, self._used = self._nothing.grown(self._capacity), 1
        self._known = np.full(self._num_types + 1, -1, np.int64)
        self._named: dict[str, int] = {}
        self.changes += 1

    def _keep_frequent(self, num_wanted: int) -> None:
        old, known = self._rows, self._known
        most = min(self._capacity // 3, max(self._capacity - num_wanted, 0))
        kept = np.flatnonzero(known >= 0)[:most]
        self._start_again()
        for block in np.split(kept, range(BLOCK, len(kept), BLOCK)):
            held, rows = old.at(known[block]), self._next(len(block))
            rows.products[:], rows.means[:], rows.clipped[:] = held.products, held.means, held.clipped
            self._name(block, Unseen())

    def _numbers(self, ids: Array, unseen: Unseen) -> Integers:
        numbers = self._known[np.minimum(ids, self._num_types)]
        if unseen.names:
            behind = np.flatnonzero(ids >= self._num_types)
            names = [unseen.names[i] for i in (ids[behind] - self._num_types).tolist()]
            numbers[behind] = [self._named.get(name, -1) for name in names]
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
        """The rows behind those that are used."""
        return self._rows.at(slice(self._used, self._used + count))

    def _name(self, types: Integers, unseen: Unseen) -> None:
        """The next rows, which are filled now, are of these types."""
        first = self._used
        self._used += len(types)
        own = types < self._num_types
        self._known[types[own]] = first + np.flatnonzero(own)
        for place in np.flatnonzero(~own).tolist():
            self._named[unseen.names[int(types[place]) - self._num_types]] = first + place


_caches: weakref.WeakSet[RowCache] = weakref.WeakSet()


def _forget_all() -> None:
    for cache in list(_caches):
        cache.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
