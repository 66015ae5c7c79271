"""Features of the wide branch: l2-normalised sublinear TF-IDF of the word uni- and bigrams seen in training."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from textcnn.text.ragged import Ragged, gather, ranges

Integers = npt.NDArray[np.int64]
COMPILED_ABOVE = 300_000  # tokens; numpy takes about a second for them
LOADED_ABOVE = 20_000  # the same where numba is loaded already
LOGARITHMS = 4_096  # counts that the compiled twin weighs; an exact logarithm takes 0.1 ms


@dataclass(frozen=True)
class WideRows:
    """The features of N texts: those of text i are ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes:
        rows: ``(M,)`` int32, the number of each feature; ascending within a text, none twice.
        weights: ``(M,)`` float32; the squares of a text's weights sum to 1.
        offsets: ``(N + 1,)`` int64.
    """

    rows: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    offsets: Integers

    def blocks(self, num_entries: int = 4_000_000) -> Iterator[tuple[WideRows, slice]]:
        """The same in parts of about ``num_entries`` features, and the texts that each part is of."""
        for part in ranges(self.offsets, num_entries):
            offsets = self.offsets[part.start : part.stop + 1]
            entries = slice(offsets[0], offsets[-1])
            yield WideRows(self.rows[entries], self.weights[entries], offsets - offsets[0]), part

    def take(self, texts: Integers) -> WideRows:
        """The texts of that number, in that order."""
        places, offsets = gather(self.offsets, texts)
        return WideRows(self.rows[places], self.weights[places], offsets)


@dataclass(frozen=True)
class WideFeatures:
    """Every word and pair of neighbours of the training texts, exactly: nothing is hashed.

    Attributes:
        keys: ``(F,)`` int64, ascending: the type id of a word, ``(first + 1) << 32 | second`` for a pair.
        idf: ``(F,)`` float32, ``ln((1 + N) / (1 + texts that hold it)) + 1``.
    """

    keys: Integers
    idf: npt.NDArray[np.float32]

    @classmethod
    def fit(cls, tokens: Ragged, num_types: int | None = None) -> WideFeatures:
        """Take the features of the training texts.

        Args:
            tokens: of the training texts.
            num_types: V; the ids behind it are temporary, stand for other words in other texts, and have no features.
        """
        keys, frequency = _counted(tokens, num_types)
        return cls(keys, (np.log((1 + len(tokens)) / (1 + frequency)) + 1).astype(np.float32))

    def transform(self, tokens: Ragged) -> WideRows:
        """Features of texts; what was not seen in training has none, and does not count in the norm either."""
        if _worth_compiling(tokens):
            from textcnn.text import numba_wide

            largest = numba_wide.largest_count(tokens.ids, tokens.offsets)
            if largest <= LOGARITHMS:
                weights_of = 1 + logarithms(np.arange(1, largest + 1))
                return WideRows(*numba_wide.transform(tokens.ids, tokens.offsets, self._index, self.idf, weights_of))
        keys, texts = occurrences(tokens)
        size = len(self.keys)
        if not size:
            return WideRows(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(len(tokens) + 1, np.int64))
        index = np.minimum(np.searchsorted(self.keys, keys), size - 1)
        seen = self.keys[index] == keys
        codes = np.sort(texts[seen] * size + index[seen])
        first = np.flatnonzero(np.concatenate([np.ones(min(len(codes), 1), np.bool_), codes[1:] != codes[:-1]]))
        counts = np.concatenate([first[1:], [len(codes)]])[: len(first)] - first
        text, row = np.divmod(codes[first], size)
        weights = (1 + logarithms(counts)) * self.idf[row]
        norms = np.sqrt(np.bincount(text, weights * weights, minlength=len(tokens)))
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(np.bincount(text, minlength=len(tokens)), out=offsets[1:])
        return WideRows(row.astype(np.int32), (weights / norms[text]).astype(np.float32), offsets)

    @cached_property
    def _index(self) -> npt.NDArray[np.int64]:
        """The compiled twin's table of the keys: made once, for texts come in many parts."""
        from textcnn.text import numba_wide

        table: npt.NDArray[np.int64] = numba_wide.index(self.keys)
        return table

    def extended(self, tokens: Ragged, num_types: int) -> WideFeatures:
        """These features and those of further texts; the old ones keep their idf, so that old texts weigh the same."""
        further = WideFeatures.fit(tokens, num_types)
        fresh = ~np.isin(further.keys, self.keys)
        keys = np.concatenate([self.keys, further.keys[fresh]])
        order = np.argsort(keys)
        return WideFeatures(keys[order], np.concatenate([self.idf, further.idf[fresh]])[order])


