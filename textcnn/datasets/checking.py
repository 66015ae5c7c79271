"""Checks labelled data before training: counts rows and labels, and finds duplicates, conflicts and empty texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from textcnn.config import DataConfig
from textcnn.core.word_form import WordForm
from textcnn.errors import DataError
from textcnn.labels import Labels
from textcnn.reading.cells import rare_labels, rare_sentence
from textcnn.reading.labels import DistinctCells
from textcnn.reading.messages import respelled
from textcnn.reading.rows import open_rows
from textcnn.splitting import fingerprint
from textcnn.tokenization.words import Words, slices, word_numbers

SHOWN = 5
QUANTILES = {"min": 0.0, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}
_LETTER = re.compile(r"\w")


@dataclass(frozen=True)
class Report:
    """The findings of :func:`check`.

    Attributes:
        name: the name of the file or data set.
        source: its format, columns, delimiter and encoding, as they were read.
        rows: the number of rows.
        multi_label: whether rows may have several labels.
        labels: the number of rows of each label, the most frequent first.
        missing_labels: the number of rows without a label.
        duplicates: the number of rows whose text equals that of an earlier row, up to case and blanks.
        conflicts: the number of texts that occur with different labels.
        near_empty: the number of rows with fewer than 3 characters, or without a word character.
        near_twins: the pairs of labels that differ only by case or blanks.
        words: quantiles of the length of a text, in words and punctuation marks of the default tokenizer.
        lines: the positions of the first few rows of each finding: line numbers of a text file, otherwise row numbers.
        notices: the notices of the reader, one sentence each.
    """

    name: str
    source: str
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
        """Return the fields as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def check(data: Any, options: DataConfig | None = None) -> Report:
    """Read labelled data in one pass and report on it, keeping only a fingerprint of eight bytes for each text.

    Args:
        data: as for :func:`textcnn.reading.rows.open_rows`.
        options: the options of reading; a label column may be absent.

    Raises:
        ConfigError: the format or encoding is unknown.
        DataError: there is no such file, it has no rows, or its content does not match its format.
    """
    options = options or DataConfig()
    rows = open_rows(data, options, labels="optional")
    counts, cells = _Counts(), DistinctCells()

    def texts() -> Iterator[str]:
        for text, columns, line in rows.unread_labels():
            counts.add(text, line, cells.append(rows.label_cells(columns), line))
            yield text

    lengths: Counter[int] = Counter()
    for part in slices(texts()):
        lengths.update(word_numbers(part, Words(WordForm())).lengths.tolist())
    if not counts.rows:
        raise DataError("expected rows to check, found none", path=rows.name)
    reader, guessed = rows.label_reader.decide(cells.seen, rows.asked)
    labels_of = cells.read(reader)
    labels: Counter[str] = Counter()
    missing = 0
    for names, (_, _, count) in zip(labels_of, cells.seen, strict=True):
        missing += count * (names is None)
        labels.update(dict.fromkeys(names or (), count))
    if rows.label_columns:
        rows.notices["missing_labels"] = missing
    notices = rows.warnings()
    conflicts = counts.conflicts(labels_of)
    lines = {**counts.lines, "conflicts": [counts.first[text][0] for text in conflicts[:SHOWN]]}
    found = Labels(tuple(sorted(labels)), multi_label=bool(reader.form.multi_label))
    every = [labels_of[place] or () for place in cells.places]
    if (distinct := rare_labels(every)) and not options.allow_rare_labels:
        guessed.append(rare_sentence(rows, distinct, every))
    return Report(
        name=rows.name,
        source=rows.describe(),
        rows=counts.rows,
        multi_label=found.multi_label,
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        missing_labels=missing,
        duplicates=counts.duplicates,
        conflicts=len(conflicts),
        near_empty=counts.near_empty,
        near_twins=tuple(found.near_twins()),
        words=_quantiles(lengths),
        lines={finding: numbers for finding, numbers in lines.items() if numbers},
        notices=(*notices, *guessed, *respelled(reader.spellings)),
    )


class _Counts:
    """The counts of one pass; their memory grows with the number of distinct texts and label cells, not lengths."""

    def __init__(self) -> None:
        self.rows = self.duplicates = self.near_empty = 0
        self.first: dict[bytes, tuple[int, int]] = {}
        self.also: dict[bytes, set[int]] = {}
        self.lines: dict[str, list[int]] = {}

    def add(self, text: str, line: int, cells: int) -> None:
        """Count one row; ``cells`` is the index of its label cells among the distinct ones."""
        self.rows += 1
        if len(text.strip()) < 3 or not _LETTER.search(text):
            self.near_empty += 1
            self._remember("near_empty", line)
        if text.strip():
            self._compare(fingerprint(text), line, cells)

    def _compare(self, text: bytes, line: int, cells: int) -> None:
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

    def conflicts(self, labels_of: Sequence[tuple[str, ...] | None]) -> list[bytes]:
        """Return the texts that occur with different labels; rows without a label do not count."""
        found = []
        for text, others in self.also.items():
            labels = {frozenset(labels_of[each] or ()) for each in (self.first[text][1], *others)} - {frozenset()}
            if len(labels) > 1:
                found.append(text)
        return sorted(found, key=lambda text: self.first[text][0])


def _quantiles(lengths: Counter[int]) -> dict[str, int]:
    """Return the quantiles of the lengths: for each share, the smallest length that this share does not exceed."""
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
