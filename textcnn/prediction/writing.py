"""Writes answers to a file as they arrive; its extension selects jsonl, csv, tsv or parquet, and compression."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, TextIO, TypeVar

from textcnn.atomic import is_replaceable, replaced_file
from textcnn.errors import DataError
from textcnn.prediction.answer_tables import AnswerTable, arrow_cells, arrow_column, csv_header, csv_lines, json_lines
from textcnn.reading.table import is_missing

FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
PACKINGS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_ROW_GROUP = 4096  # rows in memory at once; the first group determines the columns of a table

Row = dict[str, Any]
Item = TypeVar("Item")


def write_rows(rows: Iterable[Row], output: str, *, keep: bool = True) -> int:
    """Write every row to ``output`` (``-``: JSON lines on stdout) and return their number.

    In CSV, TSV and Parquet, lists become JSON in a cell, and columns of strings stay strings. An existing file is
    replaced only after the last row is written.

    Args:
        rows: the rows, consumed one by one.
        output: a file in one of :data:`FORMATS`, compressed if its name ends in one of :data:`PACKINGS`.
        keep: whether the rows written before a failure are kept in a separate file (:mod:`textcnn.atomic`).

    Raises:
        DataError: the extension is none of :data:`FORMATS`, the file cannot be written, or the rows do not fit into
            one table.
    """
    ending, _ = _kind(output)
    if ending == ".jsonl":
        count = 0

        def lines() -> Iterator[str]:
            nonlocal count
            for row in rows:
                count += 1
                yield json_line(row)

        write_lines(lines(), output, keep=keep)
        return count
    path = Path(output)
    rows = _started(rows)
    with _opened(output, keep) as file:
        if ending == ".parquet":
            return _write_parquet(rows, file, path)
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            return _write_csv(rows, text, "\t" if ending == ".tsv" else ",", path)
        finally:
            text.detach()  # flushes the buffer without closing the file, which its opener does


def write_tables(tables: Iterable[AnswerTable], output: str, *, keep: bool = True) -> None:
    """Write tables with the same columns to CSV, TSV or Parquet, byte for byte as :func:`write_rows` would.

    Arguments and errors are those of :func:`write_rows`.
    """
    ending, path = _kind(output)[0], Path(output)
    tables = _started(tables)
    with _opened(output, keep) as file:
        if ending == ".parquet":
            _write_arrow(_regrouped(tables), file, path)
            return
        delimiter = "\t" if ending == ".tsv" else ","
        for number, table in enumerate(tables):
            file.write(csv_header(list(table.columns), delimiter) if number == 0 else b"")
            file.write(csv_lines(table, delimiter, _json))


def write_lines(parts: Iterable[str | bytes], output: str, *, keep: bool = True) -> None:
    """Write parts of JSON lines to ``output``; each is flushed before the next one is requested.

    Arguments and errors are those of :func:`write_rows`.
    """
    parts = _started(parts)
    if output in STDOUT:
        _write_parts((part if isinstance(part, str) else part.decode() for part in parts), sys.stdout)
        return
    with _opened(output, keep) as file:
        _write_parts((part if isinstance(part, bytes) else _encoded(part) for part in parts), file)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def table_lines(table: AnswerTable) -> bytes:
    """Format the rows of a table as JSON lines, byte for byte as :func:`write_rows` would."""
    return json_lines(table, _json)


def is_json_lines(output: str) -> bool:
    """Whether the format of ``output`` is JSON lines, in which each row can be formatted without the others.

    Raises:
        DataError: the extension is none of :data:`FORMATS`.
    """
    return _kind(output)[0] == ".jsonl"


def _kind(output: str) -> tuple[str, str]:
    """Return the extensions of the format and of the compression; the second is empty if there is none."""
    if output in STDOUT:
        return ".jsonl", ""
    *_, ending, packing = "", "", *(suffix.lower() for suffix in Path(output).suffixes)
    if packing not in PACKINGS:
        ending, packing = packing, ""
    if ending in FORMATS and not (packing and ending == ".parquet"):
        return ending, packing
    if not ending and not packing and not is_replaceable(output):  # a pipe or a device
        return ".jsonl", ""
    shown = f"{', '.join(FORMATS)}, all but the last also with {', '.join(PACKINGS)}"
    raise DataError(f"expected an output that ends in {shown}, got {output!r}")


@contextlib.contextmanager
def _opened(output: str, keep: bool) -> Iterator[Any]:
    """Open the output for writing bytes, compressed according to its name."""
    with _reported(output), replaced_file(output, "wb", keep=keep) as file:
        packing = _kind(output)[1]
        if not packing:
            yield file
            return
        with PACKINGS[packing](file, "wb") as packed:
            yield packed


def json_line(row: Row) -> str:
    """Format a row as a JSON line."""
    return _json(row) + "\n"


def _write_parts(parts: Iterable[Any], file: IO[Any]) -> None:
    for part in parts:
        file.write(part)
        file.flush()


def _started(items: Iterable[Item]) -> Iterator[Item]:
    """Return the items after computing the first one."""
    # An error in the first row is raised before the output is opened, and leaves no file.
    items = iter(items)
    return chain(list(islice(items, 1)), items)


@contextlib.contextmanager
def _reported(output: str) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise DataError(f"cannot write answers: {err.strerror or err}", path=output) from err


def _write_csv(rows: Iterable[Row], file: TextIO, delimiter: str, path: Path) -> int:
    count = 0
    for columns, group in _groups(rows, path):
        writer = csv.DictWriter(file, columns, delimiter=delimiter, restval="")
        if not count:
            writer.writeheader()
        writer.writerows({name: "" if is_missing(cell) else cell for name, cell in row.items()} for row in group)
        count += len(group)
    return count


def _write_parquet(rows: Iterable[Row], file: IO[bytes], path: Path) -> int:
    count = 0

    def columns() -> Iterator[dict[str, Any]]:
        nonlocal count
        for names, group in _groups(rows, path):
            count += len(group)
            yield {name: [row.get(name) for row in group] for name in names}

    _write_columns(columns(), file, path)
    return count


def _write_arrow(tables: Iterable[AnswerTable], file: IO[bytes], path: Path) -> None:
    _write_columns(
        ({name: arrow_column(column, _json) for name, column in table.columns.items()} for table in tables), file, path
    )


def _write_columns(groups: Iterable[dict[str, Any]], file: IO[bytes], path: Path) -> None:
    """Write groups of columns (lists or pyarrow arrays) to Parquet; the first group determines the types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        for group in groups:
            if writer is None:
                schema = pa.schema([(name, _type(cells, pa)) for name, cells in group.items()])
                writer = pq.ParquetWriter(file, schema)
            arrays = [_array(group[field.name], field.type, pa) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as err:
        raise DataError(
            f"a carried column has values of several types: {err}; write .jsonl instead", path=path
        ) from err
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        pq.write_table(pa.table({}), file)


def _regrouped(tables: Iterable[AnswerTable]) -> Iterator[AnswerTable]:
    """Yield the same rows in tables of :data:`_ROW_GROUP` rows."""
    parts: list[AnswerTable] = []
    count = 0
    for table in tables:
        start = 0
        while start < len(table):
            stop = min(start + _ROW_GROUP - count, len(table))
            parts.append(table.part(start, stop))
            count, start = count + stop - start, stop
            if count == _ROW_GROUP:
                yield AnswerTable.concatenate(parts)
                parts, count = [], 0
    if parts:
        yield AnswerTable.concatenate(parts)


def _groups(rows: Iterable[Row], path: Path) -> Iterator[tuple[list[str], list[Row]]]:
    """Yield groups of rows, with lists and dictionaries as JSON, and the columns of the first group."""
    rows = iter(rows)
    columns: list[str] = []
    count = 0
    while group := [_flat(row) for row in islice(rows, _ROW_GROUP)]:
        columns = columns or list(dict.fromkeys(name for row in group for name in row))
        known = set(columns)
        for number, row in enumerate(group, start=count + 1):
            if added := row.keys() - known:
                raise DataError(
                    f"row {number} has the column {min(added)!r}, which none of the first {_ROW_GROUP:,} rows has; "
                    f"write .jsonl instead",
                    path=path,
                )
        count += len(group)
        yield columns, group


def _type(cells: Any, pa: Any) -> Any:
    """Return the type of a column: string if it contains strings, or if all its cells are missing so far."""
    if isinstance(cells, pa.Array):
        return cells.type
    cells = list(map(_flat_cell, cells))
    if any(isinstance(cell, str) for cell in cells):
        return pa.string()
    found = arrow_cells(cells).type
    return pa.string() if pa.types.is_null(found) else found


def _array(cells: Any, kind: Any, pa: Any) -> Any:
    """Convert the cells to an array of that type; in a string column other values are converted to strings."""
    if isinstance(cells, pa.Array) and cells.type == kind:
        return cells
    values = cells.to_pylist() if isinstance(cells, pa.Array) else list(map(_flat_cell, cells))
    is_text = pa.types.is_string(kind)
    cells = [str(cell) if is_text and cell is not None else cell for cell in values]
    made = arrow_cells(cells) if len({*map(type, cells)}) == 1 else None
    return made if made is not None and made.type == kind else pa.array(cells, kind)


def _flat(row: Row) -> Row:
    return {name: _flat_cell(cell) for name, cell in row.items()}


def _flat_cell(cell: Any) -> Any:
    return _json(cell) if isinstance(cell, (list, dict)) else cell


def _json(value: Any) -> str:
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str | None:
    """Convert a value of a type that JSON lacks to a string, or to none if it is missing."""
    return None if is_missing(value) else str(value)


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, default=_plain
)  # made once: `json.dumps` with options makes an encoder for every call


def _finite(value: Any) -> Any:
    """Return the value with NaN and infinities, which JSON lacks, replaced by none."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
