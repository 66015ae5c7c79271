"""Wraps a predictor as a Spark pandas user-defined function from a column of texts to a column of answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from textcnn.errors import ConfigError, import_extra
from textcnn.folder.config_json import read_config
from textcnn.labels import MULTI_LABEL
from textcnn.prediction.answers import answers_of

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor

_PAIRS = "array<struct<label: string, probability: double>>"


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
    is_multi_label = read_config(folder)["problem_type"] == MULTI_LABEL
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k must be 1 or more, got {top_k!r}")
    if threshold is not None:
        _predictor(folder, precision).thresholds(threshold)
    fields = ["label: string", "probability: double"]
    fields += [f"top: {_PAIRS}"] if top_k is not None else []
    fields += [f"labels: {_PAIRS}"] if is_multi_label else []
    fields += ["certified: boolean"] if precision == "int8" else []
    fields.append("flags: array<string>")

    def classify(batches: Iterator[Any]) -> Iterator[Any]:
        import pandas

        predictor = _predictor(folder, precision)
        for texts in batches:
            rows = ["" if text is None or text != text else text for text in texts]
            answers = predictor.answer(rows, threshold=threshold)
            found = list(answers_of(predictor.labels, answers, top_k=top_k))
            yield pandas.DataFrame(found, columns=[field.partition(":")[0] for field in fields])

    # Spark reads the function's types from its annotations, which must not be strings.
    pandas = import_extra("pandas", extra="spark", feature="classify_udf")
    taken, given = (GenericAlias(Iterator, (kind,)) for kind in (pandas.Series, pandas.DataFrame))
    classify.__annotations__ = {"batches": taken, "return": given}
    return functions.pandas_udf(classify, f"struct<{', '.join(fields)}>")


@lru_cache(maxsize=4)
def _predictor(folder: str, precision: str) -> Predictor:
    from textcnn.prediction.predictor import Predictor

    predictor = Predictor.load(folder, precision=precision, threads=1)  # Spark runs a worker for each core
    predictor.text_inputs()
    return predictor
