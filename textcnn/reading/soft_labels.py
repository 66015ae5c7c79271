"""Distributions over the labels in the place of a row's label: from columns, dictionaries or lists of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.labels import Labels
from textcnn.reading.cells import canonical, is_blank, parse_list
from textcnn.reading.columns import LABEL_PREFIX
from textcnn.reading.label_form import Cells, Seen
from textcnn.reading.labels import DistinctCells, LabelReader
from textcnn.reading.table import is_list, shown

if TYPE_CHECKING:
    from textcnn.reading.rows import Rows

TOLERANCE = 0.02  # of sums, since probabilities are often rounded
Shares = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SoftLabels:
    """The distributions of N rows over C labels, of which any row may have none.

    Attributes:
        names: the labels of the columns.
        shares: ``(N, C)``, NaN in rows without a distribution; multi-label rows need not sum to 1.
        is_labelled: ``(N,)``, whether a row has labels of its own too.
    """

    names: tuple[str, ...]
    shares: Shares
    is_labelled: npt.NDArray[np.bool_]

    @property
    def is_given(self) -> npt.NDArray[np.bool_]:
        """Whether each row ``(N,)`` has a distribution."""
        return is_given(self.shares)

    def subset(self, rows: npt.NDArray[Any]) -> SoftLabels:
        """Return the distributions of the rows with these numbers."""
        return replace(self, shares=self.shares[rows], is_labelled=self.is_labelled[rows])

    def most_probable(self, row: int, *, multi_label: bool) -> tuple[str, ...]:
        """Return the most probable label of a row; multi-label, those of at least one half."""
        shares = self.shares[row]
        if not multi_label:
            return (self.names[int(shares.argmax())],)
        return tuple(self.names[place] for place in np.flatnonzero(shares >= 0.5).tolist())

    def targets(self, truth: Sequence[tuple[str, ...]], labels: Labels, weight: float) -> Shares:
        """Return the targets ``(N, L)`` of training: each row's label, its distribution, or both.

        Args:
            truth: the labels of each row.
            labels: the labels of the columns.
            weight: what the distribution counts in the target of a row that has a label too.
        """
        hard = labels.encode(truth)
        if not labels.multi_label:
            hard = np.eye(len(labels), dtype=np.float32)[hard]
        found = np.array(hard, np.float32)
        columns = np.array([labels.names.index(name) for name in self.names], np.int64)
        given = self.is_given
        soft = np.zeros((int(given.sum()), len(labels)), np.float32)
        soft[:, columns] = self.shares[given]
        counts = np.where(self.is_labelled[given], weight, 1.0).astype(np.float32)[:, None]
        found[given] = (1 - counts) * found[given] + counts * soft
        return found


@dataclass(frozen=True)
class SoftReader:
    """Parses the distributions of rows from the cells of columns.

    Args:
        columns: one column a label, named ``p_LABEL`` or by the label, or one of dictionaries or lists.
        name: the source, for messages.
        is_asked: whether the user has named the columns; else they are distributions only if most cells look like it.
    """

    columns: tuple[str, ...]
    name: str
    is_asked: bool = False

    def read(self, seen: Sequence[Seen], *, multi_label: bool | None) -> _Distinct | None:
        """Return the distributions of distinct cells; none if the cells hold none.

        Args:
            seen: the distinct cells.
            multi_label: whether rows may sum to something other than 1; none: to be seen from the sums.

        Raises:
            DataError: numbers outside of [0, 1], a sum that is not 1, or other cells in a column of distributions.
        """
        parsed = [self._parse(cells) for cells, _, _ in seen]
        must = self.is_asked or len(self.columns) > 1  # a cell of one label column may also hold names of labels
        filled = [
            (place, found)
            for place, found in enumerate(parsed)
            if found or (must and not all(map(is_blank, seen[place].cells)))
        ]
        sound = [found for _, found in filled if found and all(0 <= value <= 1 for value in found.values())]
        parts = [found for found in sound if any(0 < value < 1 for value in found.values())]
        sums_to_one = 2 * sum(map(_is_whole, parts)) > len(parts)
        # A single odd number among zeros and ones is a mistake.
        is_soft = 2 * len(sound) >= len(filled) and (sums_to_one or 2 * len(parts) > len(filled))
        if not filled or not (self.is_asked or is_soft):
            return None
        if multi_label is None:
            multi_label = 2 * sum(map(_is_whole, sound)) < len(sound)
        names: dict[str, int] = {}
        for place, found in filled:
            self._check(found, seen[place], multi_label)
            for name in found or ():
                names.setdefault(name, len(names))
        shares = np.full((len(seen), len(names)), np.nan, np.float32)
        for place, found in filled:
            assert found is not None
            total = 1.0 if multi_label else sum(found.values())
            shares[place] = 0
            for name, value in found.items():
                shares[place, names[name]] = value / total
        return _Distinct(tuple(names), shares, multi_label)

    def _parse(self, cells: Cells) -> dict[str, float] | None:
        """Return the probability of each label; none of a row without a distribution, empty of odd cells."""
        if len(cells) > 1:
            if all(map(is_blank, cells)):
                return None
            pairs = zip(_labels_of(self.columns), cells, strict=True)
            return _numbers({name: 0.0 if is_blank(cell) else cell for name, cell in pairs})
        cell: Any = cells[0] if cells else None
        if isinstance(cell, str):
            cell = parse_list(cell) if cell.strip()[:1] in ("[", "{", "(") else None
        if isinstance(cell, Mapping):
            return _numbers(cell)
        if not is_list(cell):
            return None
        items = list(cell.tolist() if hasattr(cell, "tolist") else cell)
        if items and all(isinstance(item, Mapping) and {"label", "probability"} <= item.keys() for item in items):
            return _numbers({item["label"]: item["probability"] for item in items})  # as `classify --top-k` writes them
        return _numbers(dict(enumerate(items))) if len(items) > 1 else {}

    def _check(self, found: dict[str, float] | None, seen: Seen, multi_label: bool) -> None:
        shown_cells = shown(seen.cells[0] if len(seen.cells) == 1 else seen.cells)
        columns = "+".join(map(repr, self.columns[:4])) + (", ..." if len(self.columns) > 4 else "")
        path, line = self.name, seen.line
        if not found:
            raise DataError(
                f"expected the probabilities of labels in {columns}, found {shown_cells}", path=path, line=line
            )
        for name, value in found.items():
            if not 0 <= value <= 1:
                raise DataError(
                    f"expected probabilities between 0 and 1 in {columns}, found {value:g} for {name!r}",
                    path=path,
                    line=line,
                )
        if not multi_label and not _is_whole(found):
            total = sum(found.values())
            raise DataError(
                f"expected probabilities that sum to 1 in {columns}, found a sum of {total:.3g}: {shown_cells}; "
                "--multi-label if a text may have any number of labels",
                path=path,
                line=line,
            )


@dataclass(frozen=True)
class _Distinct:
    """Distributions of distinct cells: labels, shares ``(M, C)`` with NaN where there is none, kind of task."""

    names: tuple[str, ...]
    shares: Shares
    multi_label: bool

    def describe(self, columns: Sequence[str]) -> str:
        """Describe what was read as distributions, for the user."""
        listed = "+".join(map(repr, columns[:4])) + (f"+{len(columns) - 4} more" if len(columns) > 4 else "")
        kind = "the probability of each label (multi-label)" if self.multi_label else "distributions over the labels"
        return f"{listed} {'holds' if len(columns) == 1 else 'hold'} numbers from 0 to 1: read as {kind}"


def is_given(shares: Shares) -> npt.NDArray[np.bool_]:
    """Return which rows of shares are distributions ``(N,)``; the others have NaN."""
    return np.asarray(~np.isnan(shares).any(axis=1))


def _labels_of(columns: Sequence[str]) -> list[str]:
    """Return the label of each column, without the prefix ``p_`` if all have it."""
    prefixed = all(column.startswith(LABEL_PREFIX) and column != LABEL_PREFIX for column in columns)
    return [canonical(column.removeprefix(LABEL_PREFIX) if prefixed else column) for column in columns]


def _is_whole(found: Mapping[str, float]) -> bool:
    """Return whether the probabilities of a row sum to 1."""
    return abs(sum(found.values()) - 1) <= TOLERANCE


def _numbers(pairs: Mapping[Any, Any]) -> dict[str, float]:
    """Convert the values to numbers; empty if one is none."""
    try:
        return {canonical(str(name)): float(value) for name, value in pairs.items()}
    except (TypeError, ValueError):
        return {}


class RowLabels(NamedTuple):
    """What the cells of all rows say about their labels.

    Attributes:
        reader: parses labels in the form that was detected.
        labels: of each row, of a row without a label the most probable ones of its distribution; none: neither.
        soft: the distributions of the rows, or none.
        notices: a sentence for each guess.
    """

    reader: LabelReader
    labels: list[tuple[str, ...] | None]
    soft: SoftLabels | None
    notices: list[str]


def read_row_labels(rows: Rows, cells: DistinctCells, soft_cells: DistinctCells | None) -> RowLabels:
    """Parse the labels and the distributions of all rows.

    Args:
        rows: the source that the cells were read from.
        cells: the label cells of all rows.
        soft_cells: the cells of the distributions; none: they may stand in the label columns.

    Raises:
        DataError: as :meth:`LabelReader.read` and :meth:`SoftReader.read`.
    """
    asked, distinct = rows.asked, None
    soft_reader = SoftReader(rows.soft_columns, rows.name, rows.asks_soft)
    if soft_cells is None:
        distinct = soft_reader.read(cells.seen, multi_label=asked.multi_label)
        if distinct is not None:
            cells.blank(is_given(distinct.shares))
            asked = replace(asked, multi_label=distinct.multi_label)
    reader, notices = rows.label_reader.decide(cells.seen, asked)
    labels_of = cells.read(reader)
    found = [labels_of[place] for place in cells.places]
    hard = {name for names in labels_of for name in names or ()}
    if soft_cells is not None:
        distinct = soft_reader.read(soft_cells.seen, multi_label=reader.form.multi_label if hard else asked.multi_label)
        if distinct is not None and not rows.asks_soft and hard and hard.isdisjoint(distinct.names):
            distinct = None  # columns that only begin like those of probabilities
    if distinct is None:
        return RowLabels(reader, found, None, notices)
    places = np.frombuffer((soft_cells or cells).places, np.int32)
    soft = SoftLabels(distinct.names, distinct.shares[places], np.array([names is not None for names in found]))
    multi_label = distinct.multi_label
    for row in np.flatnonzero(soft.is_given & ~soft.is_labelled).tolist():
        found[row] = soft.most_probable(row, multi_label=multi_label)
    reader = replace(reader, form=replace(reader.form, multi_label=multi_label))
    return RowLabels(reader, found, soft, [*notices, distinct.describe(rows.soft_columns)])
