"""From label cells to the labels of a row: one or several, split or verbatim, indicator columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from textcnn.errors import DataError
from textcnn.text.read_table import cell_text, is_list, is_missing, shown

Cells = tuple[Any, ...]  # the label cells of one row, a cell a label column
INDICATORS = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True)
class LabelReader:
    """Reads the labels of a row from its cells.

    Args:
        columns: the label columns; several of them make a multi-label task.
        name: the source, for messages.
        separator: stands between the labels of one cell; None: cells are never split.
        strip: blanks around a label do not count.
        multi_label: True: cells are split; False: each row has one label, its cell verbatim; None: not known, so that
            only lists and several columns give several labels.
        indicators: whether the cells of several columns say yes or no to the column's name; None: each row tells.
    """

    columns: tuple[str, ...]
    name: str
    separator: str | None = None
    strip: bool = False
    multi_label: bool | None = None
    indicators: bool | None = None

    def __post_init__(self) -> None:
        if self.multi_label is False and len(self.columns) > 1:
            raise DataError(
                f"expected one label column because multi_label is false, found {', '.join(map(repr, self.columns))}; "
                "name one column or leave multi_label out",
                path=self.name,
            )

    def decide(self, rows: Iterable[Cells]) -> LabelReader:
        """The same reader with ``multi_label`` and ``indicators`` settled by all rows."""
        several = len(self.columns) > 1
        multi_label, indicators = several, several
        for cells in rows:
            multi_label = multi_label or any(is_list(cell) or self._is_joined(cell) for cell in cells)
            indicators = indicators and all(map(_is_indicator, cells))
        return replace(
            self, multi_label=multi_label if self.multi_label is None else self.multi_label, indicators=indicators
        )

    def read(self, cells: Cells, line: int) -> tuple[str, ...] | None:
        """The labels of one row, each once; None if it has none.

        Raises:
            DataError: several labels, or an empty list, though ``multi_label`` is False; a cell that is no label.
        """
        names = (
            self._from_columns(cells, line) if len(cells) > 1 else self._from_cell(cells[0], line) if cells else None
        )
        if names is None:
            return None
        if self.multi_label is False and len(names) != 1:
            raise DataError(
                f"expected one label because multi_label is false, found {shown(names)}; "
                "leave multi_label out to have any number of labels a text",
                path=self.name,
                line=line,
            )
        return tuple(dict.fromkeys(names))

    def _from_columns(self, cells: Cells, line: int) -> list[str] | None:
        if all(_is_empty(cell) for cell in cells):
            return None
        if self.indicators or (self.indicators is None and all(map(_is_indicator, cells))):
            return [column for column, cell in zip(self.columns, cells, strict=True) if _is_yes(cell)]
        return [name for cell in cells for name in self._from_cell(cell, line) or ()]

    def _from_cell(self, cell: Any, line: int) -> list[str] | None:
        if is_list(cell):
            items = cell.tolist() if hasattr(cell, "tolist") else cell
            return [name for item in items if (name := self._label(item, line)) is not None]
        if self.multi_label and self._is_joined(cell):
            return [piece.strip() for piece in cell.split(self.separator) if piece.strip()] or None
        name = self._label(cell, line)
        return None if name is None else [name]

    def _label(self, value: Any, line: int) -> str | None:
        """A value as the name of a label; None if it is missing or blank."""
        text = cell_text(value, "a label, as text, number or true/false", self.name, line) or ""
        if not text or text.isspace():
            return None
        return text.strip() if self.strip else text

    def _is_joined(self, cell: Any) -> bool:
        return bool(self.separator) and isinstance(cell, str) and str(self.separator) in cell


class DistinctCells:
    """The label cells of many rows; equal ones are kept, and read, once."""

    def __init__(self) -> None:
        self.distinct: list[Cells] = []
        self._lines: list[int] = []  # where each was first seen
        self._place: dict[Any, int] = {}
        self._rows = array("i")

    def append(self, cells: Cells, line: int) -> None:
        """Take the cells of the next row."""
        is_plain = len(cells) == 1 and type(cells[0]) is str
        place = self._place.setdefault(cells if is_plain else tuple(map(_key, cells)), len(self.distinct))
        if place == len(self.distinct):
            self.distinct.append(cells)
            self._lines.append(line)
        self._rows.append(place)

    def read(self, reader: LabelReader) -> list[tuple[str, ...] | None]:
        """The labels of every row.

        Raises:
            DataError: as :meth:`LabelReader.read`, for the first row with such cells.
        """
        found = [reader.read(*pair) for pair in zip(self.distinct, self._lines, strict=True)]
        return [found[place] for place in self._rows]


def _key(cell: Any) -> Any:
    """What a cell is looked up by: 1, 1.0 and True are equal, and different labels; a list cannot be looked up."""
    if isinstance(cell, str):
        return cell
    if is_missing(cell):
        return None
    return type(cell), repr(cell.tolist() if hasattr(cell, "tolist") else cell)


def _is_empty(cell: Any) -> bool:
    return is_missing(cell) or (isinstance(cell, str) and not cell.strip())


def _is_indicator(cell: Any) -> bool:
    return not is_list(cell) and (_is_empty(cell) or _word(cell) in INDICATORS)


def _is_yes(cell: Any) -> bool:
    return not _is_empty(cell) and INDICATORS[_word(cell)]


def _word(cell: Any) -> str:
    """1, 1.0 and "1" are the same here, and so are True and "TRUE"."""
    if isinstance(cell, (str, bool)) or not hasattr(cell, "__int__"):
        return str(cell).strip().lower()
    return str(int(cell)) if cell in (0, 1) else "another number"
