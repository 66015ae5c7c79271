"""Parquet files, and the record batches of pyarrow that they and tables in memory are made of."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from textcnn.errors import DataError
from textcnn.text.read_source import Source
from textcnn.text.read_table import Opened, Record, Table, one_line, unique_columns

_ROWS = 256  # at once: a dictionary can hold one long text for all of them


def parquet_table(source: Source) -> Table:
    """The table of a Parquet file, some hundreds of rows at a time."""

    def start(notices: Counter[str]) -> Opened:
        batches = _parquet_batches(source)
        columns = unique_columns(next(batches), source.name)
        return columns, batch_records(batches, columns, source.name)

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


def batch_records(batches: Iterator[Any], columns: tuple[str, ...], name: str) -> Iterator[Record]:
    """The rows of pyarrow's record batches as dictionaries of Python values, numbered from 1.

    Raises:
        DataError: values that Python does not have, as a date in the year 300,000, or text that is not UTF-8.
    """
    numbers = itertools.count(1)
    for batch in batches:
        cells = [_values(column, title, name) for column, title in zip(batch.columns, columns, strict=True)]
        for row in zip(*cells, strict=True):
            yield next(numbers), dict(zip(columns, row, strict=True))


def _values(column: Any, title: str, name: str) -> list[Any]:
    try:
        if str(column.type) == "float":  # of 32 bits: 0.1, as it is printed, and not 0.10000000149011612
            column = column.cast("string").cast("double")
        return list(column.to_pylist())
    except Exception as err:  # each type of value has its own way to fail
        raise DataError(
            f"expected values that Python can read in column {title!r}, found {column.type}: {one_line(err)}; "
            "leave the column out, or write it as text",
            path=name,
        ) from err
