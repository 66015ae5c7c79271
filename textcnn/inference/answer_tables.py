"""Answers to neighbouring rows, column by column: what :mod:`textcnn.inference.answers` gives as dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.inference.answers import Answerer, AnswerForm, answers_of, carried, counts_of
from textcnn.labels import Labels
from textcnn.text.arrow_texts import ArrowTexts

if TYPE_CHECKING:
    from textcnn.inference.answering import Answers
    from textcnn.text.reading import RowBlock

FLAGS: Sequence[list[str]] = ([], ["empty"], ["cut"], ["empty", "cut"])


@dataclass(frozen=True)
class Coded:
    """Cells of few values.

    Attributes:
        codes: ``(N,)`` int32, which of the values each cell has.
        values: all there are.
    """

    codes: npt.NDArray[np.int32]
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def tolist(self) -> list[Any]:
        """The cells."""
        return [self.values[code] for code in self.codes.tolist()]


Cells = ArrowTexts | Coded | npt.NDArray[np.float64] | list[Any]


@dataclass(frozen=True)
class AnswerTable:
    """Rows of answers with the same columns; numbers are probabilities."""

    columns: dict[str, Cells]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as dictionaries."""
        cells = [column if isinstance(column, list) else column.tolist() for column in self.columns.values()]
        for row in zip(*cells, strict=True):
            yield dict(zip(self.columns, row, strict=True))

    def part(self, start: int, stop: int) -> AnswerTable:
        """The rows from ``start`` to ``stop``."""
        return AnswerTable({name: _part(column, slice(start, stop)) for name, column in self.columns.items()})

    @classmethod
    def concatenate(cls, tables: Sequence[AnswerTable]) -> AnswerTable:
        """All rows of tables with the same columns, those of the first table first."""
        if len(tables) == 1:
            return tables[0]
        return cls({name: _joined([table.columns[name] for table in tables]) for name in tables[0].columns})


def answer_table(answerer: Answerer, block: RowBlock, form: AnswerForm) -> tuple[AnswerTable, Counter[str]]:
    """The answers to a block with its other columns, and counts of rows, tokens, unknown tokens, empty and cut rows."""
    answers = answerer.answer(block.texts, threshold=form.threshold)
    own: dict[str, Cells] = {"text": block.texts, **_columns(answerer.labels, answers, form.top_k)}
    return AnswerTable(own | carried(block.columns, own, form)), counts_of(answers, len(block))


def _columns(labels: Labels, answers: Answers, top_k: int | None) -> dict[str, Cells]:
    """The answers without the texts."""
    if labels.multi_label or top_k is not None:  # lists of entries, which are made one by one
        found = list(answers_of(labels, answers, top_k=top_k))
        return {name: [row[name] for row in found] for name in found[0]} if found else {}
    best = answers.probabilities.argmax(axis=1)
    columns: dict[str, Cells] = {
        "label": Coded(best.astype(np.int32), labels.names),
        "probability": np.take_along_axis(answers.probabilities, best[:, None], axis=1)[:, 0],
    }
    if answers.certified is not None:
        columns["certified"] = Coded(answers.certified.astype(np.int32), (False, True))
    columns["flags"] = Coded((answers.empty + 2 * answers.cut).astype(np.int32), FLAGS)
    if answers.explanations is not None:
        columns["explanation"] = list(answers.explanations)
    return columns


def _part(column: Cells, rows: slice) -> Cells:
    return Coded(column.codes[rows], column.values) if isinstance(column, Coded) else column[rows]


def _joined(parts: list[Any]) -> Cells:
    first = parts[0]
    if isinstance(first, Coded):
        return Coded(np.concatenate([part.codes for part in parts]), first.values)
    if all(isinstance(part, ArrowTexts) for part in parts):
        return ArrowTexts.concatenate(parts)
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [cell for part in parts for cell in part]
