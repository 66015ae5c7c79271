"""Builds the kernel inputs of the look-up runtime for a batch of texts, from cached rows of per-type products."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.runtime.cache import RowCache, Rows
from textcnn.runtime.filters import FloatFilters, IntegerFilters
from textcnn.runtime.one_layer import OneLayer
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.ngrams import WideRows
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.ragged import Ragged

Array = npt.NDArray[Any]


class Gathered(NamedTuple):
    """The arguments of the kernel ``collect`` for one batch, in the order of its signature."""

    products: Array
    means: Array
    rows: Array
    offsets: Array
    sizes: Array
    first_taps: Array
    best: Array
    mean_sums: Array
    table: Array
    scale: float
    wide_rows: Array
    wide_weights: Array
    wide_offsets: Array
    wide_sums: Array


def features_of(wide: WideRows | None, texts: slice) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return the rows, weights and offsets of the n-gram features of a slice of texts; empty without a wide branch."""
    if wide is None:
        return np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(texts.stop - texts.start + 1, np.int64)
    offsets = wide.offsets[texts.start : texts.stop + 1]
    first, last = offsets[0], offsets[-1]
    return wide.rows[first:last], wide.weights[first:last], offsets - first


def cut_texts(encoded: Ragged, texts: slice, max_length: int | None) -> Ragged:
    """Return a slice of the texts, each truncated to ``max_length`` tokens."""
    if max_length is not None:
        return encoded.take(np.arange(texts.start, texts.stop), longest=max_length)
    offsets = encoded.offsets[texts.start : texts.stop + 1]
    return Ragged(encoded.ids[offsets[0] : offsets[-1]], offsets - offsets[0])


class Gatherer:
    """Computes and caches the rows of one model's types, and gathers the kernel inputs of a batch from them.

    Args:
        model: the weights.
        filters: the filters of the same model, in the precision of the rows.
        num_types: V, the size of the vocabulary.
        max_length: the number of tokens of a text that the filters see; none: all.
        cache_bytes: the memory limit of the cached rows; a text that needs more exceeds it.
    """

    def __init__(
        self,
        model: OneLayer,
        filters: FloatFilters | IntegerFilters,
        num_types: int,
        max_length: int | None,
        cache_bytes: int,
    ) -> None:
        self._model, self._filters, self._max_length = model, filters, max_length
        # The mean's head weights are further columns of the product, so one pass over the vectors computes both.
        self._product, self._layout = model.product(), filters.layout(0 if model.means is None else model.num_labels)
        self._table = np.zeros((0, model.num_labels), np.float32) if model.table is None else model.table
        means, clipped = np.zeros((0, model.num_labels), np.int64), np.zeros(0, np.bool_)
        nothing = Rows(np.zeros((0, *self._layout.row_shape), filters.row_type), means, clipped)
        capacity = max(cache_bytes // nothing.grown(1).row_bytes, 2)
        self.cache = RowCache(self._fill_rows, nothing, num_types, capacity)

    def rows(self, types: Array, unseen: Unseen) -> tuple[Rows, npt.NDArray[np.int64]]:
        """Return rows that include those of ``types (N,)``, in any order, and the row number ``(N,)`` of each type."""
        return self.cache.find(types, unseen)

    def windows(self, types: Array, unseen: Unseen) -> list[Array]:
        """Return the sums of all windows of one text, ``(T + h - 1, F)`` for each width h, without the bias.

        The first and last windows reach over the ends of the text. The maximum of a column is the filter's max-pooled
        sum.
        """
        found, sums = self.rows(types, unseen), []
        for size, tap in zip(self._model.filters.sizes.tolist(), self._filters.first_taps.tolist(), strict=True):
            outside = np.zeros(size - 1, np.int64)
            padded, count = np.concatenate([outside, found[1], outside]), len(types) + size - 1
            total = np.zeros((count, self._model.filters.num_filters), self._filters.sum_type)
            for i in range(size):
                total += found[0].products[padded[i : i + count], tap + i, : total.shape[1]]
            sums.append(total)
        return sums

    def gather(self, encoded: EncodedTexts, texts: slice) -> tuple[Gathered, Rows]:
        """Return the kernel inputs of a slice of texts, and the cached rows that they point into."""
        model, tokens = self._model, cut_texts(encoded, texts, self._max_length)
        cached, numbers = self.rows(tokens.ids, encoded.unseen)
        shape = texts.stop - texts.start, len(model.filters.sizes), cached.products.shape[2]
        best = np.empty(shape, self._filters.sum_type)  # written by the kernel for every text
        mean_sums, wide_sums = np.zeros((2, len(best), model.num_labels), np.int64)
        wide = features_of(encoded.wide, texts)
        products = cached.products, cached.means, numbers, tokens.offsets, model.filters.sizes
        return Gathered(
            *products, self._filters.first_taps, best, mean_sums, self._table, model.scale, *wide, wide_sums
        ), cached

    def _fill_rows(self, types: npt.NDArray[np.int64], unseen: Unseen, rows: Rows) -> None:
        vectors = self._model.vectors
        bags, shares = vectors.bags(types, unseen), rows.means[:, : self._layout.num_shares]
        core.twin("type_rows").fill_rows(
            *(vectors.tables, self._product, self._layout, types, bags.ids, bags.offsets),
            *(rows.products, shares, rows.clipped),
        )
