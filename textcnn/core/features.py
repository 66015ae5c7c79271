"""Bindings for text features: word n-grams, character n-grams, and batch preparation (``src/text_features.h``)."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import c_uint64
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.core.calls import call, pointer, texts, whole
from textcnn.core.threads import in_parallel

Ids = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_BLOCK = 1 << 18  # tokens that a thread weighs at a time
_PART = 1 << 17  # tokens whose bigram table still fits into the processor's cache
_TOGETHER = 1 << 23  # tokens whose bigrams are partitioned in one pass
_NO_BOUND = 2**63 - 1


def count_ngrams(ids: Ids, offsets: Integers, num_types: int) -> tuple[Integers, Integers]:
    """Return the keys ``(F,)`` of all words and bigrams, ascending, and each one's document frequency.

    The key of a word is its id, that of a pair ``(first + 1) << 32 | second``.

    Args:
        ids: token ids of N texts.
        offsets: ``(N + 1,)``, where each text begins.
        num_types: larger ids have no features.

    Raises:
        ValueError: an id is below 0, or the offsets do not ascend.
    """
    size = min(num_types, int(ids.max(initial=-1)) + 1)
    frequency, last = np.empty(size, np.int64), np.empty(size, np.int32)
    call("tc_count_words", texts(ids, offsets), whole(size), pointer(frequency, np.int64), pointer(last, np.int32))
    words = np.flatnonzero(frequency)
    parts = [_Pairs() for _ in range(min(len(ids) // _PART + 1, 256))]
    for start, end in _ranges(offsets, _TOGETHER):
        keys, numbers = np.empty(size := int(offsets[end] - offsets[start]), np.int64), np.empty(size, np.int32)
        starts = np.empty(len(parts) + 1, np.int64)
        call(
            "tc_part_pairs",
            *(texts(ids, offsets[start : end + 1]), whole(num_types), whole(start), whole(len(parts))),
            *(pointer(starts, np.int64), pointer(keys, np.int64), pointer(numbers, np.int32), whole(size)),
        )
        pieces = [
            (part, keys[a:b], numbers[a:b]) for part, (a, b) in zip(parts, pairwise(starts.tolist()), strict=True)
        ]
        in_parallel(lambda piece: piece[0].count(*piece[1:]), pieces)
    pairs = np.concatenate([part.found() for part in parts])
    pairs = pairs[np.argsort(pairs[:, 0])]
    return np.concatenate([words, pairs[:, 0]]), np.concatenate([frequency[words], pairs[:, 1] & 0xFFFFFFFF])


class _Pairs:
    """A hash table of bigrams and their document frequencies."""

    def __init__(self) -> None:
        self._table = np.full((1 << 10, 2), -1, np.int64)
        self._used = 0

    def count(self, keys: Integers, numbers: Ids) -> None:
        """Count bigrams; ``numbers`` are the texts that each occurs in."""
        progress = np.array([0, self._used])  # pairs done, entries
        given = pointer(keys, np.int64), pointer(numbers, np.int32), whole(len(keys))
        found = pointer(progress[:1], np.int64), pointer(progress[1:], np.int64)
        while call("tc_count_pairs", *given, *_sized(self._table), *found):
            larger = np.full((4 * len(self._table), 2), -1, np.int64)
            call("tc_move_pairs", *_sized(self._table), *_sized(larger))
            self._table = larger
        self._used = int(progress[1])

    def found(self) -> npt.NDArray[np.int64]:
        """Return the bigrams and their document frequencies ``(P, 2)``; a frequency is the low half of its entry."""
        return self._table[self._table[:, 0] >= 0]


def _sized(table: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    return pointer(table, np.int64, None, 2), whole(len(table))


def _ranges(offsets: Integers, num_tokens: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts (first, last) of about ``num_tokens`` tokens each; at least one range."""
    if offsets[-1] - offsets[0] <= num_tokens:
        return iter([(0, len(offsets) - 1)])
    places = np.arange(offsets[0], offsets[-1] + 1, num_tokens)
    bounds = np.unique(np.append(np.searchsorted(offsets[:-1], places), len(offsets) - 1))
    return pairwise(bounds.tolist() if len(bounds) > 1 else [0, len(offsets) - 1])


