"""Parquet files, and the record batches of pyarrow that they and tables in memory are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from textcnn.errors import DataError
from textcnn.text.arrow_texts import ArrowTexts
from textcnn.text.blocks import Block, BlockRecords, Column
from textcnn.text.read_source import Source
from textcnn.text.read_table import Opened, Table, one_line, unique_columns

_ROWS = 128  # decoded at once: a dictionary can hold one long text for all of them
_BYTES, _BATCHES = 2**20, 128  # of a block: several are on their way at once


def parquet_table(source: Source) -> Table:
    """The table of a Parquet file, in blocks of about a megabyte."""

    def start(notices: Counter[str]) -> Opened:
        batches = _parquet_batches(source)
        columns = unique_columns(next(batches), source.name)
        return columns, BlockRecords(batch_blocks(_resized(batches), columns, source.name))

    return Table(source.name, "parquet", start, again=source.again)


def _parquet_batches(source: Source) -> Iterator[Any]:
    """The names of the columns, and then the record batches."""
    from pyarrow import parquet

    with source.open_seekable() as stream:
        try:
            file = parquet.ParquetFile(stream)
            yield file.schema_arrow.names
            yield from file.iter_batches(batch_size=_ROWS, row_groups=source.row_groups)
        except Exception as err:  # pyarrow raises what its parts meet: its own errors, OSError, ValueError, MemoryError
            raise DataError(f"expected a Parquet file, found: {one_line(err)}", path=source.name) from err


def batch_blocks(batches: Iterator[Any], columns: tuple[str, ...], name: str) -> Iterator[Block]:
    """The blocks of pyarrow's record batches, their rows numbered from 1.

    Raises:
        DataError: values that Python does not have, as a date in the year 300,000, or text that is not UTF-8.
    """
    count = 0
    for batch in batches:
        cells = [_values(column, title, name) for column, title in zip(batch.columns, columns, strict=True)]
        yield Block(dict(zip(columns, cells, strict=True)), np.arange(count + 1, count + len(batch) + 1))
        count += len(batch)


def _resized(batches: Iterator[Any]) -> Iterator[Any]:
    """The same rows in tables of about :data:`_BYTES`: large batches are cut without a copy, small ones are joined."""
    from pyarrow import Table as ArrowTable

    held: list[Any] = []
    size = 0
    try:
        for batch in map(_decoded, batches):
            rows = max(len(batch) * _BYTES // max(batch.nbytes, 1), 1)
            for start in range(0, len(batch), rows):
                held.append(batch.slice(start, rows))
                size += held[-1].nbytes
                if size >= _BYTES or len(held) == _BATCHES or _hides_its_size(batch):
                    yield ArrowTable.from_batches(held)
                    held, size = [], 0
    except DataError:
        if held:  # the rows before the error
            yield ArrowTable.from_batches(held)
        raise
    if held:
        yield ArrowTable.from_batches(held)


def _decoded(batch: Any) -> Any:
    """The batch with cells in the place of indices into a dictionary, so that its size is that of its cells."""
    from pyarrow import RecordBatch

    columns = [c.dictionary_decode() if hasattr(c, "dictionary_decode") else c for c in batch.columns]
    return RecordBatch.from_arrays(columns, batch.schema.names)


def _hides_its_size(batch: Any) -> bool:
    """Whether a column holds lists or records of entries of a dictionary, each of which may be long."""
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
