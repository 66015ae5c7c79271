"""Answers to a file, by its extension: jsonl, csv, tsv or parquet, row by row."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from textcnn.errors import DataError

FORMATS = (".jsonl", ".csv", ".tsv", ".parquet")
_ROW_GROUP = 4096


def write_rows(rows: Iterable[dict[str, Any]], output: str) -> int:
    """Write every row to ``output`` (``-``: JSON lines on stdout) and return their number.

    In CSV, TSV and Parquet, lists are cells of JSON, and columns of strings stay strings.

    Raises:
        DataError: an extension that is none of :data:`FORMATS`, or a place that cannot be written.
    """
    if output == "-":
        return _write_jsonl(rows, sys.stdout)
    path = Path(output)
    if path.suffix not in FORMATS:
        raise DataError(f"expected an output that ends in {', '.join(FORMATS)}, got {output!r}")
    try:
        if path.suffix == ".parquet":
            return _write_parquet(rows, path)
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".jsonl":
                return _write_jsonl(rows, file)
            return _write_csv(rows, file, "\t" if path.suffix == ".tsv" else ",")
    except OSError as err:
        raise DataError(f"cannot write answers: {err.strerror}", path=output) from err


def _write_jsonl(rows: Iterable[dict[str, Any]], file: TextIO) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        count += 1
    file.flush()
    return count


def _write_csv(rows: Iterable[dict[str, Any]], file: TextIO, delimiter: str) -> int:
    writer: csv.DictWriter[str] | None = None
    count = 0
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(file, list(row), delimiter=delimiter, restval="")
            writer.writeheader()
        writer.writerow(_flat(row))
        count += 1
    return count


def _write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    count = 0
    for chunk in _chunks(rows):
        if writer is None:
            schema = _schema(pa, chunk)
            writer = pq.ParquetWriter(path, schema)
        try:
            writer.write_table(pa.Table.from_pylist(_as_schema(chunk, schema, pa), schema=schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as err:
            raise DataError(f"a carried column changes its type: {err}; write .jsonl instead", path=path) from err
        count += len(chunk)
    if writer is None:
        pq.write_table(pa.table({}), path)
    else:
        writer.close()
    return count


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while chunk := [_flat(row) for row in islice(rows, _ROW_GROUP)]:
        yield chunk


def _schema(pa: Any, chunk: list[dict[str, Any]]) -> Any:
    """Types of the first rows; a column that holds nothing yet may hold anything later: text."""
    inferred = pa.Table.from_pylist(chunk).schema
    return pa.schema([pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in inferred])


def _as_schema(chunk: list[dict[str, Any]], schema: Any, pa: Any) -> list[dict[str, Any]]:
    texts = {f.name for f in schema if pa.types.is_string(f.type)}
    return [
        {name: str(value) if name in texts and value is not None else value for name, value in row.items()}
        for row in chunk
    ]


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else value
        for name, value in row.items()
    }
