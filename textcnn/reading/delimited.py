"""Readers of delimited tables: CSV by the csv module, and tab-separated cells."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any

from textcnn.config import DataConfig
from textcnn.core.scan import Quotes, TableForm, scan_rows
from textcnn.errors import DataError
from textcnn.reading.columns import SEP, Header, is_numbered
from textcnn.reading.scanning import Scanner, can_scan
from textcnn.reading.source import LONGEST, MARK, Part, Source, too_long
from textcnn.reading.table import PEEK, BlockRecords, Opened, Record, Table, shown

DELIMITERS = {"csv": ",\t;|", "tsv": "\t,;|"}  # the usual one first: it wins a tie
_JOINED_MARK = f'"{MARK}"'
_BACKSLASH = re.compile(r'(\\[\\"])|\\')


def csv_table(source: Source, format: str, options: DataConfig) -> Table:
    """Read a table with a header line; quoted cells may contain delimiters and line ends.

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
        if is_scanned:  # it reads all rows after the header, including the peeked ones
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
    """Detect the delimiter from the first lines; return it with the cells of the header and of the next row.

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
    """Return whether the first line is ``sep=``, in which Excel declares the delimiter."""
    return _declared(lines)[0] is not None


def _declared(lines: list[str]) -> tuple[str | None, list[str]]:
    """Split off a ``sep=`` line; return its delimiter (empty if it has none; None without the line) and the rest."""
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
    """Yield lines with their ends; byte order marks in the middle of joined files are removed."""
    for line in source.lines(notices, newline="", part=part):
        if MARK in line:
            notices["marks"] += line.count(_JOINED_MARK)
            line = line.replace(_JOINED_MARK, '""')
        yield line


class Lines:
    """Iterator that counts the lines taken.

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
    """Splits the lines of a file into cells.

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
        """Yield the cells of each row with the line number it begins on.

        Args:
            lines: with their ends.
            notices: counts the notices by kind.
            before: lines before these.
            width: cells of a row; 0: these are the first lines, which show it.
        """
        if self._is_tabs:
            return tab_cells(lines, notices, self._reader, self._source.name, before=before, width=width)
        return _cells(lines, notices, self._reader, self._source.name, before)

    def can_scan(self) -> bool:
        """Return whether the core's scanner can cut the file."""
        return not self._options.escape and can_scan(self._source, self.delimiter)

    def scanner(self, header: Header, width: int, notices: Counter[str]) -> Scanner:
        """Return a scanner for the rows after the header, each of ``width`` cells."""

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
    line = length = 0

    def counted() -> Iterator[str]:
        nonlocal length
        for part in lines:
            length += len(part)
            if length > LONGEST:
                raise too_long("a row", name, line)
            yield part

    rows = reader(counted())
    while True:
        line, length = before + rows.line_num + 1, 0
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


Reader = Callable[[Iterable[str]], Any]  # csv.reader with its settings


def tab_cells(
    lines: Iterable[str], notices: Counter[str], reader: Reader, name: str, *, before: int = 0, width: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row with its line number; lines whose quotes are text are counted.

    Quotes are syntax where they pair up on the line and that does not spoil the number of cells, which is that of the
    header. A quoted cell continues on the next lines, up to the one that closes it, if the first line has too few
    cells; or, which is a guess and counted, if it is the last cell and each of these lines has too few.

    Args:
        lines: with their ends.
        notices: counts the notices by kind.
        reader: the csv reader, with its rules of quotes and escapes.
        name: name of the file, for messages.
        before: lines before these.
        width: cells of a row; 0: these are the first lines, which show it.

    Raises:
        DataError: a row has too few cells, and a quote that is not closed before the next row.
    """
    ahead = _Ahead(lines, before)
    widths = [width, 0] if width else []  # of the header and of the row below it, which may have a row number before it
    for number, line in ahead:
        width = max(widths, default=0)
        cells = line.rstrip("\r\n").split("\t")
        if '"' in line:
            paired = _parsed([line], reader)
            is_short = len(cells) < width
            if paired is None and (is_short or (len(cells) == width and cells[-1].startswith('"'))):
                paired = _over_lines(line, ahead, width, reader, is_short=is_short)
                notices["over_lines"] += paired is not None and not is_short
                if paired is None and is_short:
                    raise _unpaired(line, name, number)
            if paired is None or (len(paired) != width == len(cells)):
                notices["literal_quotes"] += 1
            else:
                cells = paired
        if cells == [""]:
            notices["blank_lines"] += 1
            continue
        if len(widths) < 2 and not SEP.match(line):
            widths.append(len(cells) if not widths or is_numbered(cells, widths[0]) else 0)
        yield number, cells


class _Ahead:
    """Iterator over numbered lines with lookahead."""

    def __init__(self, lines: Iterable[str], before: int) -> None:
        self._lines = enumerate(lines, start=before + 1)
        self._seen: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while self._seen or self._see():
            yield self._seen.popleft()

    def following(self) -> Iterator[str]:
        """Yield the next lines, as many as a row may have, without taking them."""
        length = 0
        for place in itertools.count():
            if length > LONGEST or (place == len(self._seen) and not self._see()):
                return
            length += len(self._seen[place][1])
            yield self._seen[place][1]

    def skip(self, count: int) -> None:
        """Take ``count`` lines."""
        for _ in range(count):
            self._seen.popleft()

    def _see(self) -> bool:
        count = len(self._seen)
        self._seen.extend(itertools.islice(self._lines, 1))
        return len(self._seen) > count


def may_go_on(row: bytes, following: bytes, *, width: int, reader: Reader) -> bool:
    """Return whether a line of UTF-8 may begin a multi-line row.

    Args:
        row: the line, with its end.
        following: the next line; empty if unknown.
        width: cells of a row.
        reader: as for :func:`tab_cells`.
    """
    line = row.decode().removeprefix(MARK).replace("\0", " ")
    if '"' not in line or _parsed([line], reader) is not None:
        return False
    cells = line.rstrip("\r\n").split("\t")
    is_last_open = len(cells) == width and cells[-1].startswith('"') and following.count(b"\t") + 1 != width
    return len(cells) < width or is_last_open


def _parsed(lines: Iterable[str], reader: Reader) -> list[str] | None:
    """Parse the first row of these lines; return None if its quotes do not pair up."""
    try:
        return list(next(reader(lines), [""]))
    except csv.Error:
        return None


def _over_lines(first: str, ahead: _Ahead, width: int, reader: Reader, *, is_short: bool) -> list[str] | None:
    """Take and parse a row that spans several lines; return None if another row begins before it ends."""
    widths: list[int] = []

    def lines() -> Iterator[str]:
        yield first
        for line in ahead.following():
            widths.append(line.count("\t") + 1)
            yield line
            if widths[-1] == width:  # and the quoted cell is not closed in it
                return

    cells = _parsed(lines(), reader)
    if cells is None or len(cells) < width or (not is_short and widths[-1] >= width):
        return None
    ahead.skip(len(widths))
    return cells


def _unpaired(line: str, name: str, number: int) -> DataError:
    return DataError(
        f"expected quotes that pair up, or as many cells between tabs as in the header, found {shown(line)}; "
        "where quotes are text, say --quotes text; where quoted cells hold tabs and go over lines, say --quotes csv",
        path=name,
        line=number,
    )
