"""A piece of code that stands behind a promise, and the test that fails without it."""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """A guard, and how to take it away.

    Attributes:
        pain: number of the pain it is against.
        file: where it stands.
        function: what it is a part of, for people.
        text: the guard, which occurs once in the file.
        replacement: the same place without it.
        test: pytest's id of a test that must fail then.
    """

    pain: int
    file: str
    function: str
    text: str
    replacement: str
    test: str


PAINS_TEST = "tests/guarantees/test_pains.py::"
