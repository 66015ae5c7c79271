"""Classifies a column of a polars data frame by an expression."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from textcnn.engines.models import load_model, type_of
from textcnn.errors import import_extra


def classify(
    model: str | Path,
    column: Any,
    *,
    precision: str = "float32",
    top_k: int | None = None,
    threshold: float | None = None,
) -> Any:
    """Return an expression: the answers to a column of texts, as structs of label, probability and flags.

    Example: ``frame.with_columns(classify("model", "text").alias("answer"))``. A null is an empty text. The model is
    loaded when the first rows come, once in a process.

    Args:
        model: a model folder.
        column: the name of a column, or an expression.
        precision: ``float32`` or ``int8``.
        top_k: the number of labels to list; none: no list.
        threshold: one threshold for all labels, instead of the model's own (multi-label).

    Raises:
        ArtifactError: the folder is missing or incomplete.
        ConfigError: ``top_k`` is below 1, or the precision or threshold does not fit the model.
        MissingExtraError: polars is not installed.
    """
    polars = import_extra("polars", extra="polars", feature="textcnn.engines.polars")
    kind = type_of(model, precision=precision, top_k=top_k, threshold=threshold)
    return_dtype = polars.Series(_of_arrow(polars, kind, [])).dtype
    expression = polars.col(column) if isinstance(column, str) else column
    answer = partial(_answer, str(model), precision, top_k, threshold)
    # Each row has an answer of its own, so a streaming engine may give the rows in parts.
    return expression.map_batches(answer, return_dtype=return_dtype, is_elementwise=True)


def _answer(model: str, precision: str, top_k: int | None, threshold: float | None, texts: Any) -> Any:
    polars = import_extra("polars", extra="polars", feature="textcnn.engines.polars")
    return polars.Series(load_model(model, precision).predict_arrow(texts, top_k=top_k, threshold=threshold))


def _of_arrow(polars: Any, kind: Any, rows: list[Any]) -> Any:
    import pyarrow

    return polars.from_arrow(pyarrow.array(rows, kind))
