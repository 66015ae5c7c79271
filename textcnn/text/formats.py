"""One reader a file format: csv and tsv, jsonl, Parquet, fastText lines, a folder per class, plain lines.

Each makes a :class:`~textcnn.text.read_table.Table`, which streams; :func:`file_table` finds out which one to use.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError, DataError
from textcnn.text.read_columns import TEXT_NAMES
from textcnn.text.read_csv import DELIMITERS, csv_table, header_cells
from textcnn.text.read_folder import folder_table
from textcnn.text.read_parquet import parquet_table
from textcnn.text.read_source import SURROGATE, Source
from textcnn.text.read_table import DEEPEST, PEEK, Opened, Record, Table, is_deep, shown

FORMATS = ("auto", "csv", "tsv", "jsonl", "parquet", "fasttext", "folder", "lines")
EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json-lines": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ft": "fasttext",
    ".txt": "lines",  # or fasttext, as the first line shows
}
LABEL = "__label__"
_FASTTEXT_LABEL = re.compile(rf"\s*{LABEL}(\S*)")


def file_table(path: Path | None, format: str = "auto", encoding: str = "utf-8") -> Table:
    """The table in a file, a folder with one sub-folder a label, or the standard input (``path`` None).

    Raises:
        ConfigError: an unknown format or encoding.
        DataError: the file is empty, or not what its format says.
    """
    if format not in FORMATS:
        raise ConfigError(f"format must be {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, got {format!r}")
    if path is not None and (path.is_dir() or format == "folder"):
        return folder_table(path, format, encoding)
    return source_table(Source(path, encoding), format)


def source_table(source: Source, format: str = "auto") -> Table:
    """The table in a file, wherever it is opened from.

    Raises:
        DataError: the file is empty, or not what its format says.
    """
    table = _source_table(source, format)
    table.source = source
    return table


def _source_table(source: Source, format: str) -> Table:
    is_stdin = source.path is None and not source.again
    if is_stdin and format == "auto":
        return _lines_table(source)
    if not is_stdin and not source.head():
        raise DataError("expected rows, found an empty file", path=source.name)
    found = _sniff(source) if format == "auto" else format
    if found in DELIMITERS:
        return csv_table(source, found, sniff=format == "auto")
    tables = {"jsonl": _jsonl_table, "parquet": parquet_table, "fasttext": _fasttext_table, "lines": _lines_table}
    return tables[found](source)


def extension(name: str) -> str:
    """The extension that tells the format of a file, ``.gz`` left out."""
    return Path(name.lower().removesuffix(".gz")).suffix


def _sniff(source: Source) -> str:
    """The format by the extension; where that says nothing, by the first bytes."""
    by_extension = EXTENSIONS.get(extension(source.name), "")
    if by_extension not in ("", "lines"):
        return by_extension
    if source.head().startswith(b"PAR1"):
        return "parquet"
    first = next(iter(source.head_lines()), "").lstrip()
    if first.startswith(LABEL):
        return "fasttext"
    if by_extension:
        return by_extension
    if first.startswith("{"):
        return "jsonl"
    header = [cell.lower() for cell in header_cells(source)]
    return "csv" if len(header) > 1 and any(cell in TEXT_NAMES for cell in header) else "lines"


# --------------------------------------------------------------------------- jsonl, fastText lines, plain lines


def _jsonl_table(source: Source) -> Table:
    """One JSON object a line; the keys of the first objects are the columns."""

    def start(notices: Counter[str]) -> Opened:
        records = _objects(source, notices)
        head = list(itertools.islice(records, PEEK if source.again else 1))  # a pipe may be slow: do not wait for 100
        columns = dict.fromkeys(key for _, record in head for key in record)
        return tuple(columns), itertools.chain(head, records)

    return Table(source.name, "jsonl", start, again=source.again, strip_labels=True)


def _objects(source: Source, notices: Counter[str]) -> Iterator[Record]:
    for number, line in enumerate(source.lines(notices), start=1):
        if not line.strip():
            notices["blank_lines"] += 1
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as err:
            problem = f"expected one JSON object a line, found {shown(line)} ({err})"
            raise DataError(problem, path=source.name, line=number) from err
        if line.count("[") + line.count("{") > DEEPEST and is_deep(record):
            problem = f"expected lists and objects nested at most {DEEPEST} deep, found {shown(line)}; flatten it"
            raise DataError(problem, path=source.name, line=number)
        if not isinstance(record, dict):
            raise DataError(f"expected one JSON object a line, found {shown(record)}", path=source.name, line=number)
        yield number, _without_surrogates(record, notices) if "\\ud" in line.lower() else record


def _without_surrogates(value: Any, notices: Counter[str]) -> Any:
    """Halves of surrogate pairs, which JSON can escape but UTF-8 cannot write, become U+FFFD and are counted."""
    if isinstance(value, str):
        text, count = SURROGATE.subn("\ufffd", value)
        notices["surrogates"] += count
        return text
    if isinstance(value, list):
        return [_without_surrogates(item, notices) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key, notices): _without_surrogates(item, notices) for key, item in value.items()}
    return value


def _fasttext_table(source: Source) -> Table:
    """``__label__a __label__b some text``: a line's labels stand before its text."""
    return _line_table(source, "fasttext", _fasttext_cells, split_labels=False)


def _lines_table(source: Source) -> Table:
    """One text a line, blank ones too: one row in, one row out."""
    return _line_table(source, "lines", _text_cell)


def _line_table(
    source: Source, format: str, cells: Callable[[str], dict[str, Any]], *, split_labels: bool = True
) -> Table:
    columns = tuple(cells(""))

    def records(notices: Counter[str]) -> Iterator[Record]:
        for number, line in enumerate(source.lines(notices), start=1):
            if line.strip() or format == "lines":
                yield number, cells(line.removesuffix("\n"))
            else:
                notices["blank_lines"] += 1

    return Table(
        source.name, format, lambda notices: (columns, records(notices)), again=source.again, split_labels=split_labels
    )


def _text_cell(line: str) -> dict[str, Any]:
    return {"text": line}


def _fasttext_cells(line: str) -> dict[str, Any]:
    labels, end = [], 0
    while found := _FASTTEXT_LABEL.match(line, end):
        labels.append(found[1])
        end = found.end()
    return {"text": line[end:].lstrip(), "label": labels if len(labels) > 1 else labels[0] if labels else None}
