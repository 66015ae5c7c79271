"""Character n-grams of words, hashed to rows of a table: what gives a vector to a word that was never seen.

The rule, fixed for ever because artifacts rely on it: a word is written as ``<word>``; its n-grams are all runs of
``n_min`` to ``n_max`` characters (code points) of that, shorter ones first, each length from left to right; the bucket
of an n-gram is the 32-bit FNV-1a hash of its UTF-8 bytes (offset basis 2166136261, prime 16777619) modulo ``buckets``.
A bucket that occurs twice in a word counts twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)


@dataclass(frozen=True)
class SubwordRule:
    """Which n-grams a word has, and how many buckets they share."""

    n_min: int = 2
    n_max: int = 4
    buckets: int = 100_000

    def bags(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Buckets of the n-grams of every word.

        Args:
            words: W words.

        Returns:
            ``(M,)`` buckets of all words, one word after another, and ``(W + 1,)`` offsets where each word begins.
        """
        raw = [f"<{word}>".encode("utf-8", "surrogatepass") for word in words]
        data = np.frombuffer(b"".join(raw), np.uint8)
        starts = np.flatnonzero((data & 0xC0) != 0x80)  # first byte of every character
        ends = np.append(starts[1:], len(data))
        word_of = np.repeat(np.arange(len(raw)), [len(word) for word in raw])[starts]
        hashes, words_of = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
        longest = int(np.bincount(word_of).max(initial=0))
        for n in range(self.n_min, min(self.n_max, longest) + 1):
            first = np.arange(len(starts) - n + 1)
            first = first[word_of[first] == word_of[first + n - 1]]  # an n-gram stays within its word
            hashes.append(_fnv1a(data, starts[first], ends[first + n - 1]))
            words_of.append(word_of[first])
        flat, owner = np.concatenate(hashes), np.concatenate(words_of)
        sorted_by_word = np.argsort(owner, kind="stable")
        offsets = np.zeros(len(raw) + 1, np.int64)
        np.cumsum(np.bincount(owner, minlength=len(raw)), out=offsets[1:])
        return (flat[sorted_by_word] % np.uint32(self.buckets)).astype(np.int64), offsets


def _fnv1a(
    data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint32]:
    """Hash of ``data[start:end]`` for many slices at once: one pass a byte position, over the slices that long."""
    hashes = np.full(len(starts), _BASIS, np.uint32)
    lengths = ends - starts
    with np.errstate(over="ignore"):
        for place in range(int(lengths.max(initial=0))):
            inside = lengths > place
            hashes[inside] = (hashes[inside] ^ data[starts[inside] + place]) * _PRIME
    return hashes
