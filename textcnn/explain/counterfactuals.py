"""The logits of a text without one of its words, or with another in its place: exact, by few additions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.type_rows_numpy import UNIT
from textcnn.explain.attribution import check_exact
from textcnn.runtime.filters import Doubles, FloatFilters
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.ngrams import logarithms

Integers = npt.NDArray[np.int64]

NOTHING = -1  # the key of no feature


def pairs(first: Integers, second: Integers) -> Integers:
    """Keys of pairs of neighbours; of none where either is below 0."""
    return np.where((first >= 0) & (second >= 0), (first + 1) << 32 | second, NOTHING)


class WideChanges:
    """The wide branch of one text.

    Args:
        model: with a wide branch.
        ids: ``(T,)`` int64, all types of the text.
    """

    def __init__(self, model: LookupModel, ids: Integers) -> None:
        features, table = model.model.features, model.model.table
        assert features is not None
        assert table is not None
        self._keys, self._idf = features.keys, features.idf.astype(np.float64)
        self._table, self._scale = table, model.model.scale
        held = np.concatenate([ids, pairs(ids[:-1], ids[1:])])
        self._held, self._counts = np.unique(held, return_counts=True)
        rows, known = self._rows(self._held)
        weights = np.where(known, self._weights(self._counts, rows), 0.0)
        self._sum = weights @ self._table[rows].astype(np.float64) if len(self._keys) else np.zeros(table.shape[1])
        self._squares = float(weights @ weights)

    def logits(self, keys: Integers, changes: Integers) -> Doubles:
        """What the branch adds to the logits ``(D, C)`` of D variants of the text.

        Args:
            keys: ``(D, M)``, features whose counts change; one may stand there several times.
            changes: ``(M,)``, by how much, 1 or -1.
        """
        sums = np.tile(self._sum, (len(keys), 1))
        squares = np.full(len(keys), self._squares)
        for m in range(keys.shape[1] if len(self._keys) else 0):
            same = keys == keys[:, m : m + 1]
            rows, known = self._rows(keys[:, m])
            fresh = known & ~same[:, :m].any(axis=1)  # else it was counted in an earlier column
            before = self._count(keys[:, m])
            after = before + same @ changes
            old, new = (np.where(fresh, self._weights(count, rows), 0.0) for count in (before, after))
            sums += (new - old)[:, None] * self._table[rows]
            squares += new * new - old * old
        # Without a feature the squares sum to 0, but for rounding; one feature has at least 1.
        norms = np.sqrt(np.where(squares > 0.5, squares, np.inf))
        return np.asarray(sums * (self._scale / norms)[:, None], np.float64)

    def _rows(self, keys: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
        if not len(self._keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return rows, self._keys[rows] == keys

    def _count(self, keys: Integers) -> Integers:
        if not len(self._held):
            return np.zeros(len(keys), np.int64)
        places = np.minimum(np.searchsorted(self._held, keys), len(self._held) - 1)
        return np.where(self._held[places] == keys, self._counts[places], 0)

    def _weights(self, counts: Integers, rows: Integers) -> Doubles:
        idf = self._idf[rows] if len(self._idf) else np.zeros(len(rows))
        return np.where(counts > 0, (1 + logarithms(np.maximum(counts, 1))) * idf, 0.0)


Array = npt.NDArray[Any]

BLOCK = 256  # words tried at once


class Variants:
    """One text and the logits of what it could be.

    Args:
        model: of precision float32.
        ids: ``(T,)`` types of the text; behind the vocabulary those of ``unseen``.
        unseen: as the model's inputs give it.
    """

    def __init__(self, model: LookupModel, ids: Array, unseen: Unseen | None = None) -> None:
        self._model, self._ids = check_exact(model), ids.astype(np.int64)
        self._unseen, limit = unseen or Unseen(), model.inputs.max_length
        # Without one of its words, a cut text shows one word more.
        self._longest = len(ids) if limit is None else limit
        seen = self._ids[: self._longest + 1]
        held, numbers = model.rows(seen, self._unseen)
        self._products, self._means = held.products[numbers], held.means[numbers]
        one_layer = model.model
        self._filters = one_layer.filters
        self._starts = self._filters.first_taps
        self._wide = None if one_layer.features is None else WideChanges(model, self._ids)

    def __len__(self) -> int:
        """T, the words of the text."""
        return len(self._ids)

    def logits(self) -> Doubles:
        """Logits ``(C,)`` of the text as it is."""
        encoder = self._base()
        nothing = np.zeros((1, 0), np.int64)
        return np.asarray(self._with_wide(encoder, nothing, np.zeros(0, np.int64))[0])

    def without_each(self) -> Doubles:
        """Logits ``(T, C)`` of the text without each of its words: the neighbours of what is gone stand together."""
        count = len(self._products)
        features = self._features([self._joined(g) for g in range(len(self._filters.sizes) if count else 0)], count)
        if count == 1:
            features[:] = 0  # nothing is left
        sums = self._means.sum(axis=0) - self._means
        encoder = self._close(features, sums // max(count - 1, 1))
        if len(self) > count:  # words that the encoder does not see
            encoder = np.concatenate([encoder, np.tile(self._base(), (len(self) - count, 1))])
        ids, nothing = self._ids, np.full(1, -1)
        before, behind = np.concatenate([nothing, ids[:-1]])[: len(ids)], np.concatenate([ids[1:], nothing])[: len(ids)]
        keys = np.stack([ids, pairs(before, ids), pairs(ids, behind), pairs(before, behind)], axis=1)
        return self._with_wide(encoder, keys, np.array([-1, -1, -1, 1]))

    def with_each(self, place: int, types: Array, unseen: Unseen | None = None) -> Doubles:
        """Logits ``(N, C)`` of the text with each of ``types (N,)`` in the place of one of its words.

        Args:
            place: of the word, from 0.
            types: behind the vocabulary those of ``unseen``, which is not the text's.
            unseen: words that the vocabulary does not have.
        """
        parts = [self._with_block(place, types[k : k + BLOCK], unseen) for k in range(0, len(types), BLOCK)]
        return np.concatenate([np.zeros((0, self._model.model.num_labels)), *parts])

    def _with_block(self, place: int, types: Array, unseen: Unseen | None) -> Doubles:
        types = types.astype(np.int64)
        if place < self._longest:
            held, numbers = self._model.rows(types, unseen)
            products, means = held.products[numbers], held.means[numbers]
            best = [self._replaced(g, place, products) for g in range(len(self._filters.sizes))]
            features = self._features(best, len(types))
            seen = self._means[: self._longest]
            encoder = self._close(features, (seen.sum(axis=0) - seen[place] + means) // len(seen))
        else:
            encoder = np.tile(self._base(), (len(types), 1))
        if self._wide is None:
            return encoder
        types = np.minimum(types, len(self._model.inputs.tokenizer))  # unseen words have no feature
        before, old, behind = (
            np.full(len(types), self._ids[k] if 0 <= k < len(self) else -1) for k in (place - 1, place, place + 1)
        )
        gone = [old, pairs(before, old), pairs(old, behind)]
        come = [types, pairs(before, types), pairs(types, behind)]
        return self._with_wide(encoder, np.stack(gone + come, axis=1), np.array([-1, -1, -1, 1, 1, 1]))

    def _base(self) -> Doubles:
        """Logits ``(1, C)`` of the text but for its wide part."""
        seen = self._products[: self._longest]
        groups = range(len(self._filters.sizes) if len(seen) else 0)
        best = [self._sums(self._slots(g, seen)).max(axis=0, keepdims=True) for g in groups]
        return self._close(self._features(best, 1), self._means[: self._longest].sum(axis=0)[None] // max(len(seen), 1))

    def _slots(self, g: int, words: Array) -> list[Array]:
        """For each slot of group g, what every word adds there, ``(T + 2 h - 2, F)``: h - 1 zeros before and behind."""
        size, tap = int(self._filters.sizes[g]), int(self._starts[g])
        outside = np.zeros((size - 1, words.shape[2]), words.dtype)
        return [np.concatenate([outside, words[:, tap + i], outside]) for i in range(size)]

    def _sums(self, slots: list[Array]) -> Array:
        """Sums of all windows ``(T + h - 1, F)``; the first ends with the first word."""
        count = len(slots[0]) - len(slots) + 1
        total = slots[0][:count].copy()
        for i, slot in enumerate(slots[1:], start=1):
            total += slot[i : i + count]
        return total

    def _joined(self, g: int) -> Array:
        """Largest sums ``(T, F)`` of group g without each word."""
        slots, count = self._slots(g, self._products), len(self._products)
        size, sums = len(slots), self._sums(slots)
        best = _largest_around(sums, size)
        for left in range(1, size):  # words of the window that stand before the gap; padded place p + size - 1 is p
            total = slots[0][size - 1 - left : size - 1 - left + count].copy()
            for i in range(1, size):
                start = size - 1 - left + i + (i >= left)
                total += slots[i][start : start + count]
            np.maximum(best, total, out=best)
        return best

    def _replaced(self, g: int, place: int, products: Array) -> Array:
        """Largest sums ``(N, F)`` of group g with rows ``(N, S, F)`` at ``place``."""
        slots = self._slots(g, self._products[: self._longest])
        size, tap = len(slots), int(self._starts[g])
        best = np.tile(_largest_around(self._sums(slots), size)[place], (len(products), 1))
        for own in range(size):  # where in the window the word stands
            first = place + size - 1 - own
            total: Any = None
            for i in range(size):
                add = products[:, tap + i] if i == own else slots[i][first + i]
                total = add if i == 0 else total + add
            np.maximum(best, total, out=best)
        return best

    def _features(self, best: list[Array], count: int) -> npt.NDArray[np.float32]:
        """Features ``(D, K)`` from the largest sums ``(D, F)`` of each group; without any, zeros."""
        if not best:
            return np.zeros((count, len(self._filters.bias)), np.float32)
        assert isinstance(self._model.filters, FloatFilters)
        return self._model.filters.features(np.stack(best, axis=1), np.zeros(count, np.bool_))

    def _close(self, features: npt.NDArray[np.float32], means: Integers) -> Doubles:
        """Logits ``(D, C)`` but for the wide part, from features ``(D, K)`` and shares of the mean ``(D, C)``."""
        heads = features.astype(np.float64) @ self._filters.head.astype(np.float64)
        return np.asarray(heads + (means + self._model.model.bias) * UNIT, np.float64)

    def _with_wide(self, encoder: Doubles, keys: Integers, changes: Integers) -> Doubles:
        return encoder if self._wide is None else encoder + self._wide.logits(keys, changes)


def _largest_around(sums: Array, size: int) -> Array:
    """Of window sums ``(T + h - 1, F)``, the largest that do not touch each word, ``(T, F)``; -inf where all do."""
    count = len(sums) - size + 1
    none = np.full((size, sums.shape[1]), -np.inf, sums.dtype)
    before = np.concatenate([none[:1], np.maximum.accumulate(sums, axis=0)])[:count]
    behind = np.concatenate([np.maximum.accumulate(sums[::-1], axis=0)[::-1], none])[size:][:count]
    return np.asarray(np.maximum(before, behind))
