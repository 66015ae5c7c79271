"""Computes exact logits of counterfactual texts, in which one word is deleted or replaced, from cached products."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.units import UNIT
from textcnn.explain.attribution import check_exact
from textcnn.runtime.filters import Doubles, FloatFilters
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.ngrams import logarithms

Integers = npt.NDArray[np.int64]

NOTHING = -1  # a key that stands for no feature


def pairs(first: Integers, second: Integers) -> Integers:
    """Return the keys of pairs of adjacent types; :data:`NOTHING` where either type is negative."""
    return np.where((first >= 0) & (second >= 0), (first + 1) << 32 | second, NOTHING)


class WideChanges:
    """The wide branch's logits for variants of one text, computed from the features that change.

    Args:
        model: a model with a wide branch.
        ids: ``(T,)`` int64, all types of the text.
    """

    def __init__(self, model: LookupModel, ids: Integers) -> None:
        features, table = model.model.features, model.model.table
        assert features is not None
        assert table is not None
        self._keys, self._idf = features.keys, features.idf.astype(np.float64)
        self._table, self._scale = table, model.model.scale
        features_of_text = np.concatenate([ids, pairs(ids[:-1], ids[1:])])
        self._present, self._counts = np.unique(features_of_text, return_counts=True)
        rows, known = self._rows(self._present)
        weights = np.where(known, self._weights(self._counts, rows), 0.0)
        self._sum = weights @ self._table[rows].astype(np.float64) if len(self._keys) else np.zeros(table.shape[1])
        self._squares = float(weights @ weights)

    def logits(self, keys: Integers, changes: Integers) -> Doubles:
        """Return what the branch adds to the logits ``(D, C)`` of D variants of the text.

        Args:
            keys: ``(D, M)``, the features whose counts change; a feature may occur several times.
            changes: ``(M,)``, the change of each count, 1 or -1.
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
        # The sum of squares is at least 1 if there is a feature, and 0 up to rounding if there is none.
        norms = np.sqrt(np.where(squares > 0.5, squares, np.inf))
        return np.asarray(sums * (self._scale / norms)[:, None], np.float64)

    def _rows(self, keys: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
        if not len(self._keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return rows, self._keys[rows] == keys

    def _count(self, keys: Integers) -> Integers:
        if not len(self._present):
            return np.zeros(len(keys), np.int64)
        places = np.minimum(np.searchsorted(self._present, keys), len(self._present) - 1)
        return np.where(self._present[places] == keys, self._counts[places], 0)

    def _weights(self, counts: Integers, rows: Integers) -> Doubles:
        idf = self._idf[rows] if len(self._idf) else np.zeros(len(rows))
        return np.where(counts > 0, (1 + logarithms(np.maximum(counts, 1))) * idf, 0.0)


Array = npt.NDArray[Any]

BLOCK = 256  # replacements computed at once


class Variants:
    """One text, with the logits of its variants in which a word is deleted or replaced.

    Args:
        model: a model of precision float32.
        ids: ``(T,)`` types of the text; ids from the size of the vocabulary up are words of ``unseen``.
        unseen: the unseen words, from the model's inputs.
    """

    def __init__(self, model: LookupModel, ids: Array, unseen: Unseen | None = None) -> None:
        self._model, self._ids = check_exact(model), ids.astype(np.int64)
        self._unseen, limit = unseen or Unseen(), model.inputs.max_length
        # If a word of a truncated text is deleted, the first word that was cut moves into view.
        self._longest = len(ids) if limit is None else limit
        seen = self._ids[: self._longest + 1]
        cached, numbers = model.rows(seen, self._unseen)
        self._products, self._means = cached.products[numbers], cached.means[numbers]
        one_layer = model.model
        self._filters = one_layer.filters
        self._starts = self._filters.first_taps
        self._wide = None if one_layer.features is None else WideChanges(model, self._ids)

    def __len__(self) -> int:
        """Return T, the number of words of the text."""
        return len(self._ids)

    def logits(self) -> Doubles:
        """Return the logits ``(C,)`` of the unchanged text."""
        encoder = self._base()
        nothing = np.zeros((1, 0), np.int64)
        return np.asarray(self._with_wide(encoder, nothing, np.zeros(0, np.int64))[0])

    def without_each(self) -> Doubles:
        """Return the logits ``(T, C)`` of the text without each of its words, whose neighbours become adjacent."""
        count = len(self._products)
        features = self._features([self._joined(g) for g in range(len(self._filters.sizes) if count else 0)], count)
        if count == 1:
            features[:] = 0  # nothing is left
        sums = self._means.sum(axis=0) - self._means
        encoder = self._close(features, sums // max(count - 1, 1))
        if len(self) > count:  # deleting a word that the encoder does not see leaves its logits unchanged
            encoder = np.concatenate([encoder, np.tile(self._base(), (len(self) - count, 1))])
        ids, nothing = self._ids, np.full(1, -1)
        before, after = np.concatenate([nothing, ids[:-1]])[: len(ids)], np.concatenate([ids[1:], nothing])[: len(ids)]
        keys = np.stack([ids, pairs(before, ids), pairs(ids, after), pairs(before, after)], axis=1)
        return self._with_wide(encoder, keys, np.array([-1, -1, -1, 1]))

    def with_each(self, place: int, types: Array, unseen: Unseen | None = None) -> Doubles:
        """Return the logits ``(N, C)`` of the text with one word replaced by each of ``types (N,)``.

        Args:
            place: the index of the word, from 0.
            types: the replacements; ids from the size of the vocabulary up are words of ``unseen``.
            unseen: the unseen words among the replacements, not those of the text.
        """
        parts = [self._with_block(place, types[k : k + BLOCK], unseen) for k in range(0, len(types), BLOCK)]
        return np.concatenate([np.zeros((0, self._model.model.num_labels)), *parts])

    def _with_block(self, place: int, types: Array, unseen: Unseen | None) -> Doubles:
        types = types.astype(np.int64)
        if place < self._longest:
            cached, numbers = self._model.rows(types, unseen)
            products, means = cached.products[numbers], cached.means[numbers]
            best = [self._replaced(g, place, products) for g in range(len(self._filters.sizes))]
            features = self._features(best, len(types))
            seen = self._means[: self._longest]
            encoder = self._close(features, (seen.sum(axis=0) - seen[place] + means) // len(seen))
        else:
            encoder = np.tile(self._base(), (len(types), 1))
        if self._wide is None:
            return encoder
        types = np.minimum(types, len(self._model.inputs.tokenizer))  # unseen words have no feature
        before, old, after = (
            np.full(len(types), self._ids[k] if 0 <= k < len(self) else -1) for k in (place - 1, place, place + 1)
        )
        gone = [old, pairs(before, old), pairs(old, after)]
        come = [types, pairs(before, types), pairs(types, after)]
        return self._with_wide(encoder, np.stack(gone + come, axis=1), np.array([-1, -1, -1, 1, 1, 1]))

    def _base(self) -> Doubles:
        """Return the logits ``(1, C)`` of the unchanged text without the wide branch."""
        seen = self._products[: self._longest]
        groups = range(len(self._filters.sizes) if len(seen) else 0)
        best = [self._sums(self._slots(g, seen)).max(axis=0, keepdims=True) for g in groups]
        return self._close(self._features(best, 1), self._means[: self._longest].sum(axis=0)[None] // max(len(seen), 1))

    def _slots(self, g: int, words: Array) -> list[Array]:
        """Return the product of every word with each tap of group g, ``(T + 2 h - 2, F)``, padded with h - 1 zeros."""
        size, tap = int(self._filters.sizes[g]), int(self._starts[g])
        outside = np.zeros((size - 1, words.shape[2]), words.dtype)
        return [np.concatenate([outside, words[:, tap + i], outside]) for i in range(size)]

    def _sums(self, slots: list[Array]) -> Array:
        """Return the sums of all windows ``(T + h - 1, F)``; the first window ends with the first word."""
        count = len(slots[0]) - len(slots) + 1
        total = slots[0][:count].copy()
        for i, slot in enumerate(slots[1:], start=1):
            total += slot[i : i + count]
        return total

    def _joined(self, g: int) -> Array:
        """Return the max-pooled sums ``(T, F)`` of group g without each word."""
        slots, count = self._slots(g, self._products), len(self._products)
        size, sums = len(slots), self._sums(slots)
        best = _largest_around(sums, size)
        # New windows span the gap, with `left` words before it; index p of the text is p + size - 1 in the padded one.
        for left in range(1, size):
            total = slots[0][size - 1 - left : size - 1 - left + count].copy()
            for i in range(1, size):
                start = size - 1 - left + i + (i >= left)
                total += slots[i][start : start + count]
            np.maximum(best, total, out=best)
        return best

    def _replaced(self, g: int, place: int, products: Array) -> Array:
        """Return the max-pooled sums ``(N, F)`` of group g with rows ``(N, S, F)`` at ``place``."""
        slots = self._slots(g, self._products[: self._longest])
        size, tap = len(slots), int(self._starts[g])
        best = np.tile(_largest_around(self._sums(slots), size)[place], (len(products), 1))
        for own in range(size):  # the position of the word in the window
            first = place + size - 1 - own
            total: Any = None
            for i in range(size):
                add = products[:, tap + i] if i == own else slots[i][first + i]
                total = add if i == 0 else total + add
            np.maximum(best, total, out=best)
        return best

    def _features(self, best: list[Array], count: int) -> npt.NDArray[np.float32]:
        """Return the features ``(D, K)`` of the max-pooled sums ``(D, F)`` of each group; zeros if there are none."""
        if not best:
            return np.zeros((count, len(self._filters.bias)), np.float32)
        assert isinstance(self._model.filters, FloatFilters)
        return self._model.filters.features(np.stack(best, axis=1), np.zeros(count, np.bool_))

    def _close(self, features: npt.NDArray[np.float32], means: Integers) -> Doubles:
        """Return logits ``(D, C)`` without the wide branch, from features ``(D, K)`` and mean terms ``(D, C)``."""
        heads = features.astype(np.float64) @ self._filters.head.astype(np.float64)
        return np.asarray(heads + (means + self._model.model.bias) * UNIT, np.float64)

    def _with_wide(self, encoder: Doubles, keys: Integers, changes: Integers) -> Doubles:
        return encoder if self._wide is None else encoder + self._wide.logits(keys, changes)


def _largest_around(sums: Array, size: int) -> Array:
    """Return for each word the maximum ``(T, F)`` of the sums ``(T + h - 1, F)`` of windows without it; else -inf."""
    count = len(sums) - size + 1
    none = np.full((size, sums.shape[1]), -np.inf, sums.dtype)
    before = np.concatenate([none[:1], np.maximum.accumulate(sums, axis=0)])[:count]
    after = np.concatenate([np.maximum.accumulate(sums[::-1], axis=0)[::-1], none])[size:][:count]
    return np.asarray(np.maximum(before, after))
