"""Readers of JSON lines and of JSON documents such as an array of objects; long documents are streamed."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from textcnn.core.scan import scan_objects
from textcnn.errors import DataError
from textcnn.reading.scanning import Scanner, can_scan
from textcnn.reading.source import LONGEST, Part, Source, without_halves
from textcnn.reading.table import DEEPEST, PEEK, BlockRecords, Opened, Record, Table, is_deep, shown

PIECE = 2**16  # characters of a document that are read at once
_CUT = 2_000  # characters: where the first bytes of a file hold no line end after as many, they have cut the line
_BLANK = re.compile("[ \t\r\n\ufeff]*")
_ROWS = ("data", "rows")  # what a list of rows is called where there are others
_TEXT = r'"(?:[^"\\\n]|\\.)*"'
# An array of texts, whole, or cut off after the first.
_TEXTS = re.compile(rf'\s*\[\s*{_TEXT}\s*(?:,\s*{_TEXT}\s*)*(?:\]\s*|,\s*(?:"(?:[^"\\\n]|\\.)*\\?)?)?')
_NEEDS_ESCAPE = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')  # in a key
_DECODER = json.JSONDecoder()
_ADVICE = "write an array of objects, or an object a line (in pandas: to_json(orient='records', lines=True))"


def json_table(source: Source, names: Sequence[str] = ()) -> Table:
    """Read JSON lines or a document, as the first line shows; the keys of the first objects are the columns.

    A document is an array of objects or of texts, an object that holds such an array, as ``{"data": [...]}``, an object
    of columns, or several objects or arrays one after the other.

    Args:
        source: the file.
        names: usual names of text columns, most likely first; an object that has one may be a row itself.
    """
    is_document = _is_document(source.head_text(), source.name, names)

    def start(notices: Counter[str]) -> Opened:
        lines = source.lines(notices, longest=PIECE if is_document else LONGEST)
        if is_document:
            records = _Document(source.name, notices, names, lines).rows()
        else:
            records = _with_lone_row_told(_objects(lines, source.name, notices), notices)
        head = list(itertools.islice(records, PEEK if source.again else 1))  # a pipe may be slow: do not wait for 100
        columns = tuple(dict.fromkeys(key for _, record in head for key in record))
        is_scanned = not is_document and len(head) > 1 and can_scan(source)
        if not is_scanned or not columns or any(map(_NEEDS_ESCAPE.search, columns)):
            return columns, itertools.chain(head, records)
        lines.close()
        notices.clear()  # all rows are seen again
        notices["members_aside"] = source.aside
        return columns, BlockRecords(_scanner(source, columns, notices).blocks())

    return Table(source.name, "json" if is_document else "jsonl", start, again=source.again, strip_labels=True)


def _scanner(source: Source, columns: tuple[str, ...], notices: Counter[str]) -> Scanner:
    def careful(part: Part) -> Iterator[Record]:
        return _objects(source.lines(notices, part=part), source.name, notices, part.before[1])

    return Scanner(source, columns, partial(scan_objects, keys=columns, longest=LONGEST), careful)


def looks_like_json(head: str) -> bool:
    """Return whether a file begins with a JSON object or array, not with a text that begins with a bracket."""
    first = head.lstrip().partition("\n")[0].rstrip()
    if first.startswith("{"):
        return isinstance(_parsed(first), dict) or (first[1:].lstrip()[:1] in ('"', "") and _is_cut(head.lstrip()))
    return re.match(r'\s*\[\s*(\{\s*(["}]|$)|$)', head) is not None or _TEXTS.fullmatch(head) is not None


def _is_document(head: str, name: str, names: Sequence[str]) -> bool:
    """Return whether a file is one document, not an object per line; a lone object is decided by its values."""
    head = head.lstrip()
    first, _, rest = head.partition("\n")
    if head.startswith("{"):
        found = _parsed(first)
        if isinstance(found, dict):
            return not rest.strip() and _unfolded(found, name, names) is not None
        return _is_cut(head)
    return head.startswith("[")


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_cut(head: str) -> bool:
    """Return whether the first line's value continues on the next lines, or beyond the end of the head."""
    first, end, _ = head.partition("\n")
    try:
        json.loads(first)
    except json.JSONDecodeError as err:  # a string cannot go on in the next line
        return err.pos >= len(first.rstrip()) if end else len(first) > _CUT
    except (ValueError, RecursionError):
        pass
    return False


# ------------------------------------------------------------------------------------------------- an object a line


