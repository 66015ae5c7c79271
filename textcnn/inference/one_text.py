"""One text at a time, where all its words have been met: from a string to what its logits are made of in one call."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.inference.one_layer import OneLayer
from textcnn.inference.quantized import UNIT
from textcnn.inference.type_rows import RowCache
from textcnn.text.chunks import ChunkMemory
from textcnn.text.lexicon import Unseen
from textcnn.text.pipeline import TextPipeline
from textcnn.text.wide import WideFeatures, first_logarithms

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

_UNLIMITED = 2**62


class Gathered(NamedTuple):
    """What the logits of one text are made of.

    Attributes:
        best: ``(1, G, F)``, the largest sum of each filter.
        rest: ``(1, C)`` int64, what means and wide features add, in ``UNIT``.
        num_tokens: uncut.
        num_unknown: of them.
        clipped: whether a product of one of its words is outside the range of int8.
    """

    best: Array
    rest: Integers
    num_tokens: int
    num_unknown: int
    clipped: bool


class OneText:
    """Gathers for single texts, from the memory of chunks and the rows of types; fills neither of them.

    Args:
        model: the weights.
        pipeline: remembers chunks, compiled (:meth:`textcnn.text.pipeline.TextPipeline.compiled_memory`).
        memory: that memory.
        cache: rows of types.
        sum_type: of the sums over windows.
    """

    def __init__(
        self, model: OneLayer, pipeline: TextPipeline, memory: ChunkMemory, cache: RowCache, sum_type: Any
    ) -> None:
        from textcnn.kernels import one_text_numba

        self._relu_logits, self._filters = one_text_numba.relu_logits, model.filters
        self._gather, self._missing = one_text_numba.gather, one_text_numba.MISSING
        self._most_tokens = one_text_numba.MOST_TOKENS
        self._memory, self._cache, self._sum_type = memory, cache, sum_type
        self._sizes, self._num_labels = model.filters.sizes, model.num_labels
        self._table = np.zeros((0, model.num_labels), np.float32) if model.table is None else model.table
        self._scale = float(model.scale)
        features = pipeline.wide or WideFeatures(np.zeros(0, np.int64), np.zeros(0, np.float32))
        self._features = features.keys, features.idf, first_logarithms(256)
        unknown = pipeline.tokenizer.unknown_id
        self._num_types, self._unknown = len(pipeline.tokenizer), -1 if unknown is None else unknown
        self._longest = _UNLIMITED if pipeline.max_length is None else pipeline.max_length
        self._known: Integers | None = None
        self._names: list[str] | None = None
        self._row_of_unseen: Integers = np.full(0, -1, np.int64)

    def __call__(self, text: str) -> Gathered | None:
        """What this text's logits are made of; none where a word has not been met, or the text is long."""
        data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
        rest, rows = np.empty((1, self._num_labels), np.int64), np.empty(self._most_tokens, np.int64)
        with self._memory.lock, self._cache.lock:
            remembered, held = self._memory.remembered(), self._cache.held()
            if remembered is None or self._known is not held.known or self._names is not remembered.names:
                return None
            best = np.empty((1, len(self._sizes), held.rows.products.shape[2]), self._sum_type)
            length, unknown = self._gather(
                data,
                *remembered.arrays,
                self._num_types,
                self._unknown,
                self._longest,
                held.known,
                self._row_of_unseen,
                rows,
                held.rows.products,
                held.rows.means,
                self._sizes,
                best,
                *self._features,
                self._table,
                self._scale,
                rest,
            )
            if length == self._missing:
                return None
            clipped = best.dtype != np.float32 and bool(held.rows.clipped[rows[: min(length, self._longest)]].any())
        return Gathered(best, rest, length, unknown, clipped)

    def relu_logits(self, best: Array, rest: Integers, *, is_empty: bool) -> npt.NDArray[np.float64]:
        """Logits ``(1, C)`` of a model whose activation is ReLU, from float32 sums and whole numbers ``(1, C)``."""
        logits: npt.NDArray[np.float64] = self._relu_logits(
            best, self._filters.bias, self._filters.head, rest, UNIT, is_empty
        )
        return logits

    def learn(self, unseen: Unseen) -> None:
        """Find the rows of the unseen words of a text that has been answered the long way."""
        with self._memory.lock, self._cache.lock:
            remembered, held = self._memory.remembered(), self._cache.held()
            if remembered is None:
                return
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
