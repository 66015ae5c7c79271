"""Converts the rows given to ``predict`` to texts: lists, columns of any library, generators, and tables.

There is one text for each row: a missing cell of a column or table becomes an empty text, with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textcnn.errors import DataError, warn_of_data
from textcnn.reading.schema import Schema
from textcnn.reading.table import Table, is_missing, shown
from textcnn.tokenization.arrow_texts import ArrowTexts, arrow_column

_SEEN = 100  # rows that are read to guess the column of texts


def given_texts(rows: Any, schema: Schema) -> Sequence[str]:
    """Return the texts as a sequence; a column in Arrow's memory layout is not copied to a list.

    Args:
        rows: a list, tuple, generator, array, or column of texts; or a data frame, a table, a data set, a dictionary of
            columns, or a list of dictionaries.
        schema: the model's schema, which says the columns to read from a table; where it names none, a column with a
            usual name, such as "text", is read.

    Raises:
        DataError: a single text, an unordered collection, a table without the column, or a value that is not a text.
    """
    if isinstance(rows, (str, bytes)):
        raise DataError(f"expected a list of texts, got the single text {rows[:40]!r}; write [text]")
    if isinstance(rows, ArrowTexts):
        return rows
    if isinstance(rows, (set, frozenset)):
        raise DataError(f"expected texts in an order, got a {type(rows).__name__}; write sorted(...) or a list")
    if _is_table(rows):
        return _of_table(rows, schema)
    if (column := arrow_column(rows)) is not None:
        return column
    texts = _cells(rows)
    if texts and isinstance(texts[0], Mapping):
        return _of_table(texts, schema)
    return _checked(texts, is_column=hasattr(rows, "dtype") or hasattr(rows, "type"))


def _checked(texts: list[Any], *, is_column: bool) -> list[str]:
    """Check that all items are strings, and replace the missing cells of a column by empty texts, in place."""
    missing = 0
    for number, text in enumerate(texts):
        if isinstance(text, str):
            continue
        if hasattr(text, "as_py"):  # a scalar of Arrow
            text = texts[number] = text.as_py()
        if is_column and is_missing(text):
            texts[number] = ""
            missing += 1
        elif not isinstance(text, str):
            raise DataError(f"expected texts, found {shown(text)} ({type(text).__name__}) at position {number}")
    if missing:
        warn_of_data(f"{missing:,} of {len(texts):,} texts are missing and answered as empty ones")
    return texts


def _is_table(rows: Any) -> bool:
    """Whether the object has named columns."""
    if isinstance(rows, (list, tuple)):
        return False
    named = getattr(getattr(rows, "dtype", None), "names", None)  # a structured array
    has_columns = any(not callable(getattr(rows, name, len)) for name in ("columns", "column_names", "schema"))
    return isinstance(rows, Mapping) or named is not None or has_columns


def _cells(rows: Any) -> list[Any]:
    """Return the items of a sequence, array or iterator as a list of Python objects."""
    if isinstance(rows, (list, tuple)):
        return list(rows)
    shape = getattr(rows, "shape", None)
    if isinstance(shape, tuple) and len(shape) != 1:
        if len(shape) != 2 or shape[1] != 1:
            way = "select one column, as rows[:, 0]" if shape else "write [text] for a single one"
            raise DataError(f"expected one text a row, got an array of shape {shape}; {way}")
        rows = rows.ravel()
    for method in ("tolist", "to_pylist", "to_list"):
        if hasattr(rows, method):
            return list(getattr(rows, method)())
    if not isinstance(rows, Iterable):
        raise DataError(f"expected a list of texts, got {shown(rows)} ({type(rows).__name__})")
    return list(rows)


def _of_table(rows: Any, schema: Schema) -> Sequence[str]:
    from textcnn.config import DataConfig
    from textcnn.reading.columnar import memory_table
    from textcnn.reading.rows import Rows

    # memory_table refuses tables without rows, but an empty dictionary of columns simply has no texts.
    if isinstance(rows, Mapping) and type(rows).__module__.partition(".")[0] != "datasets" and _is_empty(rows):
        names = tuple(map(str, rows))
        table = Table("<dict>", "columns", lambda _: (names, iter(())))
    else:
        table = memory_table(rows)
    try:
        found = Rows(table, DataConfig(text_column=schema.text_columns), "ignored")
    except DataError as err:
        raise _absent(schema, table, is_rows=isinstance(rows, list)) from err
    if found.has_blocks:
        texts: Sequence[str] = ArrowTexts.concatenate([block.texts for block in found.blocks()])
    else:
        texts = [row.text for row in found]
    for notice in found.warnings():
        warn_of_data(notice)
    return texts


def _is_empty(columns: Mapping[Any, Any]) -> bool:
    return all(
        hasattr(column, "__len__") and not isinstance(column, str) and not len(column) for column in columns.values()
    )


def _absent(schema: Schema, table: Table, *, is_rows: bool) -> DataError:
    """Return the error for a table that lacks the columns of training, or, if those are unknown, a usual one."""
    from textcnn.reading.columns import LISTED, TEXT_NAMES, first_usual

    wanted = "+".join(map(repr, schema.text_columns)) or "of a usual name, as 'text'"
    listed = ", ".join(map(repr, table.columns[:LISTED])) + (", ..." if len(table.columns) > LISTED else "")
    best = first_usual(table.columns, TEXT_NAMES) or _longest(table) or "text"
    way = f"[row[{best!r}] for row in rows]" if is_rows else f"rows[{best!r}]"
    trained = " that the model was trained on" if schema.text_columns else ""
    return DataError(f"expected the column {wanted}{trained}, found {listed or 'none'}; select the texts, as {way}")


def _longest(table: Table) -> str | None:
    """Return the column with the most characters of text in the first rows; none if there is no text."""
    sizes = dict.fromkeys(table.columns, 0)
    for (_, cells), _ in zip(table, range(_SEEN), strict=False):
        for name, cell in cells.items():
            sizes[name] = sizes.get(name, 0) + (len(cell) if isinstance(cell, str) else 0)
    return max(sizes, key=lambda name: sizes[name], default=None)