def _objects(lines: Iterator[str], name: str, notices: Counter[str], before: int = 0) -> Iterator[Record]:
    for number, line in enumerate(lines, start=before + 1):
        if not line.strip():
            notices["blank_lines"] += 1
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as err:
            problem = f"expected one JSON object a line, found {shown(line)} ({err})"
            raise DataError(problem, path=name, line=number) from err
        record = _checked(record, line, notices, name, number)
        if not isinstance(record, dict):
            raise DataError(f"expected one JSON object a line, found {shown(record)}", path=name, line=number)
        yield number, record


def _with_lone_row_told(records: Iterator[Record], notices: Counter[str]) -> Iterator[Record]:
    """Yield rows, counting a notice if a file has a single row with lists, which may be columns."""
    count, cells = 0, dict[str, Any]()
    for line, cells in records:
        count += 1
        yield line, cells
    if count == 1:
        notices["lone_row"] += _has_lists(cells)


def _checked(value: Any, raw: str, notices: Counter[str], name: str, line: int) -> Any:
    """Check a value's nesting depth and remove its unpaired surrogates."""
    if raw.count("[") + raw.count("{") > DEEPEST and is_deep(value):
        problem = f"expected lists and objects nested at most {DEEPEST} deep, found {shown(raw)}; flatten it"
        raise DataError(problem, path=name, line=line)
    return _without_surrogates(value, notices) if "\\ud" in raw.lower() else value


def _without_surrogates(value: Any, notices: Counter[str]) -> Any:
    """Replace unpaired surrogates, which JSON can escape, in all texts of a value."""
    if isinstance(value, str):
        return without_halves(value, notices)
    if isinstance(value, list):
        return [_without_surrogates(item, notices) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key, notices): _without_surrogates(item, notices) for key, item in value.items()}
    return value


# ------------------------------------------------------------------------------------------------------- documents


class _Document:
    """Streaming parser of a document's values; only the current value is kept in memory."""

    def __init__(self, name: str, notices: Counter[str], names: Sequence[str], pieces: Iterator[str]) -> None:
        self._name = name
        self._notices = notices
        self._names = names
        self._pieces = pieces
        self._text, self._at, self._line = "", 0, 1
        self._numbers = itertools.count(1)

    def rows(self) -> Iterator[Record]:
        """Yield rows numbered from 1, because the line number of a value in a document helps nobody to find it."""
        is_first, has_texts = True, False
        while first := self._next():
            if has_texts:
                raise self._error(f"expected one array of texts, found more after it; {_ADVICE}")
            if first == "[":
                for value in self._elements():
                    has_texts |= isinstance(value, str)
                    if has_texts and not is_first:
                        raise self._error(f"expected objects, or one array of texts alone, found several; {_ADVICE}")
                    yield self._numbered(value)
            else:
                yield from self._object(is_first)
            is_first = False

    def _numbered(self, value: Any) -> Record:
        return next(self._numbers), self._row(value)

    def _elements(self) -> Iterator[Any]:
        """Yield the values of the array that begins here."""
        self._skip("[")
        while self._next() != "]":
            yield self._value()
            if self._next() != "]":
                self._skip(",")
        self._skip("]")

    def _object(self, is_first: bool) -> Iterator[Record]:
        value = self._value(or_none=True)
        if value is None:
            yield from self._long_object()
            return
        is_alone = is_first and not self._next() and isinstance(value, dict)
        unfolded = _unfolded(value, self._name, self._names) if is_alone else None
        if is_alone and unfolded is None:
            self._notices["lone_row"] += _has_lists(value)
        yield from map(self._numbered, [value] if unfolded is None else unfolded)

    def _long_object(self) -> Iterator[Record]:
        """Yield the rows of the one array of objects within an object too long for memory; the rest is skipped."""
        self._skip("{")
        found, others = None, dict[str, Any]()
        while self._next() != "}":
            key = self._value()
            self._skip(":")
            if self._next() != "[":
                others[key] = self._value()
            else:
                is_rows = False
                for place, value in enumerate(self._elements()):
                    if place == 0 and isinstance(value, dict) and found not in _ROWS:
                        if found is not None or _is_row(others, [value], self._names):
                            raise self._error(f"expected one list of rows in an object, found {key!r} too; {_ADVICE}")
                        found, is_rows = key, True
                    if is_rows:
                        yield self._numbered(value)
            if self._next() != "}":
                self._skip(",")
        self._skip("}")
        if found is None:
            raise self._error(
                f"expected a list of objects in an object of {LONGEST:,} characters, found none; {_ADVICE}"
            )

    def _row(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str):
            return {"text": value}
        if not isinstance(value, dict):
            raise self._error(f"expected an object for each row, found {shown(value)}; {_ADVICE}")
        return value

    def _value(self, *, or_none: bool = False) -> Any:
        """Parse the value that begins here; one of ``LONGEST`` characters is an error, or None."""
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as err:
                raise self._error(f"expected lists and objects nested at most {DEEPEST} deep; flatten it") from err
            except ValueError as err:
                if len(self._text) - self._at >= LONGEST:
                    if or_none:
                        return None
                    problem = f"expected a row of fewer than {LONGEST:,} characters, found a longer one; {_ADVICE}"
                    raise self._error(problem) from err
                if not self._more():
                    raise self._wrong(err) from err
                continue
            if end < len(self._text) or not self._more():  # a number may go on
                break
        raw = self._text[self._at : end]
        value = _checked(value, raw, self._notices, self._name, self._line)
        self._line += raw.count("\n")
        self._at = end
        return value

    def _next(self) -> str:
        """Skip blanks and return the next character without taking it; empty at the end."""
        begun = 0
        while begun < LONGEST:
            blank = _BLANK.match(self._text, self._at)
            assert blank is not None
            self._line += blank[0].count("\n")
            self._at = blank.end()
            begun += len(blank[0])
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]
        raise self._error(f"expected fewer than {LONGEST:,} blanks in a row, found more")

    def _skip(self, expected: str) -> None:
        found = self._next()
        if found != expected:
            around = shown(self._text[self._at : self._at + 40]) if found else "the end"
            raise self._error(f"expected {expected!r} in a JSON document, found {around}; is it whole?")
        self._at += 1

    def _more(self) -> bool:
        """Read more text, doubling the buffer so that a long value is parsed seldom; return whether there was any."""
        left = len(self._text) - self._at
        parts, wanted = [self._text[self._at :]], min(max(PIECE, left), max(LONGEST - left, PIECE))
        for piece in self._pieces:
            parts.append(piece)
            wanted -= len(piece)
            if wanted <= 0:
                break
        self._text, self._at = "".join(parts), 0
        return len(parts) > 1

    def _wrong(self, err: ValueError) -> DataError:
        start = self._text[self._at : self._at + 60]
        reason, line = str(err), self._line
        if isinstance(err, json.JSONDecodeError):
            reason, line = err.msg, self._line + self._text.count("\n", self._at, err.pos)
            start = self._text[max(self._at, err.pos - 30) : err.pos + 30]
        problem = f"expected JSON, found {shown(start)} ({reason[:100]}); is the file whole?"
        return DataError(problem, path=self._name, line=line)

    def _error(self, problem: str) -> DataError:
        return DataError(problem, path=self._name, line=self._line)


