"""The processes that hold the rows of a corpus, each its own, and what they find together.

What is counted over texts (words, pairs of words, lengths) is counted by each process over its own rows and then put
together, so that vocabulary, features and statistics are those of one process that has every row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Holders:
    """The processes that hold the rows of a corpus: here one, which has them all.

    Attributes:
        size: how many they are.
    """

    size = 1

    def all(self, array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The arrays ``(n,)`` of all processes, of whatever length each, in the order of their numbers."""
        return [array]

    def sum(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The sum over all processes of arrays of one shape."""
        return array

    def total(self, number: int) -> int:
        """The same of a number."""
        return int(self.sum(np.array([number], np.int64))[0])

    def strings(self, own: Sequence[str]) -> list[list[str]]:
        """The strings of all processes, halves of surrogate pairs included."""
        if self.size == 1:
            return [list(own)]
        data = np.frombuffer(json.dumps(list(own)).encode(), np.uint8)
        return [json.loads(found.tobytes()) for found in self.all(data)]

    def counts(self, own: Mapping[str, int]) -> Counter[str]:
        """How often each string occurs in all rows, from how often it does in the own ones."""
        names, numbers = self.strings(list(own)), self.all(np.fromiter(own.values(), np.int64, len(own)))
        found: Counter[str] = Counter()
        for of_one, times in zip(names, numbers, strict=True):
            found.update(dict(zip(of_one, times.tolist(), strict=True)))
        return found


ALONE = Holders()


def in_order(own: npt.NDArray[Any], rows: Integers, count: int, holders: Holders) -> npt.NDArray[Any]:
    """A number for each of ``count`` rows, from those ``(n,)`` that each process has for its ``rows``."""
    found = np.zeros(count, own.dtype)
    for numbers, at in zip(holders.all(own), holders.all(rows), strict=True):
        found[at] = numbers
    return found


def places(rows: Integers, asked: Integers) -> Integers:
    """Where the numbers ``asked`` stand among ``rows``, which are ascending.

    Raises:
        LookupError: one of them is not there.
    """
    found, here = _search(rows, asked)
    if not here.all():
        raise LookupError(f"row {asked[~here][0]} is kept by another process")
    return found


def among(rows: Integers, asked: Integers) -> npt.NDArray[np.bool_]:
    """Which of the numbers ``asked`` are among ``rows``, which are ascending: a step asks for few of many."""
    return _search(rows, asked)[1]


def _search(rows: Integers, asked: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    found = np.searchsorted(rows, asked)
    here = found < len(rows)
    if len(rows):
        here &= rows[np.where(here, found, 0)] == asked
    return found, here
