"""Readers of columnar tables: Parquet files, data frames and tables in memory, data sets of the hub."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from textcnn.errors import DataError
from textcnn.reading.source import Source
from textcnn.reading.table import (
    PEEK,
    SHORT_FLOATS,
    Block,
    BlockRecords,
    Column,
    Opened,
    Record,
    Table,
    is_list,
    one_line,
    shown,
    unique_columns,
)
from textcnn.tokenization.arrow_texts import ArrowTexts

_ROWS = 128  # decoded at once: a dictionary can hold one long text for all of them
_BYTES, _BATCHES = 2**20, 128  # of a block: several are on their way at once


def parquet_table(source: Source) -> Table:
    """Read a Parquet file as a table, in blocks of about a megabyte."""

    def start(notices: Counter[str]) -> Opened:
        batches = record_batches(source)
        columns = unique_columns(next(batches).names, source.name)
        return columns, BlockRecords(batch_blocks(resized(map(_decoded, batches)), columns, source.name))

    return Table(source.name, "parquet", start, again=source.again)


def record_batches(source: Source) -> Iterator[Any]:
    """Yield first the schema of a Parquet file, then its record batches.

    Raises:
        DataError: it is damaged, or no Parquet file.
    """
    from pyarrow import parquet

    with source.open_seekable() as stream:
        try:
            file = parquet.ParquetFile(stream)
            yield file.schema_arrow
            yield from file.iter_batches(batch_size=_ROWS, row_groups=source.row_groups)
        except Exception as err:  # pyarrow raises what its parts meet: its own errors, OSError, ValueError, MemoryError
            raise DataError(f"expected a Parquet file, found: {one_line(err)}", path=source.name) from err


def batch_blocks(batches: Iterator[Any], columns: tuple[str, ...], name: str) -> Iterator[Block]:
    """Convert pyarrow record batches to blocks, numbering the rows from 1.

    Raises:
        DataError: values that Python does not have, as a date in the year 300,000, or text that is not UTF-8.
    """
    count = 0
    for batch in batches:
        cells = [_values(column, title, name) for column, title in zip(batch.columns, columns, strict=True)]
        yield Block(dict(zip(columns, cells, strict=True)), np.arange(count + 1, count + len(batch) + 1))
        count += len(batch)


def resized(batches: Iterator[Any]) -> Iterator[Any]:
    """Regroup rows into tables of about :data:`_BYTES`; large batches are sliced without a copy, small ones joined."""
    from pyarrow import Table as ArrowTable

    pending: list[Any] = []
    size = 0
    try:
        for batch in batches:
            rows = max(len(batch) * _BYTES // max(batch.nbytes, 1), 1)
            for start in range(0, len(batch), rows):
                pending.append(batch.slice(start, rows))
                size += pending[-1].nbytes
                if size >= _BYTES or len(pending) == _BATCHES or _hides_its_size(batch):
                    yield ArrowTable.from_batches(pending)
                    pending, size = [], 0
    except DataError:
        if pending:  # the rows before the error
            yield ArrowTable.from_batches(pending)
        raise
    if pending:
        yield ArrowTable.from_batches(pending)


def _decoded(batch: Any) -> Any:
    """Decode dictionary-encoded columns, so that a batch's size is that of its cells."""
    from pyarrow import RecordBatch

    columns = [c.dictionary_decode() if hasattr(c, "dictionary_decode") else c for c in batch.columns]
    return RecordBatch.from_arrays(columns, batch.schema.names)


def _hides_its_size(batch: Any) -> bool:
    """Return whether a nested column is dictionary-encoded, so that each entry may be long."""
    return any("dictionary<" in str(field.type) for field in batch.schema)


