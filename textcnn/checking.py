"""What to know of a data set before training on it: counts of rows and labels, and what may be wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.labels import Labels
from textcnn.splitting import fingerprint
from textcnn.text.read_labels import LabelReader
from textcnn.text.read_table import is_list, is_missing
from textcnn.text.reading import Row, open_rows

SHOWN = 5
QUANTILES = {"min": 0.0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}
_WORD = re.compile(r"\w")
_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


@dataclass(frozen=True)
class Report:
    """What :func:`check` found.

    Attributes:
        name: the source.
        rows: how many rows it has.
        multi_label: whether some row has, or may have, several labels.
        labels: rows of each label, the most frequent first.
        missing_labels: rows without a label.
        duplicates: rows whose text an earlier row has too, case and blanks aside.
        conflicts: texts that occur with different labels.
        near_empty: rows of fewer than 3 characters, or without a word character.
        near_twins: pairs of labels that differ by case or blanks only.
        words: quantiles of the length of a text, in words and punctuation marks.
        lines: where the first few rows of each finding are: lines of a text file, else row numbers.
        notices: what the reader noticed, a sentence each.
    """

    name: str
    rows: int
    multi_label: bool
    labels: dict[str, int]
    missing_labels: int
    duplicates: int
    conflicts: int
    near_empty: int
    near_twins: tuple[tuple[str, str], ...]
    words: dict[str, int]
    lines: dict[str, list[int]]
    notices: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def check(data: Any, options: DataConfig | None = None) -> Report:
    """Read a labelled file once and report on it; of each text only a fingerprint of eight bytes is kept.

    Args:
        data: as for :func:`textcnn.text.reading.open_rows`.
        options: how to read it; a label column may be absent.

    Raises:
        ConfigError: an unknown format or encoding.
        DataError: nothing there, no rows, or not what its format says.
    """
    rows = open_rows(data, options or DataConfig(), labels="optional")
    counts = _Counts()
    for row in rows:
        counts.add(row, _key(rows.label_cells(row.columns)))
    if not counts.rows:
        raise DataError("expected rows to check, found none", path=rows.name)
    reader = rows.label_reader.decide(counts.cells)
    labels_of = {cells: reader.read(cells, counts.line_of[cells]) for cells in counts.cells}
    labels: Counter[str] = Counter()
    for cells, count in counts.cells.items():
        for label in labels_of[cells] or ():
            labels[label] += count
    conflicts = counts.conflicts(reader)
    lines = {**counts.lines, "conflicts": [counts.first[text][0] for text in conflicts[:SHOWN]]}
    names = Labels(tuple(sorted(labels)), multi_label=bool(reader.multi_label))
    return Report(
        name=rows.name,
        rows=counts.rows,
        multi_label=names.multi_label,
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        missing_labels=sum(count for cells, count in counts.cells.items() if labels_of[cells] is None),
        duplicates=counts.duplicates,
        conflicts=len(conflicts),
        near_empty=counts.near_empty,
        near_twins=tuple(names.near_twins()),
        words=_quantiles(counts.lengths),
        lines={finding: numbers for finding, numbers in lines.items() if numbers},
        notices=tuple(rows.warnings()),
    )


class _Counts:
    """What is gathered in one pass; it grows with the distinct texts and label cells, not with the text."""

    def __init__(self) -> None:
        self.rows = self.duplicates = self.near_empty = 0
        self.cells: Counter[tuple[Any, ...]] = Counter()
        self.line_of: dict[tuple[Any, ...], int] = {}
        self.lengths: Counter[int] = Counter()
        self.first: dict[bytes, tuple[int, tuple[Any, ...]]] = {}
        self.also: dict[bytes, set[tuple[Any, ...]]] = {}
        self.lines: dict[str, list[int]] = {}

    def add(self, row: Row, cells: tuple[Any, ...]) -> None:
        """Count one row, whose label cells are ``cells``."""
        self.rows += 1
        self.cells[cells] += 1
        self.line_of.setdefault(cells, row.line)
        self.lengths[len(_TOKEN.findall(row.text))] += 1
        if len(row.text.strip()) < 3 or not _WORD.search(row.text):
            self.near_empty += 1
            self._remember("near_empty", row.line)
        if row.text.strip():
            self._compare(fingerprint(row.text), row.line, cells)

    def _compare(self, text: bytes, line: int, cells: tuple[Any, ...]) -> None:
        if text not in self.first:
            self.first[text] = (line, cells)
            return
        self.duplicates += 1
        self._remember("duplicates", line)
        if cells != self.first[text][1]:
            self.also.setdefault(text, set()).add(cells)

    def _remember(self, finding: str, line: int) -> None:
        lines = self.lines.setdefault(finding, [])
        if len(lines) < SHOWN:
            lines.append(line)

    def conflicts(self, reader: LabelReader) -> list[bytes]:
        """The texts that occur with different labels; a text without a label contradicts none."""
        found = []
        for text, others in self.also.items():
            line, cells = self.first[text]
            labels = {frozenset(reader.read(each, line) or ()) for each in (cells, *others)} - {frozenset()}
            if len(labels) > 1:
                found.append(text)
        return sorted(found, key=lambda text: self.first[text][0])


def _key(cells: Sequence[Any]) -> tuple[Any, ...]:
    """Label cells as something that can be counted: lists become tuples, and whatever stands for nothing, None."""
    plain = (cell.tolist() if hasattr(cell, "tolist") else cell for cell in cells)
    return tuple(tuple(cell) if is_list(cell) else None if is_missing(cell) else cell for cell in plain)


def _quantiles(lengths: Counter[int]) -> dict[str, int]:
    """The smallest length that at least a share of the texts do not exceed, for each share of :data:`QUANTILES`."""
    total = sum(lengths.values())
    found = {}
    for name, share in QUANTILES.items():
        below = 0
        for length in sorted(lengths):
            below += lengths[length]
            if below >= share * total:
                found[name] = length
                break
    return found