class NgramIndex:
    """Maps n-grams to rows of the feature table.

    Args:
        keys: as returned by :func:`count_ngrams`.

    Raises:
        ValueError: a key is below 0.
    """

    def __init__(self, keys: Integers) -> None:
        num_words = int(keys[: np.searchsorted(keys, 1 << 32)].max(initial=-1)) + 1
        self._keys, self._word_rows = keys, np.full(num_words, -1, np.int32)
        num_pairs = int(np.count_nonzero(keys >= 1 << 32))
        self._table = np.full(1 << max(4, (4 * num_pairs // 3).bit_length()), -1, np.int32)
        call("tc_index_ngrams", pointer(keys, np.int64), whole(len(keys)), *self._pointers())

    @property
    def arrays(self) -> tuple[Integers, Ids, Ids]:
        """The keys, the row of each word, and the hash table of bigrams, for other functions of the core."""
        return self._keys, self._word_rows, self._table

    def weigh(
        self, ids: Ids, offsets: Integers, idf: Floats, logarithms: npt.NDArray[np.float64]
    ) -> tuple[Ids, Floats, Integers]:
        """Return feature rows and weights ``(M,)`` of all texts, and the offsets ``(N + 1,)`` of each text's features.

        Rows ascend within a text. A feature that occurs n times in a text weighs ``logarithms[n - 1] * idf``,
        divided by the l2 norm of its text.

        Args:
            ids: token ids of N texts.
            offsets: ``(N + 1,)``, where each text begins.
            idf: ``(F,)``.
            logarithms: one for each count up to :func:`largest_count`.

        Raises:
            ValueError: an id is below 0, the offsets do not ascend, or a logarithm is missing.
        """
        if len(idf) != len(self._keys):
            raise ValueError(f"expected {len(self._keys)} inverse frequencies, got {len(idf)}")

        def weigh(part: tuple[int, int]) -> tuple[Ids, Floats, Integers]:
            return self._weigh(ids, offsets[part[0] : part[1] + 1], idf, logarithms)

        parts = in_parallel(weigh, _ranges(offsets, _BLOCK))
        rows, weights, counts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return rows, weights, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def _weigh(
        self, ids: Ids, offsets: Integers, idf: Floats, logarithms: npt.NDArray[np.float64]
    ) -> tuple[Ids, Floats, Integers]:
        most, longest = 2 * int(offsets[-1] - offsets[0]), int(np.diff(offsets).max(initial=0))
        rows, weights = np.empty(most, np.int32), np.empty(most, np.float32)
        counts = np.empty(len(offsets) - 1, np.int64)
        scratch, exact = np.empty(4 * longest, np.int32), np.empty(2 * longest, np.float64)
        size = call(
            "tc_weigh_ngrams",
            *(texts(ids, offsets), pointer(self._keys, np.int64), *self._pointers()),
            *(pointer(idf, np.float32), whole(len(idf))),
            *(pointer(logarithms, np.float64), whole(len(logarithms)), pointer(rows, np.int32)),
            *(pointer(weights, np.float32), whole(most), pointer(counts, np.int64), pointer(scratch, np.int32)),
            *(pointer(exact, np.float64), whole(longest)),
        )
        return rows[:size], weights[:size], counts

    def _pointers(self) -> tuple[Any, ...]:
        sizes = whole(len(self._word_rows)), whole(len(self._table))
        return pointer(self._word_rows, np.int32), sizes[0], pointer(self._table, np.int32), sizes[1]


def largest_count(ids: Ids, offsets: Integers) -> int:
    """Return the largest number of times one text contains the same type; no bigram can occur more often."""
    counts = np.zeros(int(ids.max(initial=-1)) + 1, np.int32)
    return call("tc_largest_count", texts(ids, offsets), pointer(counts, np.int32), whole(len(counts)))


def count_labels(
    rows: Ids, offsets: Integers, targets: Integers, num_features: int, num_labels: int
) -> npt.NDArray[np.int32]:
    """Return for each feature and label the number of texts with both, ``(F, C)``.

    Args:
        rows: features of N texts.
        offsets: ``(N + 1,)``, where those of each text begin.
        targets: ``(N,)``, the label of each.
        num_features: F.
        num_labels: C.

    Raises:
        ValueError: a row or label is out of bounds.
    """
    counts = np.zeros((num_features, num_labels), np.int32)
    given = pointer(rows, np.int32), whole(len(rows)), pointer(offsets, np.int64), whole(len(offsets) - 1)
    sizes = whole(num_features), whole(num_labels)
    call(
        "tc_count_labels",
        *(*given, pointer(targets, np.int64, len(offsets) - 1), *sizes),
        pointer(counts, np.int32, None, None),
    )
    return counts


def ngram_buckets(
    data: npt.NDArray[np.uint8], ends: Integers, shortest: int, longest: int, num_buckets: int, most: int | None = None
) -> tuple[Integers, Integers]:
    """Return the hash buckets of the words' character n-grams, and the offsets ``(W + 1,)`` of each word's.

    Args:
        data: UTF-8 of W words, one after another.
        ends: ``(W,)``, where each ends.
        shortest: characters of an n-gram, at least.
        longest: at most.
        num_buckets: the hash (:mod:`textcnn.tokenization.lexicon`) is taken modulo this.
        most: n-grams of a word, the first ones; none: all.

    Raises:
        ValueError: the ends do not ascend, or lie outside.
    """
    offsets = np.empty(len(ends) + 1, np.int64)
    given = pointer(data, np.uint8), whole(len(data)), pointer(ends, np.int64), whole(len(ends))
    lengths = whole(shortest), whole(longest), whole(_NO_BOUND if most is None else most)
    call("tc_ngram_offsets", *given, *lengths, pointer(offsets, np.int64))
    buckets = np.empty(int(offsets[-1]), np.int64)
    found = pointer(offsets, np.int64), pointer(buckets, np.int64), whole(len(buckets))
    call("tc_ngram_buckets", *given, *lengths, whole(num_buckets), *found)
    return buckets, offsets


def drop_words(ids: Ids, offsets: Integers, rows: Integers, rates: Floats, unknown: int, state: int) -> Ids:
    """Replace ids by ``unknown`` where a hash of state, row and position, mapped to [0, 1), is below the rate.

    Args:
        ids: token ids of B texts.
        offsets: ``(B + 1,)``.
        rows: ``(B,)``, the numbers of the texts.
        rates: drop probability of each id.
        unknown: takes the place.
        state: 64 bits.

    Raises:
        ValueError: an id has no rate.
    """
    out = np.empty(len(ids), np.int32)
    call(
        "tc_drop_words",
        *(texts(ids, offsets), pointer(rows, np.int64, len(offsets) - 1), pointer(rates, np.float32)),
        *(whole(len(rates)), np.int32(unknown).item(), c_uint64(state), pointer(out, np.int32)),
    )
    return out


def unique_types(ids: Ids) -> tuple[Integers, Integers]:
    """Return the distinct types in ids ``(N,)``, ascending, and the index ``(N,)`` of each id among them.

    Raises:
        ValueError: an id is below 0.
    """
    numbers = np.full(int(ids.max(initial=-1)) + 1, -1, np.int32)
    unique, inverse = np.empty(min(len(ids), len(numbers)), np.int64), np.empty(len(ids), np.int64)
    count = call(
        "tc_unique_types",
        *(pointer(ids, np.int32), whole(len(ids)), pointer(numbers, np.int32), whole(len(numbers))),
        *(pointer(unique, np.int64), whole(len(unique)), pointer(inverse, np.int64)),
    )
    return unique[:count], inverse