def _values(column: Any, title: str, name: str) -> Column:
    try:
        if str(column.type) == "float":  # of 32 bits: 0.1, as it is printed, and not 0.10000000149011612
            column = column.cast("string").cast("double")
            return list(column.to_pylist())
        texts = ArrowTexts.of_arrow(column)
        return list(column.to_pylist()) if texts is None else texts
    except Exception as err:  # each type of value has its own way to fail
        raise DataError(
            f"expected values that Python can read in column {title!r}, found {column.type}: {one_line(err)}; "
            "leave the column out, or write it as text",
            path=name,
        ) from err


CHUNK = 1000  # rows taken from a frame or data set at a time
ACCEPTED = (
    "a file, a folder, '-', a hub id 'owner/name', (texts, labels), a list of texts, of (text, label) pairs or of "
    "dicts, a dict of columns, a pandas or polars DataFrame, a pyarrow Table or a datasets.Dataset"
)


def memory_table(data: Any) -> Table:
    """Return the table in a Python object.

    Two lists are texts and labels, also where each has two items; tuples of two are (text, label) pairs.

    Raises:
        DataError: the object is none of the accepted ones, or its columns differ in length.
    """
    library = type(data).__module__.split(".")[0]
    if library == "datasets":
        return dataset_table(data, "<Dataset>")
    if library == "pyarrow" and hasattr(data, "schema"):
        return _arrow_table(data)
    if library == "pandas" and hasattr(data, "columns"):
        return _frame_table(data)
    if hasattr(data, "__arrow_c_stream__") and hasattr(data, "columns"):  # polars, DuckDB and others
        return _arrow_table(_arrow_of(data))
    if (names := getattr(getattr(data, "dtype", None), "names", None)) is not None:  # a structured array
        return _columns_table("<array>", {name: data[name].tolist() for name in names})
    if isinstance(data, Mapping):
        return _columns_table("<dict>", {str(name): _as_list(column, str(name)) for name, column in data.items()})
    if isinstance(data, (list, tuple)) or getattr(data, "ndim", 0) == 1:
        return _sequence_table(data, f"<{type(data).__name__}>")
    raise DataError(f"expected {ACCEPTED}, found {shown(data)} of type {type(data).__name__}")


def _sequence_table(data: Any, name: str) -> Table:
    if _is_columns(data):
        return _columns_table(name, {"text": _as_list(data[0], "text"), "label": _as_list(data[1], "label")})
    rows = _as_list(data, name)
    if not rows:
        raise DataError("expected rows, found an empty list", path=name)
    if isinstance(rows[0], Mapping):
        columns = tuple(dict.fromkeys(str(key) for row in rows[:PEEK] if isinstance(row, Mapping) for key in row))
        return _rows_table(name, rows, columns, _from_mapping, "a dict")
    if isinstance(rows[0], (tuple, list)):
        return _rows_table(name, rows, ("text", "label"), _from_pair, "a (text, label) pair")
    return _rows_table(name, rows, ("text",), _from_text, "a text")


def _is_columns(data: Any) -> bool:
    """Return whether a pair is (texts, labels), not two rows."""
    if len(data) != 2 or any(isinstance(part, (str, Mapping)) or not hasattr(part, "__len__") for part in data):
        return False
    return not all(isinstance(part, tuple) and len(part) == 2 for part in data)


def _from_mapping(row: Any) -> dict[str, Any] | None:
    return {str(key): value for key, value in row.items()} if isinstance(row, Mapping) else None


def _from_pair(row: Any) -> dict[str, Any] | None:
    is_pair = isinstance(row, (tuple, list)) and len(row) == 2
    return {"text": row[0], "label": row[1]} if is_pair else None


def _from_text(row: Any) -> dict[str, Any] | None:
    return None if is_list(row) or isinstance(row, Mapping) else {"text": row}


def _rows_table(
    name: str,
    rows: Sequence[Any],
    columns: tuple[str, ...],
    cells: Callable[[Any], dict[str, Any] | None],
    expected: str,
) -> Table:
    def records() -> Iterator[Record]:
        for number, row in enumerate(rows, start=1):
            record = cells(row)
            if record is None:
                raise DataError(f"expected {expected} as in row 1, found {shown(row)}", path=name, line=number)
            yield number, record

    return Table(name, "list", lambda _: (columns, records()))


