"""Tables of answers as bytes of JSON lines and CSV, and as columns of Arrow: what :mod:`json` and :mod:`csv` make."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from textcnn.core.format import As, Piece, fractions, join_rows, literal
from textcnn.inference.answer_tables import AnswerTable, Cells, Coded
from textcnn.text.arrow_texts import ArrowTexts
from textcnn.text.read_table import is_missing

Encode = Callable[[Any], str]


def json_lines(table: AnswerTable, encode: Encode) -> bytes:
    """An object a line; ``encode`` gives the JSON of a value."""
    pieces = []
    for number, (name, column) in enumerate(table.columns.items()):
        pieces.append(literal(f"{', ' if number else '{'}{encode(name)}: "))
        pieces.append(_piece(column, As.JSON, encode))
    return _joined([*pieces, literal("}\n")], len(table))


def csv_lines(table: AnswerTable, delimiter: str, encode: Encode) -> bytes:
    """A row of cells a line, as the ``csv`` module writes them; lists and dictionaries are cells of JSON."""
    pieces: list[Piece] = []
    for column in table.columns.values():
        pieces += [literal(delimiter)] if pieces else []
        pieces.append(_piece(column, As.CSV, lambda value: csv_cell(value, encode)))
    return _joined([*pieces, literal("\r\n")], len(table), delimiter)


def csv_header(names: Sequence[str], delimiter: str) -> bytes:
    """The line of the names of the columns."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerow(names)
    return text.getvalue().encode()


def csv_cell(value: Any, encode: Encode) -> str:
    """A value as the ``csv`` module writes it, without quotes around it."""
    if is_missing(value):
        return ""
    return encode(value) if isinstance(value, (list, dict)) else str(value)


def arrow_column(column: Cells, encode: Encode) -> Any:
    """A column for pyarrow: an array where the values are plain, else a list of them; lists become JSON."""
    import pyarrow

    if isinstance(column, ArrowTexts):
        return column.to_arrow()
    if isinstance(column, Coded):
        values = [encode(value) if isinstance(value, (list, dict)) else value for value in column.values]
        return pyarrow.array(values).take(pyarrow.array(column.codes))
    return pyarrow.array(column) if isinstance(column, np.ndarray) else column


def _piece(column: Cells, form: As, encode: Encode) -> Piece:
    """A column's bytes. Strings that the core is to escape are given to it as they are, values to ``encode``."""
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
    """Halves of surrogate pairs, which UTF-8 cannot write, are written as escapes."""
    parts = [text.encode("utf-8", "backslashreplace") for text in texts]
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return ArrowTexts(np.frombuffer(b"".join(parts), np.uint8), offsets)


def _joined(pieces: list[Piece], num_rows: int, delimiter: str = ",") -> bytes:
    return join_rows(pieces, num_rows, delimiter)[0].tobytes()
