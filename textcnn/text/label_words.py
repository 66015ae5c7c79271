"""What single cells say: yes or no, and which spellings of numbers and booleans are one label."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from textcnn.text.read_table import is_list, is_missing

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


def is_blank(cell: Any) -> bool:
    """Whether a cell holds nothing, or a text of blanks."""
    return is_missing(cell) or (isinstance(cell, str) and not cell.strip())


def word(cell: Any) -> str:
    """A cell as one would write a yes or a no: 1, 1.0, "1.0" are the same here, and so are True and "TRUE"."""
    if is_list(cell) or isinstance(cell, (dict, bytes)):
        return "a list"
    cell = cell.item() if hasattr(cell, "item") else cell
    return canonical(str(cell).strip()).lower()


def are_indicators(words: Mapping[str, int]) -> bool:
    """Whether most of these words, with their counts, say yes and no."""
    letters = [pair for pair in _LETTERS if pair & words.keys()]
    said = sum(count for found, count in words.items() if found in YES or found in NO)
    return len(letters) < 2 and 2 * said > sum(words.values())


def is_zero_or_one(item: Any) -> bool:
    """Whether an item of a list is 0, 1, 0.0, 1.0, true or false, also as text."""
    return not is_missing(item) and word(item) in ("0", "1", "true", "false")


def is_yes(cell: Any) -> bool | None:
    """What a cell says; None if it is neither a yes nor a no. Nothing is a no."""
    if is_blank(cell):
        return False
    found = word(cell)
    return True if found in YES else False if found in NO else None
