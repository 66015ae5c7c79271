"""From settings by name to a run: what the command line and the library share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textcnn.config import Config
from textcnn.runs.folds import run_text_folds
from textcnn.runs.run import Run
from textcnn.runs.text import run_text
from textcnn.training.progress import Reporter


def train_text(
    data: Any,
    settings: Mapping[str, Any],
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    folds: int | None = None,
) -> Run:
    """Train a text classifier from settings by name.

    Args:
        data: as for :func:`run_text`.
        settings: by name, without sections.
        reporter: is told what happens.
        dev: rows that choose the best epoch and calibrate.
        test: rows that are only measured.
        folds: cross-validate with that many folds first.

    Raises:
        ConfigError: settings that are unknown, out of range or do not go together.
        DataError: the data cannot be read as asked.
    """
    config = Config.from_flat(settings)
    if folds is not None:
        return run_text_folds(data, config, folds, reporter, dev=dev, test=test)
    return run_text(data, config, reporter, dev=dev, test=test)
