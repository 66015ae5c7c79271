"""Parsing of the cells of target columns into numbers, for regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textcnn.errors import DataError
from textcnn.grades import Grades
from textcnn.reading.cells import is_blank, read_number
from textcnn.reading.labels import DistinctCells
from textcnn.reading.schema import LabelForm
from textcnn.reading.soft_labels import RowLabels
from textcnn.reading.table import shown

if TYPE_CHECKING:
    from textcnn.reading.rows import Rows


def read_targets(rows: Rows, cells: DistinctCells, ordinal: Sequence[str] = (), *, count: int = 0) -> RowLabels:
    """Parse the numbers of all rows: each row has those of its target columns, as text, or none if one is blank.

    Of several columns with usual names, of which none was asked for, the first one with numbers alone is the target;
    it becomes the only label column of ``rows``.

    Args:
        rows: the source that the cells were read from.
        cells: the target cells of all rows.
        ordinal: the grades that the cells of the only target hold; empty: they hold numbers.
        count: the number of targets that a model expects; 0: any.

    Raises:
        DataError: a cell is no finite number, no column has numbers alone, or there are more or fewer targets.
    """
    seen, columns = cells.seen, rows.label_columns
    places = list(range(len(columns)))
    if ordinal and not rows.guesses_target and len(places) > 1:
        raise DataError(f"expected one label column of grades, found {len(places)}: {shown(columns)}", path=rows.name)
    if rows.guesses_target and not ordinal:
        sound = [
            n for n in places if all(is_blank(one.cells[n]) or read_number(one.cells[n]) is not None for one in seen)
        ]
        places = sound[:1] or places[:1]
        rows.label_columns = (columns[places[0]],)
    elif ordinal:
        places, rows.label_columns = places[:1], columns[:1]
    if count and len(places) != count:
        raise DataError(
            f"expected {count} target columns, as the model predicts, found {len(places)}: {shown(columns)}; "
            f"name them with --label-column",
            path=rows.name,
        )
    grades = Grades.of(ordinal) if ordinal else None
    if grades is not None:
        found = [_grade(one.cells[places[0]], grades, rows, one.line) for one in seen]
    else:
        found = [_numbers([one.cells[n] for n in places], rows, one.line) for one in seen]
    form = LabelForm(multi_label=False, numbers=True, grades=() if grades is None else grades.names)
    reader = rows.label_reader_of(form)
    return RowLabels(reader, [found[place] for place in cells.places], None, [])


def _grade(cell: Any, grades: Grades, rows: Rows, line: int) -> tuple[str, ...] | None:
    if is_blank(cell):
        return None
    name, number = str(cell).strip(), read_number(cell)
    place = grades.names.index(name) if name in grades.names else -1
    if place < 0 and number is not None and number in grades.values:  # 3.0 is the grade 3
        place = grades.values.index(number)
    if place < 0:
        raise DataError(
            f"expected a grade of {', '.join(grades.names)} in column {rows.label_columns[0]!r}, found {shown(cell)}; "
            "correct it, or give all grades to --ordinal, the lowest first",
            path=rows.name,
            line=line,
        )
    return (repr(grades.values[place]),)


def _numbers(cells: Sequence[Any], rows: Rows, line: int) -> tuple[str, ...] | None:
    if any(map(is_blank, cells)):
        return None
    numbers = [read_number(cell) for cell in cells]
    for cell, column, number in zip(cells, rows.label_columns, numbers, strict=True):
        if number is None:
            raise DataError(
                f"expected a number in column {column!r}, found {shown(cell)}; correct it, choose another column "
                "with --label-column, or leave --regression out: without it the cells are labels",
                path=rows.name,
                line=line,
            )
    return tuple(map(repr, numbers))
