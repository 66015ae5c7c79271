"""What single cells say: yes or no, and which spellings of numbers and booleans are one label."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from textcnn.text.read_table import is_list, is_missing, plain

YES = frozenset(("1", "true", "yes", "y", "t", "x"))
NO = frozenset(("0", "false", "no", "n", "f"))
_LETTERS = ({"y", "n"}, {"t", "f"}, {"x"})  # of two of these they are names of labels, not a yes and a no
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)


def canonical(name: str) -> str:
    """One spelling for numbers and booleans of one value: ``1.0`` and ``+1`` are ``1``, ``True`` is ``true``.

    It is how a number or boolean is spelled that is no text, as in Parquet. ``007`` and ``1_0`` are names.
    """
    if name in ("True", "TRUE", "False", "FALSE"):
        return name.lower()
    if name.isdecimal() or not _NUMBER.fullmatch(name):
        return name
    value = float(name)
    if not math.isfinite(value):
        return name
    return str(int(value)) if value.is_integer() else repr(value)


def spellings(names: Iterable[str]) -> dict[str, str]:
    """Each of these names by itself, and, where it is not one of them, by its usual spelling (:func:`canonical`)."""
    names = [*names]
    return {canonical(name): name for name in reversed(names)} | {name: name for name in names}


def is_blank(cell: Any) -> bool:
    """Whether a cell holds nothing, or a text of blanks."""
    return is_missing(cell) or (isinstance(cell, str) and not cell.strip())


def word(cell: Any) -> str:
    """A cell as one would write a yes or a no: 1, 1.0, "1.0" are the same here, and so are True and "TRUE"."""
    if is_list(cell) or isinstance(cell, (dict, bytes)):
        return "a list"
    return canonical(str(plain(cell)).strip()).lower()


def are_indicators(columns: Iterable[Mapping[str, int]]) -> bool:
    """Whether most words of these columns, with their counts, say yes and no, in each column by one pair of letters."""
    columns = [*columns]
    words = sum(map(Counter, columns), Counter[str]())
    said = sum(count for found, count in words.items() if found in YES or found in NO)
    mixed = any(sum(bool(pair & column.keys()) for pair in _LETTERS) > 1 for column in columns)
    return not mixed and 2 * said > sum(words.values())


def is_yes(cell: Any) -> bool | None:
    """What a cell says; None if it is neither a yes nor a no. Nothing is a no."""
    if is_blank(cell):
        return False
    found = word(cell)
    return True if found in YES else False if found in NO else None
