"""Registers a function of DuckDB that classifies a column of texts, a vector of rows at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textcnn.engines.models import load_model, type_of
from textcnn.errors import import_extra


def register(
    connection: Any,
    model: str | Path,
    name: str = "classify",
    *,
    precision: str = "float32",
    top_k: int | None = None,
    threshold: float | None = None,
) -> None:
    """Give a connection the function ``name(text)``: a struct of label, probability and flags.

    Example: ``connection.sql("select * from reviews where classify(text).label = 'pos'")``. A null is an empty text.

    Args:
        connection: a connection of DuckDB.
        model: a model folder.
        name: the name of the function.
        precision: ``float32`` or ``int8``.
        top_k: the number of labels to list; none: no list.
        threshold: one threshold for all labels, instead of the model's own (multi-label).

    Raises:
        ArtifactError: the folder is missing or incomplete.
        ConfigError: ``top_k`` is below 1, or the precision or threshold does not fit the model.
        MissingExtraError: duckdb is not installed.
    """
    duckdb = import_extra("duckdb", extra="duckdb", feature="textcnn.engines.duckdb")
    kind = type_of(model, precision=precision, top_k=top_k, threshold=threshold)
    predictor = load_model(str(model), precision)

    def classify(texts: Any) -> Any:
        return predictor.predict_arrow(texts, top_k=top_k, threshold=threshold)

    connection.create_function(
        name, classify, ["VARCHAR"], duckdb.sqltype(_sql(kind)), type="arrow", null_handling="special"
    )


def _sql(kind: Any) -> str:
    """Return the name of an Arrow type in DuckDB's SQL."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{field.name} {_sql(field.type)}' for field in kind)})"
    if pa.types.is_list(kind):
        return f"{_sql(kind.value_type)}[]"
    return {pa.string(): "VARCHAR", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}[kind]
