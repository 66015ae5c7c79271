"""Binding for single-text classification in one call, from bytes to logits, on cached chunks (``src/one_text.h``)."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.core.binding import address, loaded
from textcnn.core.chunks import Table
from textcnn.core.lookup import Products, products_of
from textcnn.core.lookup_numpy import ACTIVATIONS, Array, Integers

ANSWERED = 0


@dataclass(frozen=True, eq=False)
class Weights:
    """The model weights that the core needs to classify a text.

    Attributes:
        num_types: V; ids from V on are those of unseen words.
        unknown: the id of unknown words; none: the tokenizer has none.
        longest: words that the filters see; none: all.
        sizes: ``(G,)``, window sizes in words.
        first_taps: ``(G,)``.
        ngrams: the ``NgramIndex`` of the wide features; none without a wide branch.
        idf: ``(F,)`` float32, inverse document frequencies of the wide features.
        logarithms: float64, one more than those of 1, 2, ...
        table: ``(F, C)`` float32 of the wide branch.
        scale: factor of the wide branch.
        output_bias: ``(C,)`` int64, in units of 2^-36.
        bias: ``(G * K,)`` float32 of the filters.
        head: ``(G * K, C)`` float32.
        activation: name of the activation.
    """

    num_types: int
    unknown: int | None
    longest: int | None
    sizes: Integers
    first_taps: Integers
    ngrams: Any
    idf: Array
    logarithms: npt.NDArray[np.float64]
    table: Array
    scale: float
    output_bias: Integers
    bias: Array
    head: Array
    activation: str


class Memory(NamedTuple):
    """The cached chunks and type rows.

    Attributes:
        table: hash table of chunks from :meth:`textcnn.core.chunks.ChunkTable.arrays`; a dictionary in NumPy.
        starts: offsets of the chunks in ``letters``.
        letters: bytes of the chunks.
        chunk_ids: ids of all chunks.
        chunk_offsets: offset of each chunk's ids.
        row_of: ``(V,)`` or longer, the cached row of each type; -1 if it has none.
        row_of_unseen: the cached row of each unseen word, likewise.
        products: ``(R, S, F)``.
        means: ``(R, C)``.
        clipped: ``(R,)``.
    """

    table: Any
    starts: Integers
    letters: Array
    chunk_ids: Array
    chunk_offsets: Integers
    row_of: Integers
    row_of_unseen: Integers
    products: Array
    means: Integers
    clipped: npt.NDArray[np.bool_]


class Facts(ctypes.Structure):
    """Further results for a text, as ``tc_text_facts`` of one_text.h."""

    _fields_ = (*((name, c_int64) for name in ("tokens", "unknown", "clipped", "label")), ("margin", c_double))


class _Model(ctypes.Structure):
    _fields_ = (
        ("chunks", Table),
        *(("chunk_ids", c_void_p), ("chunk_offsets", c_void_p)),
        *((name, c_int64) for name in ("num_chunk_ids", "num_types", "unknown", "longest")),
        *(("row_of", c_void_p), ("row_of_unseen", c_void_p), ("num_unseen", c_int64)),
        ("products", Products),
        *(("means", c_void_p), ("clipped", c_void_p), ("num_labels", c_int64)),
        *((name, c_void_p) for name in ("keys", "word_rows", "pairs")),
        *(("num_words", c_int64), ("num_slots", c_int64)),
        *(("idf", c_void_p), ("table", c_void_p), ("num_features", c_int64)),
        *(("logarithms", c_void_p), ("num_logarithms", c_int64), ("scale", c_double)),
        *((name, c_void_p) for name in ("output_bias", "bias", "head")),
        *(("num_filters", c_int64), ("activation", c_int64)),
    )


class OneText:
    """Classifies single texts; not safe for concurrent callers.

    Args:
        weights: of the model.

    Attributes:
        best: the largest sums ``(1, G, F)`` of the last text, float32 or int16.
        rest: ``(1, C)``, what the mean, the wide branch and the bias add, in units of 2^-36.
        logits: ``(1, C)`` float64, of float32 rows alone.
        facts: further results for the last text.
    """

    table_type = np.ndarray  # of the chunks that this version reads

    def __init__(self, weights: Weights) -> None:
        self._call = loaded().c.tc_answer_one_text
        self._call.restype = c_int
        self._call.argtypes = [POINTER(_Model), c_char_p, c_int64, c_void_p, c_void_p, c_void_p, c_void_p]
        self._weights, self._model = weights, _Model()
        self._memory: Memory | None = None
        self._arrays: tuple[int, ...] = ()
        self.facts = Facts()

    def remember(self, memory: Memory, seed: int, num_chunks: int) -> None:
        """Use these caches from now on; cheap if the arrays have not changed.

        Raises:
            TypeError: an array is of another kind or shape.
            ValueError: there are fewer chunks in the arrays.
        """
        if (arrays := tuple(map(id, memory))) != self._arrays:  # alive, so no other has the id of one of them
            self._prepare(memory)
            self._arrays = arrays
        if num_chunks >= min(len(memory.starts), len(memory.chunk_offsets)):
            raise ValueError(f"expected the ids of {num_chunks} chunks, got {len(memory.chunk_offsets) - 1}")
        self._model.chunks.seed, self._model.chunks.used = seed, num_chunks

    def __call__(self, data: bytes) -> bool:
        """Classify a text; return whether all of its chunks and types were cached, so that the results are valid.

        Raises:
            ValueError: the caches are inconsistent.
        """
        status: int = self._call(*self._given, data, len(data), *self._made)
        if status < 0:
            raise ValueError("tc_answer_one_text: sizes or numbers of the arrays do not fit together")
        return status == ANSWERED

    def _prepare(self, memory: Memory) -> None:
        own, products = self._weights, products_of(memory.products, self._weights.sizes, self._weights.first_taps)
        num_labels, width = len(own.output_bias), memory.products.shape[2]
        if memory.chunk_offsets.ndim != 1 or len(memory.row_of) < own.num_types:
            raise TypeError(f"expected rows of {own.num_types} types, got {len(memory.row_of)}")
        # Checked once here, so that a call does not pay for it.
        chunks = Table(
            0,
            address(memory.table, np.uint64, (None, 2), "a table of chunks"),
            address(memory.starts, np.int64, (None,), "starts of chunks"),
            address(memory.letters, np.uint8, (None,), "bytes of chunks"),
            *(len(memory.table), len(memory.starts) - 1, len(memory.letters), 0),
        )
        keys, words, pairs = (None, None, None) if own.ngrams is None else own.ngrams.arrays
        num_filters = len(own.bias) // max(len(own.sizes), 1)
        entries: tuple[Any, ...] = (
            chunks,
            address(memory.chunk_ids, np.int32, (None,), "ids of chunks"),
            address(memory.chunk_offsets, np.int64, (None,), "offsets of chunks"),
            *(len(memory.chunk_ids), own.num_types, -1 if own.unknown is None else own.unknown),
            2**62 if own.longest is None else own.longest,
            address(memory.row_of, np.int64, (None,), "rows of types"),
            address(memory.row_of_unseen, np.int64, (None,), "rows of unseen words"),
            *(len(memory.row_of_unseen), products),
            address(memory.means, np.int64, (len(memory.products), num_labels), "means"),
            address(memory.clipped, np.bool_, (len(memory.products),), "clipped rows"),
            num_labels,
            address(keys, np.int64, (len(own.table),), "keys"),
            address(words, np.int32, (None,), "rows of words"),
            address(pairs, np.int32, (None,), "pairs"),
            *(0 if words is None else len(words), 0 if pairs is None else len(pairs)),
            address(own.idf, np.float32, (len(own.table),), "inverse frequencies"),
            address(own.table, np.float32, (None, num_labels), "a table"),
            0 if own.ngrams is None else len(own.table),
            address(own.logarithms, np.float64, (None,), "logarithms"),
            *(len(own.logarithms), own.scale),
            address(own.output_bias, np.int64, (num_labels,), "a bias"),
            address(own.bias, np.float32, (num_filters * len(own.sizes),), "biases"),
            address(own.head, np.float32, (len(own.bias), num_labels), "a head"),
            *(num_filters, ACTIVATIONS.index(own.activation)),
        )
        self._memory, self._model = memory, _Model(*entries)
        self.best = np.zeros((1, len(own.sizes), width), np.int16 if products.is_whole else np.float32)
        self.rest, self.logits = np.zeros((1, num_labels), np.int64), np.zeros((1, num_labels))
        self._given = (byref(self._model),)
        places = (array.__array_interface__["data"][0] for array in (self.best, self.rest, self.logits))
        self._made = *places, byref(self.facts)
