"""Tables of cells with a delimiter between them, under a header line, by Python's csv module."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

from textcnn.config import DataConfig
from textcnn.core.scan import Quotes, TableForm, scan_rows
from textcnn.errors import DataError
from textcnn.text.blocks import BlockRecords
from textcnn.text.read_header import SEP, Header, is_numbered
from textcnn.text.read_source import LONGEST, MARK, Part, Source, too_long
from textcnn.text.read_table import PEEK, Opened, Record, Table
from textcnn.text.read_tabs import Reader, may_go_on, tab_cells
from textcnn.text.scanning import Scanner, can_scan

DELIMITERS = {"csv": ",\t;|", "tsv": "\t,;|"}  # the usual one first: it wins a tie
_JOINED_MARK = f'"{MARK}"'
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
    cells = Cells(source, declared or _delimiter(head, candidates), options)

    def start(notices: Counter[str]) -> Opened:
        lines = Lines(_lines(source, notices))
        rows = cells.rows(lines, notices)
        if declared is not None:
            notices["sep_line"] += 1
            next(rows, None)
        _, names = next(rows, (0, None))
        if names is None:
            raise DataError("expected a header line with the names of the columns, found no line", path=source.name)
        skipped, is_plain, seen = lines.count, lines.are_plain, Counter(notices)
        first = list(itertools.islice(rows, 1))
        if Header.is_in_doubt(names, [row for _, row in first]):
            first += itertools.islice(rows, PEEK if source.again else 0)
        is_scanned = is_plain and declared is None and cells.can_scan() and not any('"' in name for name in names)
        if is_scanned:  # which sees all rows behind the header, the first ones too
            lines.close()
            notices.clear()
            notices.update(seen)
        has_sep = declared is not None
        header = Header(names, [row for _, row in first], notices, source.name, cells.delimiter, has_sep=has_sep)
        if not is_scanned:
            return header.columns, header.records(itertools.chain(first, rows))
        width = len(names) + (bool(first) and is_numbered(first[0][1], len(names)))
        return header.columns, BlockRecords(cells.scanner(header, width, notices).blocks(skipped))

    return Table(source.name, format, start, again=source.again, strip_labels=True, delimiter=cells.delimiter)


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


def _lines(source: Source, notices: Counter[str], part: Part | None = None) -> Generator[str, None, None]:
    """The lines with their ends; where files were joined, no byte order mark stands between quoted cells."""
    for line in source.lines(notices, newline="", part=part):
        if MARK in line:
            notices["marks"] += line.count(_JOINED_MARK)
            line = line.replace(_JOINED_MARK, '""')
        yield line


class Lines:
    """Lines that are counted as they are taken.

    Args:
        lines: with their ends as they are in the file.
    """

    def __init__(self, lines: Generator[str, None, None]) -> None:
        self._lines, self.count, self.are_plain = lines, 0, True

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        self.are_plain = self.are_plain and line.endswith("\n")  # and not by a carriage return alone
        return line

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class Cells:
    """How the lines of a file are cut into cells.

    Args:
        source: the file.
        delimiter: between cells.
        options: whether quotes are text, and what escapes them.
    """

    def __init__(self, source: Source, delimiter: str, options: DataConfig) -> None:
        self.delimiter, self._source, self._options = delimiter, source, options
        self._reader = partial(_reader, delimiter, options)
        self._is_tabs = delimiter == "\t" and options.quotes == "auto"

    def rows(
        self, lines: Iterator[str], notices: Counter[str], *, before: int = 0, width: int = 0
    ) -> Iterator[tuple[int, list[str]]]:
        """The cells of each row with the line it begins on.

        Args:
            lines: with their ends.
            notices: counts what is worth a warning.
            before: lines before these.
            width: cells of a row; 0: these are the first lines, which show it.
        """
        if self._is_tabs:
            return tab_cells(lines, notices, self._reader, self._source.name, before=before, width=width)
        return _cells(lines, notices, self._reader, self._source.name, before)

    def can_scan(self) -> bool:
        """Whether the core may cut the file."""
        return not self._options.escape and can_scan(self._source, self.delimiter)

    def scanner(self, header: Header, width: int, notices: Counter[str]) -> Scanner:
        """What cuts the rows behind a header, of which each has ``width`` cells."""

        def careful(part: Part) -> Iterator[Record]:
            lines = _lines(self._source, notices, part)
            return header.records(self.rows(lines, notices, before=part.before[1], width=width))

        is_text = self._options.quotes == "text"
        quotes = Quotes.ODD if self._is_tabs else Quotes.TEXT if is_text else Quotes.SYNTAX
        names = header.known if len(header.columns) > 1 else ()
        form = TableForm(len(header.columns), LONGEST, self.delimiter, quotes, names=tuple(names))
        goes_on = partial(may_go_on, width=width, reader=self._reader) if self._is_tabs else None
        cut = partial(scan_rows, form=form)
        return Scanner(self._source, header.columns, cut, careful, goes_on, _JOINED_MARK.encode())


def _cells(
    lines: Iterator[str], notices: Counter[str], reader: Reader, name: str, before: int
) -> Iterator[tuple[int, list[str]]]:
    line = held = 0

    def counted() -> Iterator[str]:
        nonlocal held
        for part in lines:
            held += len(part)
            if held > LONGEST:
                raise too_long("a row", name, line)
            yield part

    rows = reader(counted())
    while True:
        line, held = before + rows.line_num + 1, 0
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
