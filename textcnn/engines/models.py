"""Loads the model of an engine's function once in a process, and tells the type of its answers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError
from textcnn.folder.config_json import read_config
from textcnn.labels import Labels
from textcnn.prediction.arrow import answer_type
from textcnn.prediction.predictor import Predictor


@lru_cache(maxsize=4)
def load_model(model: str, precision: str = "float32", threads: int | None = None) -> Predictor:
    """Return the predictor of a folder; the same one for the same arguments.

    Raises:
        ArtifactError: the folder is missing or incomplete, or its model is for images.
        ConfigError: the model does not allow the precision.
    """
    predictor = Predictor.load(model, precision=precision, threads=threads)
    predictor.text_inputs()
    return predictor


def type_of(
    model: str | Path, *, precision: str = "float32", top_k: int | None = None, threshold: float | None = None
) -> Any:
    """Return the struct type of a function's answers, after checking its arguments; only a threshold needs the model.

    Raises:
        ArtifactError: the folder is missing or incomplete.
        ConfigError: ``top_k`` is below 1, or a threshold is given for a single-label model.
    """
    labels = Labels.of(read_config(model))
    if top_k is not None and top_k < 1:
        raise ConfigError(f"top_k must be 1 or more, got {top_k!r}")
    if threshold is not None:
        load_model(str(model), precision).thresholds(threshold)
    return answer_type(labels, is_certified=precision == "int8", top_k=top_k)
