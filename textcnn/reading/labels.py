"""Parsing of label cells into labels, in the form detected from the cells of all rows."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.reading.cells import canonical, is_blank, is_yes, parse_list
from textcnn.reading.columns import LABEL_PREFIX
from textcnn.reading.label_form import Asked, Cells, Seen, decide_form
from textcnn.reading.messages import counted
from textcnn.reading.schema import LabelForm
from textcnn.reading.table import cell_text, is_list, is_missing, shown


@dataclass(frozen=True)
class LabelReader:
    """Parses the labels of a row from its cells.

    Args:
        columns: the label columns; several of them make a multi-label task.
        name: the source, for messages.
        form: how the cells are written, as far as it is known; a cell is split only where ``multi_label`` is True.
        strip: blanks around a label do not count.
        known: the model's label names, by themselves and by their canonical spelling.
        spellings: filled with the spelling of each label that had another.
    """

    columns: tuple[str, ...]
    name: str
    form: LabelForm = LabelForm()
    strip: bool = False
    known: Mapping[str, str] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)

    def decide(self, seen: Sequence[Seen], asked: Asked) -> tuple[LabelReader, list[str]]:
        """Return a reader with the form detected from all rows, and a sentence for each guess."""
        form, notices = decide_form(self.columns, seen, asked)
        return replace(self, form=form), notices

    def read(self, cells: Cells, line: int) -> tuple[str, ...] | None:
        """Return the distinct labels of one row; None if it has none.

        Raises:
            DataError: several labels, or an empty list, though ``multi_label`` is False; a cell that is no label.
        """
        names = (
            self._from_columns(cells, line) if len(cells) > 1 else self._from_cell(cells[0], line) if cells else None
        )
        if names is None:
            return None
        if self.form.multi_label is False and len(names) != 1:
            raise DataError(
                f"expected one label because multi_label is false, found {shown(names)}; "
                "--multi-label, or multi_label=True, lets a text have any number of labels",
                path=self.name,
                line=line,
            )
        return tuple(dict.fromkeys(names))

    def _from_columns(self, cells: Cells, line: int) -> list[str] | None:
        if all(map(is_blank, cells)):
            return [] if self.form.blank_is_no else None
        said = [is_yes(cell) for cell in cells]
        if self.form.indicators or (self.form.indicators is None and None not in said):
            for column, cell, yes in zip(self.columns, cells, said, strict=True):
                if yes is None:
                    raise self._odd(cell, f"a yes or a no for the label {column!r}", line)
            return [name for name, yes in zip(_label_names(self.columns), said, strict=True) if yes]
        if self.form.multi_label is False:
            raise DataError(
                f"expected a yes or a no in each of the columns {', '.join(map(repr, self.columns))}, of which "
                f"multi_label=False lets one say yes, found {shown(cells)}; name one column or leave multi_label out",
                path=self.name,
                line=line,
            )
        return [name for cell in cells for name in self._from_cell(cell, line) or ()]

    def _from_cell(self, cell: Any, line: int) -> list[str] | None:
        if self.form.as_text and isinstance(cell, str) and (written := parse_list(cell)) is not None:
            cell = written
        if isinstance(cell, dict):
            return self._from_dict(cell, line)
        if is_list(cell):
            items = list(cell.tolist() if hasattr(cell, "tolist") else cell)
            if self.form.vector:
                return self._from_vector(items, line)
            return [name for item in items if (name := self._label(item, line)) is not None]
        if self.form.vector and isinstance(cell, str) and not is_blank(cell):
            return self._from_vector(cell.split(self.form.separator or None), line)
        if self.form.multi_label and self.form.separator and isinstance(cell, str) and self.form.separator in cell:
            pieces = cell.split(self.form.separator)
            return [self._spelled(piece.strip()) for piece in pieces if piece.strip()] or None
        name = self._label(cell, line)
        return None if name is None else [name]

    def _from_dict(self, cell: dict[str, Any], line: int) -> list[str] | None:
        """Return the keys whose value is a number or boolean that means yes."""
        for name, value in cell.items():
            if isinstance(value, str) or is_list(value) or isinstance(value, (dict, bytes)) or is_yes(value) is None:
                expected = "a label, as text, number or true/false, or a dictionary of labels with 0 or 1"
                raise DataError(
                    f"expected {expected}, found {shown(cell)}: {name!r} is {shown(value)}", path=self.name, line=line
                )
        return [str(name) for name, value in cell.items() if is_yes(value)]

    def _from_vector(self, items: list[Any], line: int) -> list[str]:
        said = [None if is_blank(item) and not self.form.blank_is_no else is_yes(item) for item in items]
        if len(items) != self.form.vector or None in said:
            found = counted(len(items), "item")
            odd = found if len(items) != self.form.vector else shown(items[said.index(None)])
            raise DataError(
                f"expected {self.form.vector} zeros and ones, as the other lists hold, found {odd} in {shown(items)}; "
                "correct the row, or write the names of the labels",
                path=self.name,
                line=line,
            )
        return [str(position) for position, yes in enumerate(said) if yes]

    def _label(self, value: Any, line: int) -> str | None:
        """Convert a value to a label name; None if it is missing or blank."""
        text = cell_text(value, "a label, as text, number or true/false", self.name, line) or ""
        if not text or text.isspace():
            return None
        return self._spelled(text.strip() if self.strip else text)

    def _spelled(self, name: str) -> str:
        """Return the one spelling of a label name that is a number or boolean."""
        usual = canonical(name)
        spelled = self.known.get(name) or self.known.get(usual, usual)
        if spelled != name:
            self.spellings.setdefault(name, spelled)
        return spelled

    def _odd(self, cell: Any, expected: str, line: int) -> DataError:
        return DataError(
            f"expected {expected} (1 or 0, true or false, yes or no, y or n, t or f, x or nothing), as in the other "
            f"cells, found {shown(cell)}; correct the cell, or leave the column out",
            path=self.name,
            line=line,
        )


def _label_names(columns: Sequence[str]) -> list[str]:
    """Return the label names of indicator columns, without the prefix ``p_`` if all have it."""
    prefixed = all(column.startswith(LABEL_PREFIX) and column != LABEL_PREFIX for column in columns)
    return [column.removeprefix(LABEL_PREFIX) if prefixed else column for column in columns]


class DistinctCells:
    """Label cells of many rows, deduplicated so that equal cells are parsed once."""

    def __init__(self) -> None:
        self._distinct: list[tuple[Cells, int]] = []  # and the line where they were first seen
        self._place: dict[Any, int] = {}
        self._counts = array("q")
        self.places = array("i")  # of each row's cells among the distinct ones

    def append(self, cells: Cells, line: int) -> int:
        """Add the cells of the next row; return their index among the distinct ones."""
        is_plain = len(cells) == 1 and type(cells[0]) is str
        place = self._place.setdefault(cells if is_plain else tuple(map(_key, cells)), len(self._distinct))
        if place == len(self._distinct):
            self._distinct.append((cells, line))
            self._counts.append(0)
        self._counts[place] += 1
        self.places.append(place)
        return place

    @property
    def seen(self) -> list[Seen]:
        """Return the distinct cells in the order of their first occurrence."""
        return [Seen(*pair, count) for pair, count in zip(self._distinct, self._counts, strict=True)]

    def blank(self, which: npt.NDArray[np.bool_]) -> None:
        """Treat the distinct cells with a true entry in ``which`` as empty ones."""
        for place in np.flatnonzero(which).tolist():
            cells, line = self._distinct[place]
            self._distinct[place] = (None,) * len(cells), line

    def read(self, reader: LabelReader) -> list[tuple[str, ...] | None]:
        """Parse the labels of the distinct cells.

        Raises:
            DataError: as :meth:`LabelReader.read`, for the first row with such cells.
        """
        return [reader.read(*pair) for pair in self._distinct]


def _key(cell: Any) -> Any:
    """Return a hashable key of a cell that distinguishes 1, 1.0 and True, which are different labels."""
    if isinstance(cell, str):
        return cell
    if is_missing(cell):
        return None
    return type(cell), repr(cell.tolist() if hasattr(cell, "tolist") else cell)
