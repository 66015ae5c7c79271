"""Tables as the readers return them: named columns and numbered rows, or blocks of consecutive rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.tokenization.arrow_texts import ArrowTexts

if TYPE_CHECKING:
    from textcnn.reading.source import Source

Record = tuple[int, dict[str, Any]]  # line or row number from 1, and the cells by column
Opened = tuple[tuple[str, ...], Iterator[Record]]  # result of opening a source: its columns and its rows
Start = Callable[[Counter[str]], Opened]

SHORT_FLOATS = ("float16", "float32")  # types of numpy that are no Python float
PEEK = 100  # rows without a header whose keys make the columns
DEEPEST = 100  # lists and objects within each other in JSON; some hundreds are more than Python goes through


class Table:
    """Columns and rows of one source.

    Iterating reads it once, and again where the source can be opened again.

    Args:
        name: the path, or a placeholder such as ``<list>``, for messages.
        format: name of the format, such as ``csv``.
        start: opens the source and counts surprises in the counter it is given.
        again: whether ``start`` can be called a second time (not so for the standard input).
        strip_labels: blanks around a label do not count, as in text files.
        split_labels: one cell may hold several labels with a separator between them.
        delimiter: between the cells of a line, where there is one.
    """

    def __init__(
        self,
        name: str,
        format: str,
        start: Start,
        *,
        again: bool = True,
        strip_labels: bool = False,
        split_labels: bool = True,
        delimiter: str | None = None,
    ) -> None:
        self.name = name
        self.format = format
        self.strip_labels = strip_labels
        self.split_labels = split_labels
        self.delimiter = delimiter
        self.notices: Counter[str] = Counter()
        self.source: Source | None = None  # the file or pipe it is read from, where there is one
        self._start = start
        self._again = again
        self.columns, records = start(self.notices)
        self._first: Iterator[Record] | None = records
        self.has_blocks = hasattr(records, "blocks")  # of :class:`textcnn.reading.table.BlockRecords`

    def blocks(self) -> Iterator[Block]:
        """Yield blocks of consecutive rows by column, if :attr:`has_blocks`; like iterating, one pass through all."""
        records: Any = iter(self)
        blocks: Iterator[Block] = records.blocks
        return blocks

    def __iter__(self) -> Iterator[Record]:
        records, self._first = self._first, None
        if records is not None:
            return records
        if not self._again:
            raise DataError("has been read and cannot be read a second time; save it to a file first", path=self.name)
        self.notices.clear()
        return self._start(self.notices)[1]


def unique_columns(columns: Sequence[Any], name: str) -> tuple[str, ...]:
    """Return the column names as strings after checking that they are unique.

    Raises:
        DataError: two columns have the same name.
    """
    seen: dict[str, int] = {}
    for position, column in enumerate(map(str, columns), start=1):
        if column in seen:
            raise DataError(
                f"expected each column name once, found {column!r} at positions {seen[column]} and {position}; "
                "rename one of them",
                path=name,
            )
        seen[column] = position
    return tuple(seen)


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty: None, NaN, or the null values of pandas; the texts "NA" and "nan" are not."""
    if isinstance(value, str):
        return False
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (is_number(value) and value != value)


def is_number(value: Any) -> bool:
    """Return whether a cell is a float, numpy's included."""
    return isinstance(value, float) or type(value).__name__ in SHORT_FLOATS


def plain(value: Any) -> Any:
    """Convert a NumPy scalar to a Python value; a float32 as it is printed, 0.1 and not 0.10000000149011612."""
    if type(value).__name__ in SHORT_FLOATS:
        return float(str(value))
    return value.item() if hasattr(value, "item") else value


def is_list(value: Any) -> bool:
    """Return whether a cell holds several values: a list, tuple, set or array."""
    return isinstance(value, (list, tuple, set, frozenset)) or getattr(value, "ndim", 0) > 0


def cell_text(value: Any, expected: str, name: str, line: int) -> str | None:
    """Convert a cell to text: 1 and 1.0 become "1", True "true", a missing value None.

    Raises:
        DataError: the cell is a list, an object or bytes, where ``expected`` says what it should be.
    """
    if type(value) is str:
        return value
    if is_missing(value):
        return None
    if is_list(value) or isinstance(value, (dict, bytes)):
        raise DataError(f"expected {expected}, found {shown(value)}", path=name, line=line)
    value = plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_deep(value: Any) -> bool:
    """Return whether lists and dictionaries are nested more than :data:`DEEPEST` deep."""
    level = [value]
    for _ in range(DEEPEST):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list))]
        level = [inner for part in parts for inner in part]
    return any(isinstance(part, (dict, list)) for part in level)


def one_line(err: BaseException, width: int = 500) -> str:
    """Return the message of another library's exception on one line, without parts that do not belong there."""
    return " ".join(str(err).encode("utf-8", "replace").decode().split())[:width] or type(err).__name__


def shown(value: Any, width: int = 60) -> str:
    """Return ``repr`` of a value, truncated to fit into a one-line message."""
    text = repr(value[:width] if isinstance(value, (str, bytes, list, tuple)) else value)  # no more can be seen of it
    return text if len(text) <= width else text[: width - 3] + "..."


Column = ArrowTexts | list[Any]


class Block:
    """A block of consecutive rows with the same columns.

    Args:
        columns: the cells of each column, of texts alone as Arrow lays them out.
        lines: ``(N,)``, the line or number of each row.
    """

    def __init__(self, columns: dict[str, Column], lines: npt.NDArray[np.int64]) -> None:
        self.columns, self.lines = columns, lines

    def __len__(self) -> int:
        return len(self.lines)

    def records(self) -> Iterator[Record]:
        """Yield the rows one by one."""
        cells = zip(*(list(column) for column in self.columns.values()), strict=True)
        for line, row in zip(self.lines.tolist(), cells, strict=True):
            yield line, dict(zip(self.columns, row, strict=True))


class LooseBlock(Block):
    """A block of rows that may differ in their columns."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__({}, np.array([line for line, _ in records], np.int64))
        self._records = records

    @staticmethod
    def of(columns: tuple[str, ...], records: list[Record]) -> Block:
        """Build a block of these rows; a loose one unless every row has texts in exactly these columns."""
        if any(tuple(cells) != columns or not all(type(c) is str for c in cells.values()) for _, cells in records):
            return LooseBlock(records)
        lines = np.array([line for line, _ in records], np.int64)
        return Block({name: ArrowTexts.of(cells[name] for _, cells in records) for name in columns}, lines)

    def records(self) -> Iterator[Record]:
        """Yield the rows one by one."""
        return iter(self._records)


class BlockRecords:
    """Iterator over the rows of blocks; ``blocks`` iterates over the blocks not yet begun."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self.blocks = blocks
        self._records = (record for block in blocks for record in block.records())

    def __iter__(self) -> BlockRecords:
        return self

    def __next__(self) -> Record:
        return next(self._records)
