"""Delimited text and JSON lines in blocks of rows, cut by the core; all that is in doubt goes to the careful reader.

The careful reader is the definition. It is given the bytes of a row that is odd (another number of cells, a NUL, a byte
order mark, what may be another header), or, where nobody knows where a row ends (quotes that do not pair up, a lone
carriage return, bytes that are not UTF-8), those of all rows from there on.
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
    """Cuts bytes into rows."""

    def __call__(self, data: npt.NDArray[np.uint8], /, *, is_last: bool, most_rows: int) -> Scanned:
        """The whole rows that ``data`` begins with."""


Careful = Callable[[Part], Iterator[Record]]


def can_scan(source: Source, delimiter: str = "") -> bool:
    """Whether the core may cut this table: a file of UTF-8, with nothing, a tab or a sign of ASCII between cells."""
    is_known = delimiter in ("", "\t") or (len(delimiter) == 1 and "!" <= delimiter <= "~" and delimiter != '"')
    return source.again and source.used in _UTF8 and is_known and core.library() is not None


@dataclass
class Scanner:
    """Blocks of the rows of a file.

    Attributes:
        source: the file.
        columns: names of the cells of a row.
        cut: cuts bytes into rows; its arguments say whether the file ends with them, and how many rows may be cut.
        careful: the careful reader's rows of a part of the file.
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
        """The rows behind the first ``skipped`` lines.

        Raises:
            DataError: what the careful reader finds wrong, behind all rows before it.
        """
        with self.source.open() as stream:
            pieces = _Pieces(stream)
            size = pieces.drop(MARK.encode()) if self.source.used == "utf-8-sig" else 0
            behind, lines = pieces.skip(skipped)
            yield from self._blocks(pieces, (size + behind, lines))

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
        """How many rows are done, their block, and the error that follows them."""
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
        """The rows from here on by the careful reader alone."""
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
    """Cells that the careful reader gives in the place of those of odd rows.

    Args:
        columns: names of the cells of a row.
        found: where cells are; is changed.
        used: bytes that they are in.
    """

    def __init__(self, columns: tuple[str, ...], found: Scanned, used: int) -> None:
        self._columns, self._found, self._used = columns, found, used
        self.parts: list[bytes] = []
        self.loose: list[Record] = []  # rows with other columns

    def put(self, row: int, record: Record) -> bool:
        """Take a record; whether it has the columns of the others."""
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
        """What was taken, to go behind the bytes of all rows."""
        return np.frombuffer(b"".join(self.parts), np.uint8)


def _values(texts: ArrowTexts, scalars: npt.NDArray[np.uint8]) -> list[Any]:
    """Strings, and the values of other JSON."""
    cells = texts.tolist()
    if scalars.all():
        return list(json.loads(f"[{','.join(cells)}]"))
    return [json.loads(cell) if is_scalar else cell for cell, is_scalar in zip(cells, scalars.tolist(), strict=True)]


class _Pieces(io.BufferedIOBase):
    """A stream some bytes of which can be given back; what was read before damage comes before its error."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._held = stream, b""
        self.damage: BaseException | None = None
        self.is_last = False

    def readable(self) -> bool:
        return True

    def take(self, size: int) -> bytes:
        """At least ``size`` bytes, or all that are left."""
        parts, have = [self._held], len(self._held)
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
        self._held = b""
        return b"".join(parts)

    def give_back(self, data: bytes) -> None:
        """These bytes come next."""
        self._held = data + self._held

    def drop(self, start: bytes) -> int:
        """Pass these bytes, if they come next; how many are passed."""
        data = self.take(len(start))
        size = len(start) if data.startswith(start) else 0
        self.give_back(data[size:])
        return size

    def skip(self, lines: int) -> tuple[int, int]:
        """Pass so many lines; the bytes and lines that are behind."""
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
        """As of any stream."""
        if not self._held:
            return self._more(size)
        size = len(self._held) if size < 0 else size
        part, self._held = self._held[:size], self._held[size:]
        return part

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any stream."""
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
    """How many of these bytes are UTF-8; a character may be cut at their end."""
    try:
        data.decode()
    except UnicodeDecodeError as err:
        return err.start
    return len(data)
