"""One text at a time, where all its words have been met: from a string to its logits in one call of the core."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.core import Core
from textcnn.core.one_text import Memory, Weights
from textcnn.core.one_text import OneText as Answerer
from textcnn.runtime.cache import RowCache
from textcnn.runtime.filters import FloatFilters, IntegerFilters
from textcnn.runtime.one_layer import OneLayer
from textcnn.tokenization.cache import ChunkMemory
from textcnn.tokenization.lexicon import Unseen
from textcnn.tokenization.ngrams import first_logarithms
from textcnn.tokenization.pipeline import TextPipeline

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

_LOGARITHMS = 256  # counts of a feature; a text that has one more often goes the way of many


class Answered(NamedTuple):
    """What is known of one text.

    Attributes:
        logits: ``(1, C)`` float64; none where the rows are int8.
        best: ``(1, G, F)`` int16, the largest sum of each filter; none where the rows are float32.
        rest: ``(1, C)`` int64, all but the filters' part of the logits, in ``UNIT``.
        num_tokens: uncut.
        num_unknown: of them.
        clipped: whether a product of one of its words is outside the range of int8.
    """

    logits: npt.NDArray[np.float64] | None
    best: Array | None
    rest: Integers
    num_tokens: int
    num_unknown: int
    clipped: bool


class OneText:
    """Answers single texts from the memory of chunks and the rows of types; fills neither of them.

    Any number of threads may ask; they take turns.

    Args:
        core: the library.
        model: the weights.
        filters: in the precision of the rows.
        pipeline: remembers chunks (:meth:`textcnn.tokenization.pipeline.TextPipeline.compiled_memory`).
        memory: that memory.
        cache: rows of types.
    """

    def __init__(
        self,
        core: Core,
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
        self._answerer = Answerer(core, weights)
        self._known: Integers | None = None
        self._names: list[str] | None = None
        self._changes: tuple[int, int] | None = None  # of memory and cache, when they were looked at
        self._row_of_unseen: Integers = np.full(0, -1, np.int64)

    def __call__(self, text: str) -> Answered | None:
        """The answer to this text; none where a word has not been met, or the text is long."""
        data, one = text.encode("utf-8", "surrogatepass"), self._answerer
        with self._memory.lock, self._cache.lock:
            if not (self._remember() and one(data)):
                return None
            facts, rest = one.facts, one.rest.copy()
            logits, best = (None, one.best.copy()) if self._is_whole else (one.logits.copy(), None)
            return Answered(logits, best, rest, facts.tokens, facts.unknown, bool(facts.clipped))

    def label(self, text: str, least_margin: float) -> int | None:
        """The number of the label of the largest logit; none where it leads by less, or :meth:`__call__` gives none."""
        data, one = text.encode("utf-8", "surrogatepass"), self._answerer
        with self._memory.lock, self._cache.lock:
            if not (self._remember() and one(data)):
                return None
            facts = one.facts
            return facts.label if facts.label >= 0 and facts.margin > least_margin else None

    def _remember(self) -> bool:
        """Whether rows of all that is remembered can be found; both locks are held."""
        changes = self._memory.changes, self._cache.changes
        if changes == self._changes:
            return True
        remembered, held = self._memory.remembered(), self._cache.held()
        if remembered is None or self._known is not held.known or self._names is not remembered.names:
            return False
        seed, table, starts, letters, ids, offsets = remembered.arrays
        chunks, rows = (table, starts, letters, ids, offsets), held.rows
        memory = Memory(*chunks, held.known, self._row_of_unseen, rows.products, rows.means, rows.clipped)
        self._answerer.remember(memory, int(seed), len(self._memory))
        self._changes = changes
        return True

    def learn(self, unseen: Unseen) -> None:
        """Find the rows of the unseen words of a text that has been answered the long way."""
        with self._memory.lock, self._cache.lock:
            remembered, held = self._memory.remembered(), self._cache.held()
            if remembered is None:
                return
            self._changes = None
            if self._known is not held.known or self._names is not remembered.names:
                self._known, self._names = held.known, remembered.names
                self._row_of_unseen = np.full(0, -1, np.int64)
            if len(self._row_of_unseen) < len(remembered.names):
                grown = np.full(2 * len(remembered.names), -1, np.int64)
                grown[: len(self._row_of_unseen)] = self._row_of_unseen
                self._row_of_unseen = grown
            for name in unseen.names:
                if name in remembered.unseen and name in held.named:
                    self._row_of_unseen[remembered.unseen[name]] = held.named[name]