def _columns_table(name: str, columns: dict[str, list[Any]]) -> Table:
    lengths = {column: len(cells) for column, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} in {column!r}" for column, length in lengths.items())
        raise DataError(f"expected columns of one length, found {found}", path=name)
    if not any(lengths.values()):
        raise DataError("expected rows, found empty columns", path=name)
    return Table(name, "columns", lambda _: (tuple(columns), _numbered([columns])))


def _as_list(column: Any, name: str) -> list[Any]:
    """Convert a list, array, Series or Arrow column to a list of Python values."""
    if getattr(getattr(column, "dtype", None), "name", "") in SHORT_FLOATS:  # 0.1, and not 0.10000000149011612
        column = column.astype(str).astype(float)
    for method in ("tolist", "to_pylist", "to_list"):
        if hasattr(column, method):
            return list(getattr(column, method)())
    if isinstance(column, (list, tuple)):
        return list(column)
    raise DataError(f"expected a list of cells for column {name!r}, found {shown(column)}")


def _numbered(chunks: Any) -> Iterator[Record]:
    """Yield numbered rows from chunks, each a dict of columns."""
    numbers = itertools.count(1)
    for chunk in chunks:
        for cells in zip(*chunk.values(), strict=True):
            yield next(numbers), dict(zip(chunk, cells, strict=True))


def _frame_table(frame: Any) -> Table:
    def start(_: Counter[str]) -> Opened:
        parts = (frame.iloc[first : first + CHUNK] for first in range(0, len(frame), CHUNK))
        return columns, _numbered(
            {name: _as_list(part.iloc[:, i], name) for i, name in enumerate(columns)} for part in parts
        )

    columns = unique_columns(list(frame.columns), "<DataFrame>")
    return Table("<DataFrame>", "pandas", start)


def _arrow_of(data: Any) -> Any:
    import pyarrow

    return pyarrow.table(data)


def _arrow_table(table: Any) -> Table:
    table = table.read_all() if hasattr(table, "read_all") else table  # a stream of batches, which is read once

    def start(_: Counter[str]) -> Opened:
        batches = table.to_batches(max_chunksize=CHUNK) if hasattr(table, "to_batches") else [table]
        return columns, BlockRecords(batch_blocks(iter(batches), columns, "<Table>"))

    columns = unique_columns(table.schema.names, "<Table>")
    return Table("<Table>", "arrow", start)


def dataset_table(dataset: Any, name: str) -> Table:
    """Return the table in a ``datasets.Dataset``; ClassLabel ids become names, -1 a missing label.

    Raises:
        DataError: the object is a dictionary of splits, or another kind of data set.
    """
    if isinstance(dataset, Mapping):
        splits = ", ".join(map(repr, dataset))
        raise DataError(
            f"expected one split of a data set, found the splits {splits}; choose one with [...]", path=name
        )
    if not hasattr(dataset, "with_format") or getattr(dataset, "column_names", None) is None:
        raise DataError(f"expected a datasets.Dataset, found a {type(dataset).__name__}", path=name)
    classes = {column: names for column, feature in dataset.features.items() if (names := _class_names(feature))}
    columns = tuple(dataset.column_names)

    def start(_: Counter[str]) -> Opened:
        chunks = dataset.with_format(None).iter(batch_size=CHUNK)
        return columns, _numbered({c: _named(chunk[c], classes.get(c)) for c in columns} for chunk in chunks)

    return Table(name, "datasets", start)


def _class_names(feature: Any) -> list[str] | None:
    """Return the names of a ClassLabel feature, or of a list of them."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)


def _named(cells: list[Any], names: list[str] | None) -> list[Any]:
    return cells if names is None else [_name(cell, names) for cell in cells]


def _name(cell: Any, names: list[str]) -> Any:
    if isinstance(cell, list):
        return [_name(item, names) for item in cell]
    return names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else None
