"""Features of the wide branch: l2-normalised sublinear TF-IDF of the word unigrams and bigrams seen in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.features_numpy import occurrences
from textcnn.tokenization.ragged import Ragged, gather, ranges

Integers = npt.NDArray[np.int64]
LOGARITHMS = 4_096  # counts up to here are tabulated; an exact logarithm takes 0.1 ms
FEW = 256  # words of a text


@dataclass(frozen=True)
class WideRows:
    """Sparse features of N texts; those of text i are ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes:
        rows: ``(M,)`` int32, the number of each feature; ascending within a text, none twice.
        weights: ``(M,)`` float32; the squares of a text's weights sum to 1.
        offsets: ``(N + 1,)`` int64.
    """

    rows: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    offsets: Integers

    def blocks(self, num_entries: int = 4_000_000) -> Iterator[tuple[WideRows, slice]]:
        """Yield blocks of texts with about ``num_entries`` features, and the range of texts in each."""
        for part in ranges(self.offsets, num_entries):
            offsets = self.offsets[part.start : part.stop + 1]
            entries = slice(offsets[0], offsets[-1])
            yield WideRows(self.rows[entries], self.weights[entries], offsets - offsets[0]), part

    def take(self, texts: Integers) -> WideRows:
        """Return the features of the texts numbered ``texts``, in that order."""
        places, offsets = gather(self.offsets, texts)
        return WideRows(self.rows[places], self.weights[places], offsets)


@dataclass(frozen=True)
class WideFeatures:
    """The vocabulary of the wide branch: every unigram and bigram of the training texts, without hashing.

    Attributes:
        keys: ``(F,)`` int64, ascending: the type id of a word, ``(first + 1) << 32 | second`` for a bigram.
        idf: ``(F,)`` float32, ``ln((1 + N) / (1 + texts that hold it)) + 1``.
    """

    keys: Integers
    idf: npt.NDArray[np.float32]

    @classmethod
    def fit(cls, tokens: Ragged, num_types: int | None = None) -> WideFeatures:
        """Collect the n-grams of the training texts and their inverse document frequencies.

        Args:
            tokens: ids of the training texts.
            num_types: V; larger ids are temporary, mean different words in different corpora, and have no features.
        """
        limit = np.iinfo(np.int32).max if num_types is None else num_types
        keys, frequency = core.twin("features").count_ngrams(tokens.ids, tokens.offsets, limit)
        return cls(keys, (np.log((1 + len(tokens)) / (1 + frequency)) + 1).astype(np.float32))

    def transform(self, tokens: Ragged) -> WideRows:
        """Return the features of texts; n-grams not seen in training are ignored, also in the norm."""
        return WideRows(*self.index.weigh(tokens.ids, tokens.offsets, self.idf, 1 + _logarithms_for(tokens)))

    @cached_property
    def index(self) -> Any:
        """Index from n-grams to rows, cached because texts come in many blocks."""
        return core.twin("features").NgramIndex(self.keys)

    def extended(self, tokens: Ragged, num_types: int) -> WideFeatures:
        """Add the n-grams of further texts; old ones keep their idf, so that old texts keep their features."""
        further = WideFeatures.fit(tokens, num_types)
        fresh = ~np.isin(further.keys, self.keys)
        keys = np.concatenate([self.keys, further.keys[fresh]])
        order = np.argsort(keys)
        return WideFeatures(keys[order], np.concatenate([self.idf, further.idf[fresh]])[order])


@lru_cache(maxsize=1024)
def _logarithm(count: int) -> float:
    return float(Decimal(count).ln())


@lru_cache
def first_logarithms(number: int) -> npt.NDArray[np.float64]:
    """Return the natural logarithms of 1, 2, ... ``number``, correctly rounded."""
    return np.array([_logarithm(n) for n in range(1, number + 1)])


def logarithms(counts: Integers) -> npt.NDArray[np.float64]:
    """Return correctly rounded natural logarithms of integers; a library's differ in the last bit by machine."""
    largest = int(counts.max(initial=1))
    table = first_logarithms(8 if largest <= 8 else 256)
    if largest <= len(table):
        return np.asarray(table[counts - 1])
    found = table[np.minimum(counts, len(table)) - 1]
    for place in np.flatnonzero(counts > len(table)).tolist():
        found[place] = _logarithm(int(counts[place]))
    return np.asarray(found)


def _logarithms_for(tokens: Ragged) -> npt.NDArray[np.float64]:
    """Return the logarithms of 1, 2, ...; beyond :data:`LOGARITHMS` only of counts that occur in the texts, else 0."""
    largest = int(tokens.lengths.max(initial=0))
    if largest > FEW:  # else counting takes longer than it saves
        largest = core.twin("features").largest_count(tokens.ids, tokens.offsets)
    if largest <= LOGARITHMS:
        return first_logarithms(8 if largest <= 8 else max(256, 1 << (largest - 1).bit_length()))
    table = np.zeros(largest)
    table[:LOGARITHMS] = first_logarithms(LOGARITHMS)
    for text in np.flatnonzero(tokens.lengths > LOGARITHMS).tolist():
        keys, _ = occurrences(tokens.ids, tokens.offsets[text : text + 2])
        counts = np.unique(np.unique(keys, return_counts=True)[1])
        large = counts[counts > LOGARITHMS]
        table[large - 1] = logarithms(large)
    return table
