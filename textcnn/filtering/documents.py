"""Reads the documents of a shard in blocks, each of which can give back any of its documents as they were.

A line of JSON is given back byte by byte, a row of Parquet with the types of its file.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.scan import scan_objects, take_bytes
from textcnn.errors import DataError
from textcnn.filtering.shards import PARQUET, Shard
from textcnn.reading.columnar import record_batches, resized
from textcnn.reading.columns import TEXT_NAMES, first_usual
from textcnn.reading.schema import Schema
from textcnn.reading.source import LONGEST, SURROGATE, Source, too_long
from textcnn.reading.table import PEEK, shown
from textcnn.tokenization.arrow_texts import ArrowTexts, arrow_numbers

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

BLOCK = 2**19  # bytes of JSON lines in a block
NO_TEXT, NO_TOKEN = "no text", "no token that the model reads"
NOT_UTF8, NOT_OBJECT, NOT_TEXT = "bytes that are not UTF-8", "not a JSON object", "a text that is no string"
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Documents:
    """The documents of a block.

    Attributes:
        texts: the text of each; empty where there is none.
        reasons: why a document has no text, by its position.
        numbers: ``(N,)``, the line or row of each in its file, from 1.
        has_column: whether any of them has a value in the column of texts.
    """

    texts: ArrowTexts
    reasons: dict[int, str]
    numbers: Integers
    has_column: bool = True

    def __len__(self) -> int:
        return len(self.numbers)


class Block(Protocol):
    """Consecutive documents as they stand in their file; parsed by the thread that classifies them."""

    def documents(self) -> Documents:
        """Return the documents with their texts."""

    def take(self, kept: Booleans) -> Any:
        """Return those of the documents ``(N,)`` as the writer of the format takes them."""

    def show(self, place: int) -> Any:
        """Return one document as a JSON value, for the file of rejected documents."""


def read_blocks(shard: Shard, column: str) -> Generator[Block, None, None]:
    """Yield the documents of a shard in blocks of bounded memory.

    Raises:
        DataError: the file is damaged, a line is too long, or the Parquet file has no such column of strings.
    """
    yield from _tables(shard, column) if shard.format == PARQUET else _lines(shard.source(), column)


# --------------------------------------------------------------------------------------------------- JSON lines


class LineBlock:
    """Whole lines of JSON.

    Args:
        data: their bytes.
        first: the number of the first line.
        column: the key of the texts.
        keys: the keys of the objects of this file in their order, if the core can cut them; else none.
    """

    def __init__(self, data: bytes, first: int, column: str, keys: Sequence[str]) -> None:
        self._data, self._column, self._keys = np.frombuffer(data, np.uint8), column, keys
        ends = np.flatnonzero(self._data == ord("\n")) + 1
        if not len(ends) or ends[-1] < len(data):
            ends = np.append(ends, len(data))
        begins = np.concatenate([[0], ends[:-1]])
        spans = zip(begins.tolist(), ends.tolist(), strict=True)
        self._num_lines = len(ends)
        self._places = np.flatnonzero([not data[begin:end].isspace() for begin, end in spans])  # lines with documents
        self._begins, self._ends = begins[self._places].astype(np.int64), ends[self._places].astype(np.int64)
        self._numbers = first + self._places

    def documents(self) -> Documents:
        """Return the documents; lines that the core does not cut are parsed one by one."""
        found = self._scanned()
        if found is None:
            parsed = [self._parsed(place) for place in range(len(self._places))]
            reasons = {place: reason for place, (_, reason) in enumerate(parsed) if reason}
            has_column = any(reason in ("", NOT_TEXT) for _, reason in parsed)
            return self._made(ArrowTexts.of(text for text, _ in parsed), reasons, has_column)
        data, begins, ends, careful = found
        parsed = [self._parsed(place) for place in careful]
        parts = [text.encode() for text, _ in parsed]
        if careful:
            ends[careful] = len(data) + np.cumsum([len(part) for part in parts])
            begins[careful] = ends[careful] - [len(part) for part in parts]
            data = np.concatenate([data, np.frombuffer(b"".join(parts), np.uint8)])
        reasons = {place: reason for place, (_, reason) in zip(careful, parsed, strict=True) if reason}
        return self._made(ArrowTexts(*take_bytes(data, begins, ends)), reasons, True)

    def _made(self, texts: ArrowTexts, reasons: dict[int, str], has_column: bool) -> Documents:
        return Documents(texts.without_nuls()[0], reasons, self._numbers, has_column)

    def _scanned(self) -> tuple[npt.NDArray[np.uint8], Integers, Integers, list[int]] | None:
        """Return unescaped bytes, where each text begins and ends in them, and the documents that the core left out.

        None where it cannot cut the lines of this block.
        """
        if self._column not in self._keys or core.library() is None or not len(self._places):
            return None
        try:
            self._data.tobytes().decode()
        except UnicodeDecodeError:
            return None
        data = self._data.copy()
        found = scan_objects(data, self._keys, LONGEST, is_last=True, most_rows=self._num_lines)
        if found.is_foreign or len(found.odd) < self._num_lines:
            return None
        rows, column = self._places, self._keys.index(self._column)
        left_out = found.odd[rows] != 0
        if found.scalars is not None:
            left_out |= found.scalars[rows, column] != 0
        return data, found.begins[rows, column], found.ends[rows, column], np.flatnonzero(left_out).tolist()

    def _parsed(self, place: int) -> tuple[str, str]:
        """Return the text of a document, and the reason if it has none."""
        try:
            value = json.loads(self._bytes(place).decode())
        except UnicodeDecodeError:
            return "", NOT_UTF8
        except (ValueError, RecursionError):
            return "", NOT_OBJECT
        if not isinstance(value, dict):
            return "", NOT_OBJECT
        text = value.get(self._column)
        if not isinstance(text, str):
            return "", NO_TEXT if text is None else NOT_TEXT
        return (text if text.isascii() else SURROGATE.sub("\ufffd", text)), ""

    def some_keys(self) -> list[str]:
        """Return the keys of the first objects, each once."""
        found: dict[str, None] = {}
        for place in range(min(len(self._places), PEEK)):
            with suppress(ValueError, RecursionError):
                value = json.loads(self._bytes(place))
                found |= dict.fromkeys(value) if isinstance(value, dict) else {}
        return list(found)

    def _bytes(self, place: int) -> bytes:
        return self._data[self._begins[place] : self._ends[place]].tobytes()

    def take(self, kept: Booleans) -> npt.NDArray[np.uint8]:
        """Return the bytes of the kept lines."""
        if kept.all() and len(kept) == self._num_lines:
            return self._data
        begins, ends = self._begins[kept], self._ends[kept]
        if core.library() is not None:
            return take_bytes(self._data, begins, ends)[0]
        parts = zip(begins.tolist(), ends.tolist(), strict=True)
        return np.concatenate([self._data[:0], *(self._data[begin:end] for begin, end in parts)])

    def show(self, place: int) -> str:
        """Return the line as a string."""
        return self._bytes(place).decode("utf-8", "backslashreplace").rstrip("\r\n")


def _lines(source: Source, column: str) -> Generator[LineBlock, None, None]:
    with source.open() as stream:
        left, first, keys, is_last = b"", 1, None, False
        while not is_last:
            data, is_last = _more(stream, left)
            if first == 1 and keys is None:
                data = data.removeprefix(_MARK)
            end = len(data) if is_last else data.rfind(b"\n") + 1
            block, left = data[:end], data[end:]
            if len(left) >= LONGEST:
                raise too_long("a line", source.name, first)
            if block:
                keys = keys or _keys(block)
                yield LineBlock(block, first, column, keys)
                first += block.count(b"\n")


def _more(stream: Any, left: bytes) -> tuple[bytes, bool]:
    """Return what was left and at least as much again, and whether that is all."""
    parts, wanted = [left], max(BLOCK, len(left))
    while wanted > 0:
        part = stream.read1(BLOCK)
        if not part:
            return b"".join(parts), True
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts), False


def _keys(block: bytes) -> tuple[str, ...]:
    """Return the keys of the first object that the core can cut; none if there is no such object in the block."""
    for line in block.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value and not any(isinstance(cell, (dict, list)) for cell in value.values()):
            return tuple(value) if all(key.isprintable() and not set(key) & {'"', "\\"} for key in value) else ()
    return ()


# ------------------------------------------------------------------------------------------------------- Parquet


class TableBlock:
    """Rows of a Parquet file.

    Args:
        table: the rows.
        first: the number of the first row.
        column: the column of the texts.
    """

    def __init__(self, table: Any, first: int, column: str) -> None:
        self._table, self._first, self._column = table, first, column

    def documents(self) -> Documents:
        """Return the documents, without a copy where the column has strings alone."""
        import pyarrow as pa

        cells = self._table.column(self._column).combine_chunks()
        cells = cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells
        nulls = cells.is_null().to_pylist() if cells.null_count else ()
        reasons = {place: NO_TEXT for place, is_null in enumerate(nulls) if is_null}
        texts = ArrowTexts.of_arrow(cells.fill_null("") if reasons else cells)
        if texts is None:  # bytes that are not UTF-8
            found = []
            for place, cell in enumerate(cells.cast(pa.large_binary()).to_pylist()):
                try:
                    found.append((cell or b"").decode())
                except UnicodeDecodeError:
                    reasons[place] = NOT_UTF8
                    found.append("")
            texts = ArrowTexts.of(found)
        return Documents(texts.without_nuls()[0], reasons, self._first + np.arange(len(self._table)))

    def take(self, kept: Booleans) -> Any:
        """Return the kept rows as a table."""
        import pyarrow as pa

        if kept.all():
            return self._table
        table = self._table
        for place, field in enumerate(table.schema):
            if pa.types.is_string_view(field.type):  # which Arrow does not filter; the writer puts the type back
                table = table.set_column(place, field.name, table.column(place).cast(pa.large_string()))
        return table.filter(arrow_numbers(kept))

    def show(self, place: int) -> Any:
        """Return the row as a dictionary of JSON values."""
        try:
            return json.loads(json.dumps(self._table.slice(place, 1).to_pylist()[0], default=shown))
        except UnicodeDecodeError:
            return None


def _tables(shard: Shard, column: str) -> Generator[TableBlock, None, None]:
    import pyarrow as pa

    batches = record_batches(shard.source())
    schema = next(batches)
    if schema.names.count(column) != 1:
        listed = ", ".join(map(repr, schema.names[:10])) or "none"
        raise DataError(
            f"expected one column {column!r}, found {listed}; say which with --text-column", path=shard.file
        )
    kind = schema.field(column).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(test(value) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
        raise DataError(f"expected strings in column {column!r}, found {kind}", path=shard.root.shown(shard.file))
    first = 1
    for table in resized(batches):
        yield TableBlock(table, first, column)
        first += len(table)


def text_column_of(shards: Sequence[Shard], asked: str | None, like: Schema) -> str:
    """Return the column of the texts: the one asked for, or that which the first readable shard has.

    That is the column that the model was trained on, or one with a usual name, such as "text".

    Raises:
        DataError: it has no such column.
    """
    if asked is not None:
        return asked
    trained = like.text_columns[:1] if len(like.text_columns) == 1 else ()
    for shard in shards:
        names: Sequence[str] = ()
        with suppress(DataError):  # a damaged file is reported when it is filtered
            names = _columns(shard)
        if not names:
            continue
        found = next((name for name in trained if name in names), None) or first_usual(names, TEXT_NAMES)
        if found is None:
            listed = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
            problem = f"expected a column of texts, found {listed}; say which one it is with --text-column"
            raise DataError(problem, path=shard.root.shown(shard.file))
        return found
    return trained[0] if trained else TEXT_NAMES[0]


def _columns(shard: Shard) -> Sequence[str]:
    """Return the names of the columns of a Parquet file, or the keys of the first objects of JSON lines."""
    if shard.format == PARQUET:
        return list(next(record_batches(shard.source())).names)
    with closing(_lines(shard.source(), "")) as blocks:
        return [key for block in islice(blocks, 1) for key in block.some_keys()]
