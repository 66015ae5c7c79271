"""Character n-grams of words, hashed to rows of a table: what gives a vector to a word that was never seen.

The rule, fixed for ever because artifacts rely on it: a word is written as ``<word>``; its n-grams are all runs of
``n_min`` to ``n_max`` characters (code points) of that, shorter ones first, each length from left to right; the bucket
of an n-gram is the 32-bit FNV-1a hash of its UTF-8 bytes (offset basis 2166136261, prime 16777619) modulo ``buckets``.
A bucket that occurs twice in a word counts twice. A rule may have a bound: then a word has its first n-grams alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.text.words import utf8


@dataclass(frozen=True)
class SubwordRule:
    """Which n-grams a word has, how many buckets they share, and how many n-grams a word has at most (none: all)."""

    n_min: int = 2
    n_max: int = 4
    buckets: int = 100_000
    most: int | None = None

    def bags(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Buckets of the n-grams of every word.

        Args:
            words: W words.

        Returns:
            ``(M,)`` buckets of all words, one word after another, and ``(W + 1,)`` offsets where each word begins.
        """
        data, ends = utf8(words)
        rule = self.n_min, self.n_max, self.buckets, self.most
        buckets, offsets = core.twin("features").ngram_buckets(data, ends, *rule)
        return buckets, offsets