def _worth_compiling(tokens: Ragged) -> bool:
    """Whether loading the compiled twin, which gives the same bits, takes less time than it saves."""
    if len(tokens.ids) > COMPILED_ABOVE:
        return importlib.util.find_spec("numba") is not None
    return len(tokens.ids) > LOADED_ABOVE and "numba" in sys.modules


def _counted(tokens: Ragged, num_types: int | None) -> tuple[Integers, Integers]:
    """Every key of the texts, ascending, and how many texts hold it."""
    if _worth_compiling(tokens):
        from textcnn.text import numba_wide

        limit = np.iinfo(np.int32).max if num_types is None else num_types
        found: tuple[Integers, Integers] = numba_wide.fit(tokens.ids, tokens.offsets, limit)
        return found
    keys, frequency = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for block in tokens.blocks():
        keys, frequency = _merged(keys, frequency, *_frequencies(block))
    if num_types is None:
        return keys, frequency
    within = _within(keys, num_types)
    return keys[within], frequency[within]


def _frequencies(tokens: Ragged) -> tuple[Integers, Integers]:
    """Every key of these texts, ascending, and how many texts hold it."""
    found, texts = occurrences(tokens)
    keys, index = np.unique(found, return_inverse=True)
    held = np.unique(texts * max(len(keys), 1) + index) % max(len(keys), 1)
    return keys, np.bincount(held, minlength=len(keys))


def _merged(keys: Integers, counts: Integers, further: Integers, also: Integers) -> tuple[Integers, Integers]:
    """Two lists of keys and their counts as one."""
    together, index = np.unique(np.concatenate([keys, further]), return_inverse=True)
    total = np.zeros(len(together), np.int64)
    total[index[: len(keys)]] = counts
    total[index[len(keys) :]] += also
    return together, total


@lru_cache(maxsize=1024)
def _logarithm(count: int) -> float:
    return float(Decimal(count).ln())


@lru_cache
def first_logarithms(number: int) -> npt.NDArray[np.float64]:
    """Natural logarithms of 1, 2, ... ``number``, correctly rounded."""
    return np.array([_logarithm(n) for n in range(1, number + 1)])


def logarithms(counts: Integers) -> npt.NDArray[np.float64]:
    """Natural logarithms of whole numbers, correctly rounded: a library's differ in the last bit by machine."""
    largest = int(counts.max(initial=1))
    table = first_logarithms(8 if largest <= 8 else 256)
    if largest <= len(table):
        return np.asarray(table[counts - 1])
    found = table[np.minimum(counts, len(table)) - 1]
    for place in np.flatnonzero(counts > len(table)).tolist():
        found[place] = _logarithm(int(counts[place]))
    return np.asarray(found)


def _within(keys: Integers, num_types: int) -> npt.NDArray[np.bool_]:
    """Which keys are made of the first ``num_types`` types alone."""
    first, second = (keys >> 32) - 1, keys & 0xFFFFFFFF
    return (first < num_types) & (second < num_types)


def occurrences(tokens: Ragged) -> tuple[Integers, Integers]:
    """Keys of all words and all pairs of neighbours, and the number of the text each stands in."""
    ids = tokens.ids.astype(np.int64)
    if len(tokens) == 1:
        keys = np.concatenate([ids, (ids[:-1] + 1) << 32 | ids[1:]])
        return keys, np.zeros(len(keys), np.int64)
    text = np.repeat(np.arange(len(tokens)), tokens.lengths)
    together = text[1:] == text[:-1]
    pairs = ((ids[:-1] + 1) << 32 | ids[1:])[together]
    return np.concatenate([ids, pairs]), np.concatenate([text, text[1:][together]])
