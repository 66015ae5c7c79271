"""Classifies columns of texts in Arrow's memory layout: the door of polars, DuckDB, Spark and other engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textcnn.errors import DataError
from textcnn.labels import Labels
from textcnn.prediction.answer_tables import answer_columns, arrow_column
from textcnn.prediction.answers import AnswerForm
from textcnn.reading.table import shown
from textcnn.runtime.text_model import Answering
from textcnn.tokenization.arrow_texts import ArrowTexts

_BYTES = 2**22  # of the texts that are classified at once


def answer_type(labels: Labels, *, is_certified: bool = False, top_k: int | None = None) -> Any:
    """Return the pyarrow struct type of the answers of :func:`predict_arrow`."""
    import pyarrow as pa

    pairs = pa.list_(pa.struct([("label", pa.string()), ("probability", pa.float64())]))
    if top_k is not None:
        labels.require_labels("top_k")
    if labels.targets:
        several = pa.struct([(name, pa.float64()) for name in labels.names])
        if labels.grades is not None:
            shares = pa.struct([(name, pa.float64()) for name in labels.grades.names])
            first = [("label", pa.string()), ("probability", pa.float64()), ("score", pa.float64())]
            return pa.struct([*first, ("probabilities", shares), ("flags", pa.list_(pa.string()))])
        own = ("score", pa.float64()) if len(labels) == 1 else ("scores", several)
        return pa.struct([own, ("flags", pa.list_(pa.string()))])
    fields = [("label", pa.string()), ("probability", pa.float64())]
    fields += [("level", pa.int64())] if labels.tree is not None else []
    fields += [("top", pairs)] if top_k is not None else []
    fields += [("path", pairs)] if top_k is not None and labels.tree is not None else []
    fields += [("labels", pairs)] if labels.multi_label else []
    fields += [("certified", pa.bool_())] if is_certified else []
    return pa.struct([*fields, ("flags", pa.list_(pa.string()))])


def predict_arrow(
    predictor: Answering,
    column: Any,
    *,
    top_k: int | None = None,
    threshold: float | None = None,
    is_certified: bool = False,
) -> Any:
    """Return the answers to a column of texts; documented at ``Predictor.predict_arrow``."""
    import pyarrow as pa

    labels, form = predictor.labels, AnswerForm(top_k=top_k, threshold=threshold)
    kind = answer_type(labels, is_certified=is_certified, top_k=top_k)
    column, is_array = _of_pyarrow(column)
    answered = []
    for chunk in _chunks(column):
        for texts in _texts(chunk).slices(_BYTES):
            columns = answer_columns(labels, predictor.answer(texts, threshold=threshold), form)
            cells = [arrow_column(columns[field.name], lambda value: value) for field in kind]
            arrays = [
                cell.cast(field.type) if isinstance(cell, pa.Array) else pa.array(cell, field.type)
                for cell, field in zip(cells, kind, strict=True)
            ]
            answered.append(pa.StructArray.from_arrays(arrays, fields=list(kind)))
    found = pa.chunked_array(answered, type=kind)
    if not is_array:
        return found
    return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()


def _of_pyarrow(column: Any) -> tuple[Any, bool]:
    """Return the column as one of pyarrow, and whether it is a single array.

    Raises:
        DataError: it is no column of Arrow.
    """
    import pyarrow as pa

    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column, isinstance(column, pa.Array)
    if hasattr(column, "__arrow_c_stream__"):  # polars.Series, pandas.Series
        return pa.chunked_array(column), False
    if hasattr(column, "__arrow_c_array__"):
        return pa.array(column), True
    raise DataError(f"expected a column of Arrow, as a pyarrow.Array or polars.Series, found {shown(column)}")


def _chunks(column: Any) -> Iterator[Any]:
    yield from (column.chunks if hasattr(column, "chunks") else [column])


def _texts(chunk: Any) -> ArrowTexts:
    """Return the texts of an array; a missing one is empty.

    Raises:
        DataError: it has no strings, or strings that are not UTF-8.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_decode()
    if pa.types.is_null(chunk.type):
        chunk = chunk.cast(pa.string())
    if pa.types.is_string_view(chunk.type):  # which Arrow fills and casts alone
        chunk = chunk.cast(pa.large_string())
    if not (pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type)):
        raise DataError(f"expected a column of strings, found one of {chunk.type}")
    texts = ArrowTexts.of_arrow(chunk.fill_null("") if chunk.null_count else chunk)
    if texts is None:
        raise DataError("expected strings of UTF-8, found other bytes in the column")
    return texts
