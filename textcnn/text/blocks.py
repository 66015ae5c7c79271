"""Neighbouring rows of a table, column by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.text.arrow_texts import ArrowTexts
from textcnn.text.read_table import Record

Column = ArrowTexts | list[Any]


class Block:
    """Some neighbouring rows.

    Args:
        columns: the cells of each column, of texts alone as Arrow lays them out.
        lines: ``(N,)``, the line or number of each row.
    """

    def __init__(self, columns: dict[str, Column], lines: npt.NDArray[np.int64]) -> None:
        self.columns, self.lines = columns, lines

    def __len__(self) -> int:
        return len(self.lines)

    def records(self) -> Iterator[Record]:
        """The rows one by one."""
        cells = zip(*(list(column) for column in self.columns.values()), strict=True)
        for line, row in zip(self.lines.tolist(), cells, strict=True):
            yield line, dict(zip(self.columns, row, strict=True))


class LooseBlock(Block):
    """Rows that do not all have the same columns."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__({}, np.array([line for line, _ in records], np.int64))
        self._records = records

    @staticmethod
    def of(columns: tuple[str, ...], records: list[Record]) -> Block:
        """The block of these rows: a loose one where some do not have these columns with texts in each."""
        if any(tuple(cells) != columns or not all(type(c) is str for c in cells.values()) for _, cells in records):
            return LooseBlock(records)
        lines = np.array([line for line, _ in records], np.int64)
        return Block({name: ArrowTexts.of(cells[name] for _, cells in records) for name in columns}, lines)

    def records(self) -> Iterator[Record]:
        """The rows one by one."""
        return iter(self._records)


class BlockRecords:
    """An iterator of the rows of blocks; ``blocks`` has those that are not begun."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self.blocks = blocks
        self._records = (record for block in blocks for record in block.records())

    def __iter__(self) -> BlockRecords:
        return self

    def __next__(self) -> Record:
        return next(self._records)
