"""Lists and dictionaries that a cell holds as text: of JSON, Python, numpy or Postgres."""

from __future__ import annotations

import json
import re
from typing import Any

_QUOTED = r"""(?:"((?:[^"\\]|\\.|"")*)"|'((?:[^'\\]|\\.|'')*)')"""
# A quoted item may be followed by the next without a comma, as numpy prints it; a bare one ends at a comma.
_ITEM = re.compile(rf"\s*(?:{_QUOTED}|([^,\s\"'][^,]*))\s*(?:,|$|(?=[\"']))", re.DOTALL)
_PAIR = re.compile(rf"\s*{_QUOTED}\s*:\s*([^,\"']+?)\s*(?:,|$)", re.DOTALL)
# What numpy, torch and Python print around the brackets, and numpy 2 around each item: array(['a', np.str_('b')]).
_CALL = re.compile(
    r"(?:np\.|numpy\.|torch\.)?(?:array|tensor|set|frozenset|list|tuple)\((.*?)(?:,\s*(?:dtype|device)=[^()]*)?\)",
    re.DOTALL,
)
_SCALAR = re.compile(r"\b(?:np|numpy)\.(?:(True|False)_|\w+\(('[^']*'|\"[^\"]*\"|[^()'\"]*)\))")
_BOOLEANS = {"True": True, "False": False, "true": True, "false": False}
_NOTHING = ("None", "null", "NULL", "nan", "NaN")


def parse_list(text: str) -> list[Any] | dict[str, Any] | None:
    """The list or dictionary that ``text`` writes; None if it is no such text.

    Brackets are those of JSON and Python (``[...]``), of a Python tuple of strings or numbers (``('a', 'b')``), of a
    set or a Postgres array (``{a,"b c"}``), of a dictionary (``{'a': 1.0}``), or of numpy (``array([np.True_])``).
    Words outside quotes that stand for nothing (``None``, ``null``) are None.
    """
    text = _plain(text.strip())
    brackets = text[:1] + text[-1:]
    if len(text) < 2 or brackets not in ("[]", "{}", "()"):
        return None
    body = text[1:-1].strip()
    if brackets == "()" and body[:1] not in ("'", '"'):
        parts = [part.strip() for part in body.removesuffix(",").split(",")]
        return list(map(_bare, parts)) if len(parts) > 1 and _are_numbers(parts) else None
    if brackets != "()":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            pass
        else:
            return found if isinstance(found, (list, dict)) else None
    if brackets == "{}" and _PAIR.match(body):
        pairs = _matches(_PAIR, body)
        return None if pairs is None else {_unquoted(pair): _number(pair[3]) for pair in pairs}
    items = _matches(_ITEM, body.removesuffix(","))
    if items is None:
        return None
    values = [_bare(item[3]) if item[3] is not None else _unquoted(item) for item in items]
    if len(values) == 1 and items[0][3] is not None and brackets == "[]" and _are_numbers(words := body.split()):
        return list(map(_bare, words))  # numpy prints numbers with blanks between them
    return values


def _plain(text: str) -> str:
    """The text without what is printed around brackets and items."""
    if call := _CALL.fullmatch(text):
        text = call[1].strip() or "[]"
    return _SCALAR.sub(lambda found: found[1] or found[2], text) if "np." in text or "numpy." in text else text


def _matches(pattern: re.Pattern[str], body: str) -> list[re.Match[str]] | None:
    """The matches that cover ``body`` without a gap; None if there is one."""
    found, end = [], 0
    while end < len(body):
        match = pattern.match(body, end)
        if match is None:
            return None
        found.append(match)
        end = match.end()
    return found


def _unquoted(match: re.Match[str]) -> str:
    quote, text = ('"', match[1]) if match[1] is not None else ("'", match[2])
    return re.sub(r"\\(.)", r"\1", text.replace(quote * 2, quote), flags=re.DOTALL)


def _bare(word: str) -> Any:
    word = word.strip()
    return None if word in _NOTHING else _BOOLEANS.get(word, word)


def _number(word: str) -> Any:
    """A value of a dictionary; a text stays one."""
    return float(word) if _are_numbers([word]) and word not in _BOOLEANS else _bare(word)


def _are_numbers(words: list[str]) -> bool:
    return all(re.fullmatch(r"-?\d+\.?\d*|True|False", word) for word in words)
