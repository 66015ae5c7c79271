"""Cells between tabs: a quote is text, as in most such files, unless quotes pair up on a line as those of CSV do."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from textcnn.errors import DataError
from textcnn.text.read_source import LONGEST, MARK, too_long
from textcnn.text.read_table import shown

Reader = Callable[[Iterable[str]], Any]  # csv.reader with its settings


def tab_cells(
    lines: Iterator[str], name: str, notices: Counter[str], reader: Reader, *, before: int = 0, width: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row with the line it begins on; lines where quotes are text are counted.

    Quotes are syntax where they pair up on the line and that does not spoil the number of cells, which is that of the
    first row. A line with too few cells begins a row of several lines if a quoted cell is open at its end.

    Args:
        lines: with their ends.
        name: of the file.
        notices: counts what is worth a warning.
        reader: cuts lines where quotes are syntax.
        before: lines before these.
        width: cells of the first row of the file; 0: it is the first of these.
    """
    numbered = enumerate(lines, start=before + 1)
    for number, line in numbered:
        cells = line.rstrip("\r\n").split("\t")
        if '"' in line:
            paired = _paired(line, reader)
            if paired is None and len(cells) < width:
                cells = _over_lines((number, line), numbered, name, reader)
            elif paired is None or (len(paired) != width == len(cells)):
                notices["literal_quotes"] += 1
            else:
                cells = paired
        if cells == [""]:
            notices["blank_lines"] += 1
            continue
        width = width or len(cells)
        yield number, cells


def is_open(row: bytes, *, width: int, reader: Reader) -> bool:
    """Whether a line of UTF-8 with too few cells may begin a row of several lines."""
    line = row.decode().removeprefix(MARK).replace("\0", " ")
    return '"' in line and line.count("\t") + 1 < width and _paired(line, reader) is None


def _paired(line: str, reader: Reader) -> list[str] | None:
    try:
        return next(reader([line]), [""])
    except csv.Error:
        return None


def _over_lines(first: tuple[int, str], following: Iterator[tuple[int, str]], name: str, reader: Reader) -> list[str]:
    held = 0

    def lines() -> Iterator[str]:
        nonlocal held
        for _, line in itertools.chain([first], following):
            held += len(line)
            if held > LONGEST:
                raise too_long("a row", name, first[0])
            yield line

    try:
        return list(next(reader(lines())))
    except csv.Error as err:
        raise DataError(
            f"expected quotes that pair up, or as many cells between tabs as in the header, found {shown(first[1])}; "
            "where quotes are text, say --quotes text",
            path=name,
            line=first[0],
        ) from err
