"""Fast block reader of delimited text and JSON lines: the core cuts regular rows, a reference reader all others.

The reference reader (``careful``) is the definition. It gets the bytes of each irregular row (another number of cells,
a NUL, a byte order mark, possibly a repeated header), or, from where the end of a row is uncertain (unpaired quotes, a
lone carriage return, invalid UTF-8), all remaining rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.scan import Scanned, take_bytes
from textcnn.errors import DataError
from textcnn.reading.compression import DAMAGE
from textcnn.reading.source import LONGEST, MARK, Part, Source
from textcnn.reading.table import Block, Column, LooseBlock, Record
from textcnn.tokenization.arrow_texts import ArrowTexts

BLOCK = 2**19  # bytes that are cut at once
ROWS = 2**14  # at most in a block
_PIECE = 2**16  # bytes of a read
_CAREFUL_ROWS, _CAREFUL_CHARACTERS = 512, 2**20  # of a block from the careful reader
_UTF8 = ("utf-8", "utf-8-sig")


class Cut(Protocol):
    """Interface of the functions that cut bytes into rows."""

    def __call__(self, data: npt.NDArray[np.uint8], /, *, is_last: bool, most_rows: int) -> Scanned:
        """Cut the complete rows at the start of ``data``, at most ``most_rows``; ``is_last``: the file ends with it."""


Careful = Callable[[Part], Iterator[Record]]


def can_scan(source: Source, delimiter: str = "") -> bool:
    """Return whether the core can cut this table: a file of UTF-8 with no delimiter, a tab or an ASCII sign."""
    is_known = delimiter in ("", "\t") or (len(delimiter) == 1 and "!" <= delimiter <= "~" and delimiter != '"')
    return source.again and source.used in _UTF8 and is_known and core.library() is not None


@dataclass
class Scanner:
    """Reads the rows of a file in blocks.

    Attributes:
        source: the file.
        columns: names of the cells of a row.
        cut: cuts bytes into rows; see :class:`Cut`.
        careful: the reference reader, which yields the rows of a part of the file.
        goes_on: whether a row that is odd may go on in the next line, which it is given too; none: it never does.
        foreign: bytes that only the careful reader understands; from the first of them on it reads the rest.
    """

    source: Source
    columns: tuple[str, ...]
    cut: Cut
    careful: Careful
    goes_on: Callable[[bytes, bytes], bool] | None = None
    foreign: bytes = b""

    def blocks(self, skipped: int = 0) -> Iterator[Block]:
        """Yield the rows after the first ``skipped`` lines.

        Raises:
            DataError: an error of the reference reader, raised after all rows before it were yielded.
        """
        with self.source.open() as stream:
            pieces = _Pieces(stream)
            size = pieces.drop(MARK.encode()) if self.source.used == "utf-8-sig" else 0
            skipped_bytes, lines = pieces.skip(skipped)
            yield from self._blocks(pieces, (size + skipped_bytes, lines))

    def _blocks(self, pieces: _Pieces, before: tuple[int, int]) -> Iterator[Block]:
        wanted, most_rows = BLOCK, max(min(ROWS, BLOCK // len(self.columns)), 1)
        while data := pieces.take(wanted):
            if self.foreign and self.foreign in data:
                pieces.give_back(data)
                yield from self._rest(pieces, before)
                return
            valid, is_last = _valid(data), pieces.is_last
            array = np.frombuffer(bytearray(data), np.uint8)
            is_whole = is_last and valid == len(data)
            found = self.cut(array[:valid], is_last=is_whole, most_rows=most_rows)
            stop, block, error = self._checked(array, data, found, before)
            if block is not None:
                yield block
            if error is not None:
                raise error
            done = found.place if stop == len(found.odd) else int(found.spans[stop, 0])
            lines = found.num_lines if stop == len(found.odd) else int(found.lines[stop])
            before = before[0] + done, before[1] + lines
            pieces.give_back(data[done:])
            is_end = is_last or pieces.damage is not None
            is_stuck = done == 0 and (is_end or valid + 3 < len(data) or len(data) >= LONGEST)
            if stop < len(found.odd) or found.is_foreign or is_stuck:
                yield from self._rest(pieces, before)
                return
            wanted = BLOCK if done else 2 * len(data)

    def _checked(
        self, array: npt.NDArray[np.uint8], data: bytes, found: Scanned, before: tuple[int, int]
    ) -> tuple[int, Block | None, DataError | None]:
        """Return the number of finished rows, their block, and the error that follows them."""
        stop, error, kept, instead = len(found.odd), None, found.odd == 0, _Instead(self.columns, found, len(array))
        for row in np.flatnonzero(found.odd).tolist():
            begin, end = found.spans[row].tolist()
            if self.goes_on is not None and self.goes_on(data[begin:end], data[end : data.find(b"\n", end) + 1]):
                stop = row
                break
            part = Part(io.BytesIO(data[begin:end]), (before[0] + begin, before[1] + int(found.lines[row])))
            try:
                for record in self.careful(part):
                    kept[row] = instead.put(row, record)
            except DataError as err:
                stop, error = row, err
                break
        kept[stop:] = False
        block = self._block(np.concatenate([array, instead.bytes()]) if instead.parts else array, found, kept, before)
        if instead.loose:
            records = [*block.records(), *instead.loose]
            block = LooseBlock(sorted(records, key=itemgetter(0)))
        return stop, block if len(block) else None, error

    def _block(
        self, array: npt.NDArray[np.uint8], found: Scanned, kept: npt.NDArray[np.bool_], before: tuple[int, int]
    ) -> Block:
        rows = slice(None) if kept.all() else kept
        begins, ends, lines = found.begins[rows], found.ends[rows], found.lines[rows]
        cells: dict[str, Column] = {}
        for column, name in enumerate(self.columns):
            texts = ArrowTexts(*take_bytes(array, begins[:, column], ends[:, column]))
            scalars = None if found.scalars is None else found.scalars[rows, column]
            cells[name] = texts if scalars is None or not scalars.any() else _values(texts, scalars)
        return Block(cells, lines + before[1] + 1)

    def _rest(self, pieces: _Pieces, before: tuple[int, int]) -> Iterator[Block]:
        """Yield all remaining rows by the reference reader alone."""
        records: list[Record] = []
        size = 0
        try:
            for record in self.careful(Part(pieces, before)):
                records.append(record)
                size += sum(len(cell) for cell in record[1].values() if isinstance(cell, str))
                if len(records) == _CAREFUL_ROWS or size > _CAREFUL_CHARACTERS:
                    yield LooseBlock.of(self.columns, records)
                    records, size = [], 0
        except DataError:
            if records:
                yield LooseBlock.of(self.columns, records)
            raise
        if records:
            yield LooseBlock.of(self.columns, records)


class _Instead:
    """Cells from the reference reader that replace those of irregular rows.

    Args:
        columns: names of the cells of a row.
        found: positions of the cells; updated in place.
        used: bytes that they are in.
    """

    def __init__(self, columns: tuple[str, ...], found: Scanned, used: int) -> None:
        self._columns, self._found, self._used = columns, found, used
        self.parts: list[bytes] = []
        self.loose: list[Record] = []  # rows with other columns

    def put(self, row: int, record: Record) -> bool:
        """Add a record; return whether it has the columns of the other rows."""
        if tuple(record[1]) != self._columns:
            self.loose.append(record)
            return False
        for column, cell in enumerate(record[1].values()):
            is_text = isinstance(cell, str)
            self.parts.append((cell if is_text else json.dumps(cell)).encode())
            self._found.begins[row, column] = self._used
            self._used += len(self.parts[-1])
            self._found.ends[row, column] = self._used
            if self._found.scalars is not None:
                self._found.scalars[row, column] = not is_text
        return True

    def bytes(self) -> npt.NDArray[np.uint8]:
        """Return the bytes of all replacement cells, to be appended to those of the file."""
        return np.frombuffer(b"".join(self.parts), np.uint8)


def _values(texts: ArrowTexts, scalars: npt.NDArray[np.uint8]) -> list[Any]:
    """Parse the cells that are JSON scalars; the others are strings."""
    cells = texts.tolist()
    if scalars.all():
        return list(json.loads(f"[{','.join(cells)}]"))
    return [json.loads(cell) if is_scalar else cell for cell, is_scalar in zip(cells, scalars.tolist(), strict=True)]


class _Pieces(io.BufferedIOBase):
    """Stream with push-back; bytes read before a decompression error are returned before it is raised."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._buffer = stream, b""
        self.damage: BaseException | None = None
        self.is_last = False

    def readable(self) -> bool:
        return True

    def take(self, size: int) -> bytes:
        """Return at least ``size`` bytes, or all that are left."""
        parts, have = [self._buffer], len(self._buffer)
        while have < size and not self.is_last:
            try:
                part = self._more(_PIECE)
            except DAMAGE as err:
                self.damage = err
                if not have:
                    raise
                break
            self.is_last = not part
            parts.append(part)
            have += len(part)
        self._buffer = b""
        return b"".join(parts)

    def give_back(self, data: bytes) -> None:
        """Push bytes back to be read next."""
        self._buffer = data + self._buffer

    def drop(self, start: bytes) -> int:
        """Skip these bytes if they come next; return the number of bytes skipped."""
        data = self.take(len(start))
        size = len(start) if data.startswith(start) else 0
        self.give_back(data[size:])
        return size

    def skip(self, lines: int) -> tuple[int, int]:
        """Skip this many lines; return the number of bytes and lines skipped."""
        size = 0
        for _ in range(lines):
            data = self.take(_PIECE)
            while b"\n" not in data and not self.is_last:
                self.give_back(data)
                data = self.take(2 * len(data))
            end = data.find(b"\n") + 1 or len(data)
            self.give_back(data[end:])
            size += end
        return size, lines

    def read1(self, size: int = -1, /) -> bytes:
        """Read as any binary stream does."""
        if not self._buffer:
            return self._more(size)
        size = len(self._buffer) if size < 0 else size
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        return part

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any binary stream does."""
        if size is None or size < 0:
            size = 2**62
        parts: list[bytes] = []
        while size > 0 and (part := self.read1(min(size, _PIECE))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _more(self, size: int) -> bytes:
        if self.damage is not None:
            raise self.damage
        return bytes(self._stream.read1(size))


def _valid(data: bytes) -> int:
    """Return the length of the valid UTF-8 prefix, without a character that is cut off at the end."""
    try:
        data.decode()
    except UnicodeDecodeError as err:
        return err.start
    return len(data)
