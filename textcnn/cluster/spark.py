"""Wraps a predictor as a Spark pandas user-defined function from a column of texts to a column of answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias
from typing import Any

from textcnn.engines.models import load_model, type_of
from textcnn.errors import import_extra


def classify_udf(
    model: str | Path, *, precision: str = "float32", top_k: int | None = None, threshold: float | None = None
) -> Any:
    """Return a function for ``DataFrame.withColumn`` that maps texts to structs of label, probability and flags.

    The struct also has ``top`` if ``top_k`` is given, ``labels`` for a multi-label model, and ``certified`` with int8,
    like the rows of ``textcnn classify``. A null is an empty text. Each Python worker loads the model once.

    Args:
        model: a model folder that every worker can read under this path.
        precision: ``float32`` or ``int8``.
        top_k: the number of labels to list; none: no list.
        threshold: one threshold for all labels, instead of the model's own (multi-label).

    Raises:
        ArtifactError: the folder is missing or incomplete.
        ConfigError: ``top_k`` is below 1, or a threshold is given for a single-label model.
        MissingExtraError: pyspark is not installed.
    """
    functions = import_extra("pyspark.sql.functions", extra="spark", feature="classify_udf")
    folder = str(Path(model).absolute())
    kind = type_of(folder, precision=precision, top_k=top_k, threshold=threshold)

    def classify(batches: Iterator[Any]) -> Iterator[Any]:
        import pandas
        import pyarrow

        predictor = load_model(folder, precision, 1)  # Spark runs a worker for each core
        for texts in batches:
            column = pyarrow.array(texts.to_numpy(object), pyarrow.large_string(), from_pandas=True)
            answers = predictor.predict_arrow(column, top_k=top_k, threshold=threshold)
            cells = [answers.field(name).to_pylist() for name in kind.names]
            yield pandas.DataFrame(dict(zip(kind.names, cells, strict=True)))

    # Spark reads the function's types from its annotations, which must not be strings.
    pandas = import_extra("pandas", extra="spark", feature="classify_udf")
    taken, given = (GenericAlias(Iterator, (kind,)) for kind in (pandas.Series, pandas.DataFrame))
    classify.__annotations__ = {"batches": taken, "return": given}
    return functions.pandas_udf(classify, _sql(kind))


def _sql(kind: Any) -> str:
    """Return the name of an Arrow type in Spark's SQL."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_sql(field.type)}' for field in kind)}>"
    if pa.types.is_list(kind):
        return f"array<{_sql(kind.value_type)}>"
    return {pa.string(): "string", pa.float64(): "double", pa.bool_(): "boolean", pa.int64(): "bigint"}[kind]
