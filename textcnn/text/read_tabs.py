"""Cells between tabs: a quote is text, as in most such files, unless quotes pair up as those of CSV do."""

from __future__ import annotations

import csv
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from textcnn.errors import DataError
from textcnn.text.read_header import SEP, is_numbered
from textcnn.text.read_source import LONGEST, MARK
from textcnn.text.read_table import shown

Reader = Callable[[Iterable[str]], Any]  # csv.reader with its settings


def tab_cells(
    lines: Iterable[str], notices: Counter[str], reader: Reader, name: str, *, before: int = 0, width: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row with the line it begins on; lines where quotes are text are counted.

    Quotes are syntax where they pair up on the line and that does not spoil the number of cells, which is that of the
    header. A quoted cell goes on in the next lines, up to the one that closes it, where the first has too few cells;
    or, which is a guess and counted, where it is the last cell and each of these lines has too few.

    Args:
        lines: with their ends.
        notices: counts what is worth a warning.
        reader: knows quotes, and what escapes them.
        name: of the file, for messages.
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
    """Lines with their numbers, of which the next ones can be seen before they are taken."""

    def __init__(self, lines: Iterable[str], before: int) -> None:
        self._lines = enumerate(lines, start=before + 1)
        self._seen: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while self._seen or self._see():
            yield self._seen.popleft()

    def following(self) -> Iterator[str]:
        """The next lines, as many as a row may have, which stay to be taken."""
        held = 0
        for place in itertools.count():
            if held > LONGEST or (place == len(self._seen) and not self._see()):
                return
            held += len(self._seen[place][1])
            yield self._seen[place][1]

    def skip(self, count: int) -> None:
        """Take as many lines."""
        for _ in range(count):
            self._seen.popleft()

    def _see(self) -> bool:
        count = len(self._seen)
        self._seen.extend(itertools.islice(self._lines, 1))
        return len(self._seen) > count


def may_go_on(row: bytes, following: bytes, *, width: int, reader: Reader) -> bool:
    """Whether a line of UTF-8 may begin a row of several lines.

    Args:
        row: the line, with its end.
        following: the line behind it; empty where it is not known.
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
    """The cells of the row that begins these lines; None if its quotes do not pair up."""
    try:
        return list(next(reader(lines), [""]))
    except csv.Error:
        return None


def _over_lines(first: str, ahead: _Ahead, width: int, reader: Reader, *, is_short: bool) -> list[str] | None:
    """The cells of a row that ends in one of the next lines, which are taken; None if a row of its own comes before."""
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
