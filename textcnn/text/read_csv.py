"""Tables of cells with a delimiter between them, under a header line, by Python's csv module."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.text.read_header import SEP, Header
from textcnn.text.read_source import LONGEST, MARK, Source, too_long
from textcnn.text.read_table import PEEK, Opened, Table
from textcnn.text.read_tabs import Reader, tab_cells

DELIMITERS = {"csv": ",\t;|", "tsv": "\t,;|"}  # the usual one first: it wins a tie
_BACKSLASH = re.compile(r'(\\[\\"])|\\')


def csv_table(source: Source, format: str, options: DataConfig) -> Table:
    """A table with a header line; quoted cells may hold delimiters and line ends.

    Args:
        source: the file.
        format: ``csv`` or ``tsv``.
        options: where they say ``auto`` as the format, the delimiter is the one that cuts the header into the most
            cells, not the usual one; whether quotes are text, and what escapes them.

    Raises:
        DataError: no header, two columns of one name, quotes that do not pair up, a row unlike the header in length, or
            a row that does not end: a quote that is never closed must not swallow a file whole.
    """
    declared, head = _declared(source.head_lines())
    candidates = DELIMITERS[format] if options.format == "auto" else DELIMITERS[format][0]
    delimiter = declared or _delimiter(head, candidates)
    reader = partial(_reader, delimiter, options)
    is_tabs = delimiter == "\t" and options.quotes == "auto"

    def start(notices: Counter[str]) -> Opened:
        rows = (tab_cells if is_tabs else _cells)(_lines(source, notices), notices, reader, source.name)
        if declared is not None:
            notices["sep_line"] += 1
            next(rows, None)
        _, names = next(rows, (0, None))
        if names is None:
            raise DataError("expected a header line with the names of the columns, found no line", path=source.name)
        first = list(itertools.islice(rows, 1))
        if Header.is_in_doubt(names, [cells for _, cells in first]):
            first += itertools.islice(rows, PEEK if source.again else 0)
        has_sep = declared is not None
        header = Header(names, [cells for _, cells in first], notices, source.name, delimiter, has_sep=has_sep)
        return header.columns, header.records(itertools.chain(first, rows))

    return Table(source.name, format, start, again=source.again, strip_labels=True, delimiter=delimiter)


def first_rows(lines: list[str]) -> tuple[str, list[str], list[str] | None]:
    """The delimiter of a table that begins with these lines, the cells of its header, and those of the row below.

    There are none of that row (None) where it does not end in these lines, or its quotes do not pair up.
    """
    declared, lines = _declared(lines)
    delimiter = declared or _delimiter(lines, DELIMITERS["csv"])
    names = next(csv.reader(lines[:1], delimiter=delimiter), [])
    try:
        row = next(csv.reader(lines[1:], delimiter=delimiter, strict=True), None)
    except csv.Error:
        row = None
    return delimiter, [name.strip() for name in names], row


def has_sep_line(lines: list[str]) -> bool:
    """Whether the first line is ``sep=``, by which Excel tells the delimiter."""
    return _declared(lines)[0] is not None


def _declared(lines: list[str]) -> tuple[str | None, list[str]]:
    """The delimiter that a line ``sep=`` tells, empty if it tells none; no such line: None. And the other lines."""
    if not lines or (found := SEP.match(lines[0])) is None:
        return None, lines
    return {None: "", "\\t": "\t"}.get(found[1], found[1]), lines[1:]


def _delimiter(lines: list[str], candidates: str) -> str:
    cells = {delimiter: len(next(csv.reader(lines[:1], delimiter=delimiter), [])) for delimiter in candidates}
    return max(cells, key=cells.__getitem__)


def _reader(delimiter: str, options: DataConfig, lines: Any) -> Any:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))  # one for the whole process: raised, never lowered
    quoting: Any = csv.QUOTE_NONE if options.quotes == "text" else csv.QUOTE_MINIMAL
    if options.escape:  # of a quote and of itself; any other backslash is text, which csv would drop
        lines = (_BACKSLASH.sub(lambda found: found[1] or r"\\", line) if "\\" in line else line for line in lines)
    return csv.reader(
        lines, delimiter=delimiter, strict=True, quoting=quoting, escapechar="\\" if options.escape else None
    )


def _lines(source: Source, notices: Counter[str]) -> Iterator[str]:
    """The lines with their ends; where files were joined, no byte order mark stands between quoted cells."""
    for line in source.lines(notices, newline=""):
        if MARK in line:
            notices["marks"] += line.count(f'"{MARK}"')
            line = line.replace(f'"{MARK}"', '""')
        yield line


def _cells(
    all_lines: Iterable[str], notices: Counter[str], reader: Reader, name: str
) -> Iterator[tuple[int, list[str]]]:
    line = held = 0

    def lines() -> Iterator[str]:
        nonlocal held
        for part in all_lines:
            held += len(part)
            if held > LONGEST:
                raise too_long("a row", name, line)
            yield part

    rows = reader(lines())
    while True:
        line, held = rows.line_num + 1, 0
        try:
            cells = next(rows, None)
        except csv.Error as err:
            raise DataError(
                f'expected quotes that pair up, found: {err}; write a quoted cell as "..." and a quote in it as "", '
                r"or, where they are written as \", say --escape backslash; where quotes are text, say --quotes text",
                path=name,
                line=line,
            ) from err
        if cells is None:
            return
        if cells:
            yield line, cells
        else:
            notices["blank_lines"] += 1
