"""Texts that are nearly the same: those of two sets that share most of their pairs of neighbouring words.

The similarity is that of Jaccard: shared word pairs, of all that either text has. All texts above a threshold are
found, not most: two such texts must share one of their few rarest word pairs, so only those are looked up (prefix
filter, Bayardo, Ma & Srikant 2007).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class NearDuplicate:
    """A text of a test and the row that is most like it, by their numbers from 0."""

    row: int
    test_row: int
    similarity: float


def near_duplicates(rows: Iterable[str], test: Iterable[str], threshold: float = 0.8) -> list[NearDuplicate]:
    """For every text of ``test`` that has any: its nearest text among ``rows``, the most alike first.

    Case and blanks are ignored, nothing else; an empty text is like no other.

    Args:
        rows: texts, e.g. of training.
        test: others.
        threshold: the least similarity, in (0, 1].
    """
    numbers: dict[str, int] = {}
    held, asked = ([_pairs(text, numbers) for text in texts] for texts in (rows, test))
    pairs, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *held]), return_counts=True)
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for row, own in enumerate(held):
        for pair in _rarest(own, pairs, counts, threshold):
            holders[pair].append(row)
    found = []
    for number, own in enumerate(asked):
        candidates = {row for pair in _rarest(own, pairs, counts, threshold) for row in holders.get(pair, ())}
        best = max(((_jaccard(held[row], own), -row) for row in candidates), default=(0.0, 0))
        if best[0] >= threshold:
            found.append(NearDuplicate(-best[1], number, best[0]))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.test_row))


def similarity(one: str, other: str) -> float:
    """The similarity of two texts: the definition."""
    first, second = set(pairwise(_words(one))), set(pairwise(_words(other)))
    shared = len(first & second)
    return shared / max(len(first) + len(second) - shared, 1)


def _words(text: str) -> list[str]:
    """The words of a text between its ends, which count as words; nothing for an empty text."""
    words = _WORD.findall(text.casefold())
    return ["", *words, ""] if words else []


def _pairs(text: str, numbers: dict[str, int]) -> Integers:
    """A number for each distinct pair of neighbours, ascending; new words are given the next number."""
    ids = np.array([numbers.setdefault(word, len(numbers)) for word in _words(text)], np.int64)
    return np.unique(ids[:-1] << 32 | ids[1:])


def _jaccard(one: Integers, other: Integers) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(len(one) + len(other) - shared, 1)


def _rarest(own: Integers, pairs: Integers, counts: Integers, threshold: float) -> list[int]:
    """So many of a text's rarest pairs that a text as similar as this must have one of them among its own rarest."""
    if not len(own) or not len(pairs):
        return []
    place = np.minimum(np.searchsorted(pairs, own), len(pairs) - 1)
    frequency = np.where(pairs[place] == own, counts[place], 0)
    kept = len(own) - math.ceil(threshold * len(own) - 1e-9) + 1
    ordered: list[int] = own[np.lexsort((own, frequency))][:kept].tolist()
    return ordered
