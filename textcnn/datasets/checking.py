"""Checks labelled data before training: counts rows and labels, and finds duplicates, conflicts and empty texts."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from textcnn.config import DataConfig
from textcnn.config_types import jsonable
from textcnn.core.word_form import WordForm
from textcnn.errors import DataError
from textcnn.grades import Grades
from textcnn.labels import Labels
from textcnn.reading.cells import number_notice, rare_labels, rare_sentence
from textcnn.reading.hierarchy import labels_in_tree
from textcnn.reading.labels import DistinctCells, LabelReader
from textcnn.reading.messages import respelled
from textcnn.reading.rows import Rows, open_rows
from textcnn.reading.statistics import conflicting_rows, fingerprints, repeated_rows
from textcnn.reading.targets import read_targets
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
        numbers: quantiles of each target, in regression; then there are no labels.
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
    numbers: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dict(jsonable(asdict(self)))


def check(data: Any, options: DataConfig | None = None) -> Report:
    """Read labelled data in one pass and report on it, keeping only a fingerprint of eight bytes for each text.

    Args:
        data: as for :func:`textcnn.reading.rows.open_rows`.
        options: the options of reading; a label column may be absent.

    Raises:
        ConfigError: the format or encoding is unknown.
        DataError: there is no such file, it has no rows, its content does not match its format, or its labels do not
            fit the tree that the options ask for, or are not the numbers or grades that they ask for.
    """
    options = options or DataConfig()
    options = replace(options, regression=options.regression or bool(options.ordinal))
    rows = open_rows(data, options, labels="optional")
    lines, near_empty, cells = array("q"), array("q"), DistinctCells()

    def read() -> Iterator[str]:
        for text, columns, line in rows.unread_labels():
            cells.append(rows.label_cells(columns), line)
            lines.append(line)
            if len(text.strip()) < 3 or not _LETTER.search(text):
                near_empty.append(line)
            yield text

    parts = [(fingerprints(part), word_numbers(part, Words(WordForm())).lengths) for part in slices(read())]
    if not parts:
        raise DataError("expected rows to check, found none", path=rows.name)
    reader, found_labels, guessed, numbers = _read_labels(rows, cells, options)
    labels: Counter[str] = Counter()
    for names in found_labels:
        labels.update(names or () if not numbers else ())
    missing = found_labels.count(None)
    if rows.label_columns:
        rows.notices["missing_labels"] = missing
    notices = rows.warnings()
    found = Labels(tuple(sorted(labels)), multi_label=bool(reader.form.multi_label))
    if options.hierarchy is not None and labels:
        told: list[str] = []
        labels_in_tree(found, options.hierarchy, told.append)
        guessed += [sentence.removeprefix("note: ").removeprefix("warning: ") for sentence in told]
    every = [names or () for names in found_labels]
    texts, lengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    words = np.quantile(lengths, [*QUANTILES.values()], method="inverted_cdf").tolist()
    filled = np.flatnonzero(texts != fingerprints([""]))
    texts, lines_of = texts[filled], np.array(lines)[filled]
    findings = {
        "duplicates": lines_of[repeated_rows(texts)],
        "near_empty": np.array(near_empty),
        "conflicts": lines_of[conflicting_rows(texts, [every[row] or None for row in filled])],
    }
    if not options.regression:
        if (distinct := rare_labels(every)) and not options.allow_rare_labels:
            guessed.append(rare_sentence(rows, distinct, every))
        guessed += number_notice(every)
    return Report(
        name=rows.name,
        source=rows.describe(),
        rows=len(lines),
        multi_label=found.multi_label,
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        missing_labels=missing,
        duplicates=len(findings["duplicates"]),
        conflicts=len(findings["conflicts"]),
        near_empty=len(near_empty),
        near_twins=tuple(found.near_twins()),
        words=dict(zip(QUANTILES, words, strict=True)),
        lines={finding: numbers[:SHOWN].tolist() for finding, numbers in findings.items() if len(numbers)},
        notices=(*notices, *guessed, *respelled(reader.spellings)),
        numbers=numbers,
    )


RowNames = list[tuple[str, ...] | None]


def _read_labels(
    rows: Rows, cells: DistinctCells, options: DataConfig
) -> tuple[LabelReader, RowNames, list[str], dict[str, dict[str, float]]]:
    """Return the reader of the labels, those of all rows, a sentence for each guess, and quantiles of numbers."""
    if not options.regression:
        reader, guessed = rows.label_reader.decide(cells.seen, rows.asked)
        labels = cells.read(reader)
        return reader, [labels[place] for place in cells.places], guessed, {}
    reader, found, _, guessed = read_targets(rows, cells, options.ordinal)
    if options.ordinal:
        grades = Grades.of(options.ordinal)
        name_of = dict(zip(map(repr, grades.values), grades.names, strict=True))
        return reader, [None if row is None else (name_of[row[0]],) for row in found], guessed, {}
    values = np.array([row for row in found if row is not None], np.float64).reshape(-1, len(rows.label_columns))
    at = [*QUANTILES.values()]
    columns = [np.quantile(column, at, method="inverted_cdf").tolist() if len(column) else [] for column in values.T]
    named = (dict(zip(QUANTILES, column, strict=False)) for column in columns)
    return reader, found, guessed, dict(zip(rows.label_columns, named, strict=True))
