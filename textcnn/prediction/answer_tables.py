"""Stores answers column by column and formats them as JSON lines, CSV or Arrow columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.core.format import As, Piece, fractions, join_rows, literal
from textcnn.labels import Labels
from textcnn.prediction.answers import Answerer, AnswerForm, answers_of, carried, counts_of
from textcnn.reading.source import SURROGATE
from textcnn.reading.table import is_missing
from textcnn.tokenization.arrow_texts import ArrowTexts, arrow_numbers

if TYPE_CHECKING:
    from textcnn.reading.rows import RowBlock
    from textcnn.runtime.text_model import Answers

_WHOLE = 2**63  # beyond int64
FLAGS: Sequence[list[str]] = ([], ["empty"], ["cut"], ["empty", "cut"])


@dataclass(frozen=True)
class Coded:
    """A dictionary-encoded column, for cells with few distinct values.

    Attributes:
        codes: ``(N,)`` int32, the index of each cell's value.
        values: the distinct values.
    """

    codes: npt.NDArray[np.int32]
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def tolist(self) -> list[Any]:
        """Return the cells as a list of values."""
        return [self.values[code] for code in self.codes.tolist()]


Cells = ArrowTexts | Coded | npt.NDArray[np.float64] | list[Any]


@dataclass(frozen=True)
class AnswerTable:
    """A table of answers by column; columns of numbers are probabilities."""

    columns: dict[str, Cells]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as dictionaries."""
        cells = [column if isinstance(column, list) else column.tolist() for column in self.columns.values()]
        for row in zip(*cells, strict=True):
            yield dict(zip(self.columns, row, strict=True))

    def part(self, start: int, stop: int) -> AnswerTable:
        """Return the rows from ``start`` to ``stop`` as a table."""
        return AnswerTable({name: _part(column, slice(start, stop)) for name, column in self.columns.items()})

    @classmethod
    def concatenate(cls, tables: Sequence[AnswerTable]) -> AnswerTable:
        """Return one table with the rows of all tables, in order; all have the same columns."""
        if len(tables) == 1:
            return tables[0]
        return cls({name: _joined([table.columns[name] for table in tables]) for name in tables[0].columns})


def answer_table(answerer: Answerer, block: RowBlock, form: AnswerForm) -> tuple[AnswerTable, Counter[str]]:
    """Classify a block of rows; return its answers and other columns, and counts as :func:`counts_of` gives them."""
    answers = answerer.answer(block.texts, threshold=form.threshold)
    own: dict[str, Cells] = {"text": block.texts, **answer_columns(answerer.labels, answers, form)}
    return AnswerTable(own | carried(block.columns, own, form)), counts_of(answers, len(block))


def answer_columns(labels: Labels, answers: Answers, form: AnswerForm) -> dict[str, Cells]:
    """Return the columns of the answers, without the texts."""
    if (
        labels.multi_label
        or labels.targets
        or any(value is not None for value in (form.top_k, form.promise, answers.strange))
    ):
        made = answers_of(labels, answers, top_k=form.top_k, promise=form.promise, abstain=form.abstain)
        found = list(made)  # lists of entries, made one by one
        return {name: [row[name] for row in found] for name in found[0]} if found else {}
    best, values = answers.best(1)
    columns: dict[str, Cells] = {
        "label": Coded(best[:, 0].astype(np.int32), labels.names),
        "probability": values[:, 0],
    }
    if labels.tree is not None:
        levels = labels.tree.label_levels[best[:, 0]]
        columns["level"] = Coded(levels.astype(np.int32), range(labels.tree.depth + 1))
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


Encode = Callable[[Any], str]


def json_lines(table: AnswerTable, encode: Encode) -> bytes:
    """Format the table as JSON lines, one object per row; ``encode`` converts a value to JSON."""
    pieces = []
    for number, (name, column) in enumerate(table.columns.items()):
        pieces.append(literal(f"{', ' if number else '{'}{encode(name)}: "))
        pieces.append(_piece(column, As.JSON, encode))
    return _joined_bytes([*pieces, literal("}\n")], len(table))


def csv_lines(table: AnswerTable, delimiter: str, encode: Encode) -> bytes:
    """Format the rows as the ``csv`` module does, without a header; lists and dictionaries become JSON in a cell."""
    pieces: list[Piece] = []
    for column in table.columns.values():
        pieces += [literal(delimiter)] if pieces else []
        pieces.append(_piece(column, As.CSV, lambda value: csv_cell(value, encode)))
    return _joined_bytes([*pieces, literal("\r\n")], len(table), delimiter)


def csv_header(names: Sequence[str], delimiter: str) -> bytes:
    """Format the header line with the names of the columns."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerow(names)
    return text.getvalue().encode()


def csv_cell(value: Any, encode: Encode) -> str:
    """Convert a value to the text of its cell, before quoting."""
    if is_missing(value):
        return ""
    return encode(value) if isinstance(value, (list, dict)) else str(value)


def arrow_column(column: Cells, encode: Encode) -> Any:
    """Convert a column for pyarrow: to an array if its type is known, otherwise to a list of values."""
    if isinstance(column, ArrowTexts):
        return column.to_arrow()
    if isinstance(column, Coded):
        values = [encode(value) if isinstance(value, (list, dict)) else value for value in column.values]
        return arrow_cells(values).take(arrow_numbers(column.codes))
    return arrow_numbers(column) if isinstance(column, np.ndarray) else column


def arrow_cells(values: list[Any]) -> Any:
    """Convert cells to the array that ``pyarrow.array`` makes of them; strings and numbers without importing pandas."""
    import pyarrow

    kinds = {type(value) for value in values}
    if kinds == {str} and not any(map(SURROGATE.search, values)):
        return ArrowTexts.of(values).to_arrow().cast(pyarrow.string())
    if kinds == {float} or (kinds == {int} and min(values) >= -_WHOLE and max(values) < _WHOLE):
        return arrow_numbers(np.array(values, np.float64 if kinds == {float} else np.int64))
    return pyarrow.array(values)


def _piece(column: Cells, form: As, encode: Encode) -> Piece:
    """Return a column's bytes for joining; values are encoded, texts are left to the core, which escapes them."""
    if isinstance(column, ArrowTexts):
        return Piece(column.bytes, column.ends_from_0()[:-1], column.ends, form=form)
    if isinstance(column, np.ndarray) and np.isfinite(column).all():
        return fractions(np.ascontiguousarray(column))
    values = list(column.values) if isinstance(column, Coded) else list(column)
    texts = _texts(map(encode, values))
    codes = column.codes if isinstance(column, Coded) else None
    is_cell = form == As.CSV
    return Piece(texts.bytes, texts.ends_from_0()[:-1], texts.ends, codes, As.CSV if is_cell else As.IT_IS)


def _texts(texts: Iterator[str]) -> ArrowTexts:
    """Encode texts as UTF-8 in one buffer; lone surrogates, which UTF-8 cannot represent, become backslash escapes."""
    parts = [text.encode("utf-8", "backslashreplace") for text in texts]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return ArrowTexts(np.frombuffer(b"".join(parts), np.uint8), offsets)


def _joined_bytes(pieces: list[Piece], num_rows: int, delimiter: str = ",") -> bytes:
    return join_rows(pieces, num_rows, delimiter)[0].tobytes()
