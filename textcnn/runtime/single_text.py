"""Classifies a single text of known words from the caches alone, from the string to the logits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.one_text import Memory, Weights
from textcnn.runtime.cache import RowCache
from textcnn.runtime.filters import FloatFilters, IntegerFilters
from textcnn.runtime.one_layer import OneLayer
from textcnn.tokenization.cache import ChunkMemory
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.ngrams import first_logarithms
from textcnn.tokenization.pipeline import TextPipeline

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

_LOGARITHMS = 256  # size of the table log(count); a text with a more frequent feature takes the batch path


class Answered(NamedTuple):
    """The result of the fast path for one text.

    Attributes:
        logits: ``(1, C)`` float64; none for int8 rows.
        best: ``(1, G, F)`` int16, the max-pooled sum of each filter; none for float32 rows.
        rest: ``(1, C)`` int64, all parts of the logits but the filters', in ``UNIT``.
        num_tokens: the number of tokens before truncation.
        num_unknown: the number of tokens that are not in the vocabulary.
        clipped: whether a product of one of its words is outside the range of int8.
    """

    logits: npt.NDArray[np.float64] | None
    best: Array | None
    rest: Integers
    num_tokens: int
    num_unknown: int
    clipped: bool


class OneText:
    """Classifies single texts from the token-id cache and the row cache, without adding to either of them.

    It is thread-safe; concurrent calls take turns.

    Args:
        model: the weights.
        filters: the filters in the precision of the rows.
        pipeline: the pipeline from strings to token ids.
        memory: its token-id cache (:meth:`textcnn.tokenization.pipeline.TextPipeline.chunk_memory`).
        cache: the cached rows of types.
    """

    def __init__(
        self,
        model: OneLayer,
        filters: FloatFilters | IntegerFilters,
        pipeline: TextPipeline,
        memory: ChunkMemory,
        cache: RowCache,
    ) -> None:
        self._memory, self._cache = memory, cache
        self._is_whole = isinstance(filters, IntegerFilters)
        own, wide = model.filters, None if model.table is None else pipeline.wide
        weights = Weights(
            num_types=len(pipeline.tokenizer),
            unknown=pipeline.tokenizer.unknown_id,
            longest=pipeline.max_length,
            sizes=own.sizes,
            first_taps=filters.first_taps,
            ngrams=None if wide is None else wide.index,
            idf=np.zeros(0, np.float32) if wide is None else wide.idf,
            logarithms=1 + first_logarithms(_LOGARITHMS),
            table=np.zeros((0, model.num_labels), np.float32) if model.table is None else model.table,
            scale=float(model.scale),
            output_bias=model.bias,
            bias=own.bias,
            head=own.head,
            activation=own.activation,
        )
        self._answerer = core.twin("one_text").OneText(weights)
        self._known: Integers | None = None
        self._names: list[str] | None = None
        self._changes: tuple[int, int] | None = None  # versions of memory and cache that the core has pointers to
        self._row_of_unseen: Integers = np.full(0, -1, np.int64)

    def __call__(self, text: str) -> Answered | None:
        """Return the result for this text; none if a word is not cached yet, or a feature occurs too often in it."""
        data, one = text.encode("utf-8", "surrogatepass"), self._answerer
        with self._memory.lock, self._cache.lock:
            if not (self._remember() and one(data)):
                return None
            facts, rest = one.facts, one.rest.copy()
            logits, best = (None, one.best.copy()) if self._is_whole else (one.logits.copy(), None)
            return Answered(logits, best, rest, facts.tokens, facts.unknown, bool(facts.clipped))

    def label(self, text: str, least_margin: float) -> int | None:
        """Return the index of the label with the largest logit.

        None if it exceeds the second largest by no more than ``least_margin``, or where :meth:`__call__` gives none.
        """
        data, one = text.encode("utf-8", "surrogatepass"), self._answerer
        with self._memory.lock, self._cache.lock:
            if not (self._remember() and one(data)):
                return None
            facts = one.facts
            return facts.label if facts.label >= 0 and facts.margin > least_margin else None

    def _remember(self) -> bool:
        """Hand the current cache arrays to the core; False if they do not match. The caller has taken both locks."""
        changes = self._memory.changes, self._cache.changes
        if changes == self._changes:
            return True
        remembered, cached = self._memory.remembered(), self._cache.held()
        if self._known is not cached.known or self._names is not remembered.names:
            return False
        if not isinstance(remembered.arrays[1], self._answerer.table_type):
            return False  # cleared while the core was enabled, or disabled
        seed, table, starts, letters, ids, offsets = remembered.arrays
        chunks, rows = (table, starts, letters, ids, offsets), cached.rows
        memory = Memory(*chunks, cached.known, self._row_of_unseen, rows.products, rows.means, rows.clipped)
        self._answerer.remember(memory, int(seed), len(self._memory))
        self._changes = changes
        return True

    def learn(self, unseen: Unseen) -> None:
        """Look up the rows of the unseen words of a text that the batch path has just classified."""
        with self._memory.lock, self._cache.lock:
            remembered, cached = self._memory.remembered(), self._cache.held()
            self._changes = None
            # Either cache may have restarted since, with new arrays: row numbers of the old ones would be wrong.
            if self._known is not cached.known or self._names is not remembered.names:
                self._known, self._names = cached.known, remembered.names
                self._row_of_unseen = np.full(0, -1, np.int64)
            if len(self._row_of_unseen) < len(remembered.names):
                grown = np.full(2 * len(remembered.names), -1, np.int64)
                grown[: len(self._row_of_unseen)] = self._row_of_unseen
                self._row_of_unseen = grown
            for name in unseen.names:
                if name in remembered.unseen and name in cached.named:
                    self._row_of_unseen[remembered.unseen[name]] = cached.named[name]
