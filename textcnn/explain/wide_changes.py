"""The wide branch of one text after small changes: exact from two sums, without looking at the whole text again.

Its logits are ``scale * sum_k w_k T_k / sqrt(sum_k w_k**2)``, and a change of a word touches a few features k. In
float64; the runtime rounds weights to float32, which moves a logit by some 1e-7.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from textcnn.inference.filters import Doubles
from textcnn.inference.lookup import LookupModel
from textcnn.text.wide import logarithms

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
