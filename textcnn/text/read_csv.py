"""Tables of comma- or tab-separated cells under a header line, by Python's csv module."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

from textcnn.errors import DataError
from textcnn.text.read_source import LONGEST, Source, too_long
from textcnn.text.read_table import Opened, Record, Table, shown, unique_columns

DELIMITERS = {"csv": ",\t;|", "tsv": "\t,;|"}  # the usual one first: it wins a tie


def csv_table(source: Source, format: str, *, sniff: bool) -> Table:
    """A table with a header line; quoted cells may hold delimiters and line ends.

    Args:
        source: the file.
        format: ``csv`` or ``tsv``.
        sniff: take the delimiter that cuts the header into the most cells, not the usual one of the format.

    Raises:
        DataError: no header, two columns of one name, quotes that do not pair up, a row unlike the header in length, or
            a row that does not end: a quote that is never closed must not swallow a file whole.
    """
    delimiter = _delimiter(source, DELIMITERS[format]) if sniff else DELIMITERS[format][0]

    def start(notices: Counter[str]) -> Opened:
        rows = _cells(source, delimiter, notices)
        _, header = next(rows, (0, None))
        if header is None:
            raise DataError("expected a header line with the names of the columns, found no line", path=source.name)
        columns = unique_columns([cell.strip() for cell in header], source.name)
        return columns, _records(rows, columns, source.name, delimiter)

    return Table(source.name, format, start, again=source.again, strip_labels=True, delimiter=delimiter)


def header_cells(source: Source) -> list[str]:
    """The cells of the first line, cut by the delimiter that makes the most of them."""
    return _cut(source, _delimiter(source, DELIMITERS["csv"]))


def _delimiter(source: Source, candidates: str) -> str:
    cells = {delimiter: len(_cut(source, delimiter)) for delimiter in candidates}
    return max(cells, key=cells.__getitem__)


def _cut(source: Source, delimiter: str) -> list[str]:
    header = source.head_lines()[:1]
    return [cell.strip() for cell in next(csv.reader(header, delimiter=delimiter), [])]


def _cells(source: Source, delimiter: str, notices: Counter[str]) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))  # one for the whole process: raised, never lowered
    line = held = 0

    def lines() -> Iterator[str]:
        nonlocal held
        for part in source.lines(notices, newline=""):
            held += len(part)
            if held > LONGEST:
                raise too_long("a row", source.name, line)
            yield part

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        line, held = reader.line_num + 1, 0
        try:
            cells = next(reader, None)
        except csv.Error as err:
            raise DataError(
                f'expected quotes that pair up, found: {err}; write a quoted cell as "..." and a quote in it as ""',
                path=source.name,
                line=line,
            ) from err
        if cells is None:
            return
        if cells:
            yield line, cells
        else:
            notices["blank_lines"] += 1


def _records(
    rows: Iterator[tuple[int, list[str]]], columns: tuple[str, ...], name: str, delimiter: str
) -> Iterator[Record]:
    for line, cells in rows:
        if len(cells) != len(columns):
            raise DataError(
                f"expected {len(columns)} cells as in the header, found {len(cells)}: {shown(cells)}; "
                f"quote a cell that holds {delimiter!r}",
                path=name,
                line=line,
            )
        yield line, dict(zip(columns, cells, strict=True))
