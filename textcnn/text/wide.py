"""Features of the wide branch: l2-normalised sublinear TF-IDF of the word uni- and bigrams seen in training."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn.text.ragged import Ragged, gather

Integers = npt.NDArray[np.int64]
COMPILED_ABOVE = 300_000  # tokens; numpy takes about a second for them


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
        if _worth_compiling(tokens):
            from textcnn.text import numba_wide

            limit = np.iinfo(np.int32).max if num_types is None else num_types
            keys, frequency = numba_wide.fit(tokens.ids, tokens.offsets, limit)
            return cls._weighted(keys, frequency, len(tokens))
        keys = np.unique(_occurrences(tokens)[0])
        if num_types is not None:
            keys = keys[_within(keys, num_types)]
        held = cls(keys, np.ones(len(keys), np.float32)).transform(tokens).rows
        return cls._weighted(keys, np.bincount(held, minlength=len(keys)), len(tokens))

    @classmethod
    def _weighted(cls, keys: Integers, frequency: Integers, num_texts: int) -> WideFeatures:
        return cls(keys, (np.log((1 + num_texts) / (1 + frequency)) + 1).astype(np.float32))

    def transform(self, tokens: Ragged) -> WideRows:
        """Features of texts; what was not seen in training has none, and does not count in the norm either."""
        if _worth_compiling(tokens):
            from textcnn.text import numba_wide

            return WideRows(*numba_wide.transform(tokens.ids, tokens.offsets, self.keys, self.idf))
        keys, texts = _occurrences(tokens)
        size = len(self.keys)
        if not size:
            return WideRows(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(len(tokens) + 1, np.int64))
        index = np.minimum(np.searchsorted(self.keys, keys), size - 1)
        seen = self.keys[index] == keys
        present, counts = np.unique(texts[seen] * size + index[seen], return_counts=True)
        text, row = present // size, present % size
        weights = (1 + np.log(counts)) * self.idf[row]
        norms = np.sqrt(np.bincount(text, weights**2, minlength=len(tokens)))
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(np.bincount(text, minlength=len(tokens)), out=offsets[1:])
        return WideRows(row.astype(np.int32), (weights / norms[text]).astype(np.float32), offsets)

    def extended(self, tokens: Ragged, num_types: int) -> WideFeatures:
        """These features and those of further texts; the old ones keep their idf, so that old texts weigh the same."""
        further = WideFeatures.fit(tokens, num_types)
        fresh = ~np.isin(further.keys, self.keys)
        keys = np.concatenate([self.keys, further.keys[fresh]])
        order = np.argsort(keys)
        return WideFeatures(keys[order], np.concatenate([self.idf, further.idf[fresh]])[order])


def _worth_compiling(tokens: Ragged) -> bool:
    """Whether loading the compiled twin, which gives the same bits, takes less time than it saves."""
    return len(tokens.ids) > COMPILED_ABOVE and importlib.util.find_spec("numba") is not None


def _within(keys: Integers, num_types: int) -> npt.NDArray[np.bool_]:
    """Which keys are made of the first ``num_types`` types alone."""
    first, second = (keys >> 32) - 1, keys & 0xFFFFFFFF
    return (first < num_types) & (second < num_types)


def _occurrences(tokens: Ragged) -> tuple[Integers, Integers]:
    """Keys of all words and all pairs of neighbours, and the number of the text each stands in."""
    ids = tokens.ids.astype(np.int64)
    text = np.repeat(np.arange(len(tokens)), tokens.lengths)
    together = text[1:] == text[:-1]
    pairs = ((ids[:-1] + 1) << 32 | ids[1:])[together]
    return np.concatenate([ids, pairs]), np.concatenate([text, text[1:][together]])
