"""Parsing of single cells: label spellings, lists written as text, weights, ids."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textcnn.errors import DataError
from textcnn.reading.messages import counted
from textcnn.reading.table import is_list, is_missing, plain, shown

if TYPE_CHECKING:
    from textcnn.reading.rows import Rows

YES = frozenset(("1", "true", "yes", "y", "t", "x"))
NO = frozenset(("0", "false", "no", "n", "f"))
_LETTERS = ({"y", "n"}, {"t", "f"}, {"x"})  # of two of these they are names of labels, not a yes and a no
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)


def canonical(name: str) -> str:
    """Unify the spellings of a number or boolean: ``1.0`` and ``+1`` become ``1``, ``True`` becomes ``true``.

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
    """Map each name to itself, and its canonical spelling (:func:`canonical`) to it unless that is a name too."""
    names = [*names]
    return {canonical(name): name for name in reversed(names)} | {name: name for name in names}


def is_blank(cell: Any) -> bool:
    """Return whether a cell holds nothing, or a text of blanks."""
    return is_missing(cell) or (isinstance(cell, str) and not cell.strip())


def word(cell: Any) -> str:
    """Normalize a yes/no cell: 1, 1.0, "1.0" become equal, and so do True and "TRUE"."""
    if is_list(cell) or isinstance(cell, (dict, bytes)):
        return "a list"
    return canonical(str(plain(cell)).strip()).lower()


def are_indicators(columns: Iterable[Mapping[str, int]]) -> bool:
    """Return whether most cells of every column say yes or no, consistently within a column."""
    columns = [*columns]
    words = sum(map(Counter, columns), Counter[str]())
    said = sum(count for found, count in words.items() if found in YES or found in NO)
    mixed = any(sum(bool(pair & column.keys()) for pair in _LETTERS) > 1 for column in columns)
    return not mixed and 2 * said > sum(words.values())


def is_yes(cell: Any) -> bool | None:
    """Parse a yes or a no, where an empty cell is a no; return None for anything else."""
    if is_blank(cell):
        return False
    found = word(cell)
    return True if found in YES else False if found in NO else None


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
    """Parse a list or dictionary written as text; return None for any other text.

    Brackets are those of JSON and Python (``[...]``), of a Python tuple of strings or numbers (``('a', 'b')``), of a
    set or a Postgres array (``{a,"b c"}``), of a dictionary (``{'a': 1.0}``), or of numpy (``array([np.True_])``).
    Unquoted null words (``None``, ``null``) become None.
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
    """Remove the decoration, such as type names, that is printed around brackets and items."""
    if call := _CALL.fullmatch(text):
        text = call[1].strip() or "[]"
    return _SCALAR.sub(lambda found: found[1] or found[2], text) if "np." in text or "numpy." in text else text


def _matches(pattern: re.Pattern[str], body: str) -> list[re.Match[str]] | None:
    """Return matches that cover ``body`` without a gap; None if there is a gap."""
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
    """Parse a value of a dictionary; text stays text."""
    return float(word) if _are_numbers([word]) and word not in _BOOLEANS else _bare(word)


def _are_numbers(words: list[str]) -> bool:
    return all(re.fullmatch(r"-?\d+\.?\d*|True|False", word) for word in words)


def read_weight(cell: Any, column: str, name: str, line: int) -> float:
    """Parse the weight of a row in the loss.

    Raises:
        DataError: the cell is no finite number of 0 or more.
    """
    try:
        weight = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise DataError(
            f"expected a weight in column {column!r}, a finite number of 0 or more, found {shown(cell)}; "
            "correct it, or leave --weight-column out",
            path=name,
            line=line,
        )
    return weight


def read_number(cell: Any) -> float | None:
    """Return a finite number, written as Python and JSON write it; None for anything else."""
    try:
        value = math.nan if isinstance(cell, (bool, bytes)) or "_" in str(cell) else float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def are_numbers(names: Iterable[str]) -> bool:
    """Return whether all names of labels are numbers."""
    return all(read_number(name) is not None for name in names)


MANY_NUMBERS = 20  # different numbers among the labels, from which they may be measurements


def number_notice(labels: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a note where single labels are many different numbers, which may be measurements."""
    names = {row[0] for row in labels if len(row) == 1}
    if len(names) <= MANY_NUMBERS or any(len(row) != 1 for row in labels) or not are_numbers(names):
        return []
    return [f"the labels are {len(names)} different numbers; if they measure something, --regression predicts them"]


FEWEST = 20  # labels of rows; fewer may well be one example each
SHARE = 0.8  # of different ones among them, from which they are no labels
_LOOKED_AT = 1_000  # rows in which a better column is looked for


def rare_labels(labels: Sequence[tuple[str, ...]]) -> int:
    """Return the number of distinct labels if it is nearly the number of labelled rows; else 0."""
    total = sum(map(len, labels))
    distinct = len({name for names in labels for name in names}) if total >= FEWEST else 0
    return distinct if distinct >= SHARE * total else 0


def check_repeated(rows: Rows, labels: Sequence[tuple[str, ...]]) -> None:
    """Raise an error unless labels occur several times, which they must to be learned.

    Raises:
        DataError: nearly all are different; the message names a better column where there is one.
    """
    if distinct := rare_labels(labels):
        numbers = are_numbers({name for names in labels for name in names})
        proposed = "--regression predicts them as numbers, " if numbers else ""
        raise DataError(
            f"{rare_sentence(rows, distinct, labels)}; {proposed}--allow-rare-labels trains on them", path=rows.name
        )


def rare_sentence(rows: Rows, distinct: int, labels: Sequence[tuple[str, ...]]) -> str:
    """Compose the message that nearly all labels are distinct, with a suggestion of a better column."""
    examples = ", ".join(shown(names[0], 30) for names in itertools.islice(filter(None, labels), 3))
    column = "+".join(map(repr, rows.label_columns))
    return (
        f"expected labels that occur several times, found {distinct:,} different ones in {counted(len(labels), 'row')} "
        f"of column {column} ({examples}, ...): are these ids, texts or measurements? {_better(rows)}"
    )


def _better(rows: Rows) -> str:
    """Suggest the column whose cells repeat most."""
    cells: dict[str, set[str]] = defaultdict(set)
    count = 0
    try:
        for _, columns, _ in itertools.islice(rows.unread_labels(), _LOOKED_AT):
            count += 1
            for name in set(columns) - {*rows.label_columns, rows.weight_column}:
                cells[name].add(str(columns[name]))
    except DataError:  # a pipe, which can be read only once
        return "choose another with --label-column"
    usable = [name for name in rows.columns if 2 <= len(cells[name]) <= count / 2]
    if not usable:
        return "no other column has cells that repeat; choose one with --label-column"
    best = min(usable, key=lambda name: len(cells[name]))
    if best in rows.text_columns:
        return f"the text column {best!r} has {len(cells[best])} different cells: are text and label exchanged?"
    return f"{best!r} has {len(cells[best])} different cells: --label-column {shown(best)}"
