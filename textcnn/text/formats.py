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
from textcnn.text.schema import Schema

FORMATS = ("auto", "csv", "tsv", "jsonl", "json", "parquet", "fasttext", "folder", "lines")
LABEL = "__label__"
_FASTTEXT_LABEL = re.compile(rf"\s*{LABEL}(\S*)")
_LONGEST_NAME = 40  # characters of a column's name, where there is no more than the name to tell a header by
_ABOUT_FILES = ("title", "description", "message", "comment", "query", "headline", "abstract")  # of a whole JSON file
_USUAL = {*TEXT_NAMES, *LABEL_NAMES}
NEW = Schema()  # of no model


def file_table(path: Path | None, options: DataConfig, like: Schema = NEW) -> Table:
    """The table in a file, a folder with one sub-folder a label, or the standard input (``path`` None).

    Args:
        path: of the file or folder.
        options: format, encoding, quotes, and columns, by whose names a header is known.
        like: of a model, by whose columns a header is known too.

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
    return source_table(Source(path, options.encoding), options, like)


def source_table(source: Source, options: DataConfig, like: Schema = NEW) -> Table:
    """The table in a file, wherever it is opened from; arguments as for :func:`file_table`.

    Raises:
        DataError: the file is empty, or not what its format says.
    """
    head = source.head()
    if not head and (source.path is not None or source.again):
        raise DataError("expected rows, found an empty file", path=source.name)
    refuse_foreign(head, source.name)
    format = _sniff(source, options, like) if options.format == "auto" else options.format
    if format != "lines":
        refuse_page(head, source.name)
    if format in DELIMITERS:
        table = csv_table(source, format, options)
    elif format == "lines":
        table = _lines_table(source, is_guessed=options.format == "auto")
    elif format in ("parquet", "fasttext"):
        table = (parquet_table if format == "parquet" else _fasttext_table)(source)
    else:
        usual = (name for name in TEXT_NAMES if name not in _ABOUT_FILES)
        table = json_table(source, (*options.text_column, *like.text_columns, *usual))
    table.source = source
    return table


def _sniff(source: Source, options: DataConfig, like: Schema) -> str:
    """The format by the first bytes where they leave no doubt, else by the extension, else by the first lines."""
    if source.head().startswith(b"PAR1"):
        return "parquet"
    by_extension = EXTENSIONS.get(extension(source.file_name), "")
    lines = source.head_lines()
    if looks_like_json(source.head_text()):
        return "jsonl"
    if by_extension not in ("", "lines"):
        return by_extension
    if lines and lines[0].lstrip().startswith(LABEL):
        return "fasttext"
    if has_sep_line(lines):
        return "csv"
    whole = _whole_lines(source)
    delimiter, names, row = first_rows(whole)
    if not _has_header(whole, delimiter, names, row, options, like):
        return "lines"
    return "tsv" if delimiter == "\t" else "csv"


def _whole_lines(source: Source) -> list[str]:
    lines = source.head_lines()
    return lines[:-1] if len(lines) > 1 and source.is_cut() else lines


def _has_header(
    lines: list[str], delimiter: str, names: list[str], row: list[str] | None, options: DataConfig, like: Schema
) -> bool:
    """Whether the first line names columns: asked for, of training, or usual ones; the row below must fit to these."""
    trained = {*like.text_columns, *like.label_columns}
    if len(names) < 2:
        return bool({*names} & ({*options.text_column} | (trained if len(lines) > 1 else set())))
    if {*options.text_column} - {"text", "1"}:  # which plain lines do not have
        return True
    named = _USUAL | {name.lower() for name in (*options.text_column, *options.label_column, *trained)}
    if not _are_names(names) or not any(name.lower() in named for name in names):
        return False
    width = max(place for place, name in enumerate(names, start=1) if name)
    return delimiter == "\t" or row is None or len(row) >= width


def _are_names(cells: list[str]) -> bool:
    """Whether cells may be names of columns."""
    return len({*cells}) > 1 and all(len(cell) <= _LONGEST_NAME for cell in cells)


# ---------------------------------------------------------------------------------- fastText lines, plain lines


def _fasttext_table(source: Source) -> Table:
    """``__label__a __label__b some text``: a line's labels stand before its text."""
    return _line_table(source, "fasttext", _fasttext_cells, {}, split_labels=False)


def _lines_table(source: Source, *, is_guessed: bool) -> Table:
    """One text a line, blank ones too: one row in, one row out."""
    seen = _seen_cells(_whole_lines(source)) if is_guessed else {}
    return _line_table(source, "lines", lambda line: {"text": line}, seen)


def _seen_cells(lines: list[str]) -> dict[str, bool]:
    """What lines that are read as plain ones have of a table: as many tabs in each, or names of columns above cells."""
    delimiter, names, _ = first_rows(lines)
    counts = {line.count(delimiter) for line in lines}
    is_table = len(lines) > 1 and len(counts) == 1 and counts != {0}
    is_named = len(names) > 1 and " " not in lines[0] and _are_names(names)
    has_usual = any(name.lower() in _USUAL for name in names)
    return {
        "tabs": is_table and delimiter == "\t",
        "column_names": delimiter != "\t" and is_named and (is_table or has_usual),
    }


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


def _fasttext_cells(line: str) -> dict[str, Any]:
    labels, end = [], 0
    while found := _FASTTEXT_LABEL.match(line, end):
        labels.append(found[1])
        end = found.end()
    return {"text": line[end:].lstrip(), "label": labels if len(labels) > 1 else labels[0] if labels else None}
