"""Texts that are nearly the same: pairs of two sets of texts that share most of their pairs of neighbouring words.

The similarity is that of Jaccard: shared word pairs, of all that either text has. All texts above a threshold are
found, not most: two such texts must share one of their few rarest word pairs, so only those are looked up (prefix
filter, Bayardo, Ma & Srikant 2007).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_WORD = re.compile(r"\w+|[^\w\s]")

Shingles = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class NearDuplicate:
    """A text of a test and the row that is most like it, by their numbers from 0."""

    row: int
    test_row: int
    similarity: float


def near_duplicates(first: Iterable[str], second: Iterable[str], threshold: float = 0.8) -> list[NearDuplicate]:
    """For every text of ``second`` that has any: its nearest text in ``first``, the most alike first.

    Case, blanks and nothing else are ignored; an empty text is like no other.

    Args:
        first: texts, e.g. of training.
        second: others, e.g. of a test.
        threshold: the least similarity, in (0, 1].
    """
    ones, others = list(map(shingles, first)), list(map(shingles, second))
    frequency = Counter(shingle for held in ones for shingle in held)
    holders: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, held in enumerate(ones):
        for shingle in _rarest(held, frequency, threshold):
            holders[shingle].append(number)
    found = []
    for number, held in enumerate(others):
        candidates = {one for shingle in _rarest(held, frequency, threshold) for one in holders.get(shingle, ())}
        best = max(((similarity(ones[one], held), -one) for one in candidates), default=(0.0, 0))
        if held and best[0] >= threshold:
            found.append(NearDuplicate(-best[1], number, best[0]))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.test_row))


def shingles(text: str) -> Shingles:
    """The pairs of neighbouring words of a text, its two ends being words too."""
    words = ["", *_WORD.findall(text.casefold()), ""]
    return frozenset(pairwise(words)) if len(words) > 2 else frozenset()


def similarity(one: Shingles, other: Shingles) -> float:
    """The Jaccard similarity of two sets; 0 of two empty ones."""
    shared = len(one & other)
    return shared / max(len(one) + len(other) - shared, 1)


def _rarest(held: Shingles, frequency: Counter[tuple[str, str]], threshold: float) -> Sequence[tuple[str, str]]:
    """So many of the rarest that a set of at least this similarity must have one of them among its own."""
    ordered = sorted(held, key=lambda shingle: (frequency[shingle], shingle))
    return ordered[: len(held) - math.ceil(threshold * len(held) - 1e-9) + 1]
