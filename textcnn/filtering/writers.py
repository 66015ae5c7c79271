"""Writes the documents of a shard to a file of the same format; the same documents always give the same bytes."""

from __future__ import annotations

import gzip
from types import TracebackType
from typing import IO, Any, Protocol, Self

from textcnn.errors import DataError
from textcnn.filtering.shards import PARQUET, Shard
from textcnn.reading.table import one_line

_GROUP_BYTES = 2**25  # of a row group of Parquet, which is in memory until it is written
_GZIP_LEVEL = 6


class Writer(Protocol):
    """An open file of documents, closed at the end of its ``with`` block."""

    def write(self, documents: Any) -> None:
        """Append what ``Block.take`` gives."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class LineWriter:
    """Writes lines, compressed by the ending of the file's name."""

    def __init__(self, path: str, packing: str) -> None:
        self._file = open(path, "wb")  # noqa: SIM115 (closed by __exit__)
        self._packed: IO[bytes] | Any = self._file
        if packing == ".gz":  # without the name and time that gzip would store
            self._packed = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._file, mtime=0)
        elif packing == ".zst":
            import pyarrow

            self._packed = pyarrow.CompressedOutputStream(self._file, "zstd")

    def write(self, documents: Any) -> None:
        """Append lines of bytes."""
        self._packed.write(memoryview(documents))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._packed is not self._file:
                self._packed.close()
        finally:
            self._file.close()


class TableWriter:
    """Writes rows with the schema and compression of a Parquet file."""

    def __init__(self, path: str, shard: Shard) -> None:
        from pyarrow import parquet

        with shard.source().open_seekable() as stream:
            file = parquet.ParquetFile(stream)
            self._schema = file.schema_arrow
            groups = file.metadata
            codec = (
                groups.row_group(0).column(0).compression if groups.num_row_groups and groups.num_columns else "SNAPPY"
            )
        codec = "none" if codec == "UNCOMPRESSED" else codec.lower()
        self._writer = parquet.ParquetWriter(path, self._schema, compression=codec)
        self._waiting: list[Any] = []
        self._size = 0

    def write(self, documents: Any) -> None:
        """Append the rows of a table."""
        if len(documents):
            self._waiting.append(documents)
            self._size += documents.nbytes
        if self._size >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            table = pa.concat_tables([part.cast(self._schema) for part in self._waiting])
            self._writer.write_table(table, row_group_size=len(table))
            self._waiting, self._size = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()


def open_writer(path: str, shard: Shard) -> Writer:
    """Create a file of the format and compression of a shard.

    Raises:
        DataError: the shard is no Parquet file, though its name says so.
    """
    if shard.format != PARQUET:
        return LineWriter(path, shard.packing)
    try:
        return TableWriter(path, shard)
    except (OSError, ValueError) as err:  # of pyarrow
        raise DataError(f"expected a Parquet file, found: {one_line(err)}", path=shard.root.shown(shard.file)) from err
