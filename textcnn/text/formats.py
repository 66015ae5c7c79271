"""One reader a format: csv and tsv, JSON, Parquet, fastText lines, a folder per class, plain lines.

Each makes a :class:`~textcnn.text.read_table.Table`, which streams; :func:`file_table` finds out which one to use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from textcnn.config import ESCAPES, QUOTES, DataConfig
from textcnn.core.scan import TableForm, scan_rows
from textcnn.errors import ConfigError, DataError
from textcnn.text.blocks import BlockRecords
from textcnn.text.endings import EXTENSIONS, extension
from textcnn.text.foreign import refuse_foreign, refuse_page
from textcnn.text.read_columns import LABEL_NAMES, TEXT_NAMES
from textcnn.text.read_csv import DELIMITERS, csv_table, first_rows, has_sep_line
from textcnn.text.read_folder import folder_table
from textcnn.text.read_json import json_table, looks_like_json
from textcnn.text.read_parquet import parquet_table
from textcnn.text.read_source import LONGEST, Part, Source
from textcnn.text.read_table import Opened, Record, Table
from textcnn.text.scanning import Scanner, can_scan

FORMATS = ("auto", "csv", "tsv", "jsonl", "json", "parquet", "fasttext", "folder", "lines")
LABEL = "__label__"
_FASTTEXT_LABEL = re.compile(rf"\s*{LABEL}(\S*)")
_LONGEST_NAME = 40  # characters of a column's name, where there is no more than the name to tell a header by


def file_table(path: Path | None, options: DataConfig) -> Table:
    """The table in a file, a folder with one sub-folder a label, or the standard input (``path`` None).

    Raises:
        ConfigError: an unknown format, encoding, kind of quotes or escape.
        DataError: the file is empty, or not what its format says.
    """
    if options.format not in FORMATS:
        raise ConfigError(f"format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {options.format!r}")
    if options.quotes not in QUOTES or options.escape not in ESCAPES:
        found = f"{options.quotes!r} and {options.escape!r}"
        raise ConfigError(f"quotes must be {' or '.join(QUOTES)}, and escape backslash or none, got {found}")
    if path is not None and (path.is_dir() or options.format == "folder"):
        return folder_table(path, options.format, options.encoding)
    return source_table(Source(path, options.encoding), options)


def source_table(source: Source, options: DataConfig) -> Table:
    """The table in a file, wherever it is opened from.

    Raises:
        DataError: the file is empty, or not what its format says.
    """
    head = source.head()
    if not head and (source.path is not None or source.again):
        raise DataError("expected rows, found an empty file", path=source.name)
    refuse_foreign(head, source.name)
    format = _sniff(source, options) if options.format == "auto" else options.format
    if format != "lines":
        refuse_page(head, source.name)
    if format in DELIMITERS:
        table = csv_table(source, format, options)
    else:
        readers = {"parquet": parquet_table, "fasttext": _fasttext_table, "lines": _lines_table}
        table = readers.get(format, json_table)(source)
    table.source = source
    return table


def _sniff(source: Source, options: DataConfig) -> str:
    """The format by the first bytes where they leave no doubt, else by the extension, else by the first lines."""
    if source.head().startswith(b"PAR1"):
        return "parquet"
    by_extension = EXTENSIONS.get(extension(source.file_name), "")
    text, lines = source.head_text(), source.head_lines()
    if looks_like_json(text):
        return "jsonl"
    if by_extension not in ("", "lines"):
        return by_extension
    if lines and lines[0].lstrip().startswith(LABEL):
        return "fasttext"
    if has_sep_line(lines):
        return "csv"
    delimiter, rows = first_rows(lines[:10])
    return _as_table(delimiter) if _has_header(rows, len(lines) < 2, options) else "lines"


def _as_table(delimiter: str) -> str:
    return "tsv" if delimiter == "\t" else "csv"


def _has_header(rows: list[list[str]], is_alone: bool, options: DataConfig) -> bool:
    """Whether the first line names columns, a usual or wanted one among them, and the next has as many cells."""
    header = [cell.lower() for cell in rows[0]] if rows else []
    wanted = {name.lower() for name in (*options.text_column, *options.label_column)}
    named = wanted | set(TEXT_NAMES) | set(LABEL_NAMES)
    is_names = len(header) > 1 and len(set(header)) > 1 and all(len(cell) <= _LONGEST_NAME for cell in header)
    return (
        is_names
        and any(cell in named for cell in header)
        and (is_alone or len(rows) < 2 or len(rows[1]) == len(header))
    )


# ---------------------------------------------------------------------------------- fastText lines, plain lines


def _fasttext_table(source: Source) -> Table:
    """``__label__a __label__b some text``: a line's labels stand before its text."""
    return _line_table(source, "fasttext", _fasttext_cells, {}, split_labels=False)


def _lines_table(source: Source) -> Table:
    """One text a line, blank ones too: one row in, one row out."""
    tabs = {line.count("\t") for line in source.head_lines()[:-1]}  # the last one may be cut
    return _line_table(source, "lines", _text_cell, {"tabs": len(tabs) == 1 and tabs != {0}})


def _line_table(
    source: Source,
    format: str,
    cells: Callable[[str], dict[str, Any]],
    seen: dict[str, bool],
    *,
    split_labels: bool = True,
) -> Table:
    columns = tuple(cells(""))

    def records(lines: Iterator[str], notices: Counter[str], before: int = 0) -> Iterator[Record]:
        for number, line in enumerate(lines, start=before + 1):
            if line.strip() or format == "lines":
                yield number, cells(line.removesuffix("\n"))
            else:
                notices["blank_lines"] += 1

    def start(notices: Counter[str]) -> Opened:
        notices.update(seen)
        if format != "lines" or not can_scan(source):
            return columns, records(source.lines(notices), notices)
        notices["members_aside"] = source.aside

        def careful(part: Part) -> Iterator[Record]:
            return records(source.lines(notices, part=part), notices, part.before[1])

        form = TableForm(len(columns), LONGEST, keeps_blank=True)
        return columns, BlockRecords(Scanner(source, columns, partial(scan_rows, form=form), careful).blocks())

    return Table(source.name, format, start, again=source.again, split_labels=split_labels)


def _text_cell(line: str) -> dict[str, Any]:
    return {"text": line}


def _fasttext_cells(line: str) -> dict[str, Any]:
    labels, end = [], 0
    while found := _FASTTEXT_LABEL.match(line, end):
        labels.append(found[1])
        end = found.end()
    return {"text": line[end:].lstrip(), "label": labels if len(labels) > 1 else labels[0] if labels else None}