def _unfolded(document: dict[str, Any], name: str, names: Sequence[str]) -> list[Any] | None:
    """Return the rows contained in one object; None if the object is itself a row.

    Raises:
        DataError: it holds several lists of rows.
    """
    values = list(document.values())
    lists = {key: value for key, value in document.items() if _all(dict, value)}
    if lists:
        if _is_row(document, [rows[0] for rows in lists.values()], names):
            return None
        chosen = next((key for key in _ROWS if key in lists), next(iter(lists)))
        if len(lists) > 1 and chosen not in _ROWS:
            found = ", ".join(map(shown, list(lists)[:10]))
            raise DataError(f"expected one list of rows, found {found}; save one of them as a file", path=name)
        return list(lists[chosen])
    header: Any = document.get("columns")
    rows: Any = document.get("data")
    if _all(str, header) and _all(list, rows):  # pandas: orient="split"
        return [dict(zip(header, row, strict=False)) for row in rows]
    if all(isinstance(value, dict) for value in values) and len({tuple(value) for value in values}) == 1:
        if all(key.isdecimal() for key in document) and not all(key.isdecimal() for key in values[0]):
            return values  # pandas: orient="index"
        return _of_columns({key: list(value.values()) for key, value in document.items()})
    if values and all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return _of_columns(document)
    return None


def _is_row(document: dict[str, Any], others: Sequence[dict[str, Any]], names: Sequence[str]) -> bool:
    """Return whether an object has a text of its own, under a name as likely as those of the objects within it."""

    def rank(row: dict[str, Any]) -> float:
        texts = {key.lower() for key, value in row.items() if isinstance(value, str)}
        return next((place for place, name in enumerate(names) if name.lower() in texts), math.inf)

    return rank(document) <= min(map(rank, others)) and rank(document) < math.inf


def _has_lists(row: dict[str, Any]) -> bool:
    return any(_all(dict, value) for value in row.values())


def _all(kind: type, value: Any) -> bool:
    """Return whether a value is a non-empty list of elements of one kind."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, kind) for item in value)


def _of_columns(columns: dict[str, list[Any]]) -> list[Any]:
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
