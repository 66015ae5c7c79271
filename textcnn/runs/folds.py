"""Cross validation: every row is answered once by a model that has not seen it; then all rows train the model."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import Config
from textcnn.errors import ConfigError, DataError
from textcnn.folder.training_rows import OutOfFold
from textcnn.labels import Labels
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.runs.finish import Run
from textcnn.runs.prepare import read_rows
from textcnn.runs.text import run_text
from textcnn.training.resource_limits import Watch
from textcnn.training.sampler import stratified_folds

METRICS = ("accuracy", "macro_f1", "micro_f1")


def run_text_folds(
    data: Any,
    config: Config,
    num_folds: int,
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    evidence: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Cross-validate, then train the model that is kept on all rows.

    ``summary["folds"]`` is what :func:`cross_validate` says, and the artifact keeps the probabilities of all rows.

    Args:
        data: as for :func:`run_text`.
        config: every setting.
        num_folds: K.
        reporter: is told what happens.
        dev: as for :func:`run_text`, for the model that is kept.
        test: the same.
        evidence: the same.
        watch: the same.

    Raises:
        ConfigError: as for :func:`cross_validate` and :func:`run_text`.
        DataError: the same.
    """
    examples = read_rows(data, config, reporter)
    folds, summary = cross_validate(examples, config, num_folds, reporter, watch)
    reporter.say("over the folds: " + folds_line(summary))
    reporter.say(f"the model that is kept: all {len(examples):,} rows")
    run = run_text(examples, config, reporter, dev=dev, test=test, evidence=evidence, watch=watch)
    artifact = run.predictor.artifact
    artifact.folds = folds
    untimed = [{name: value for name, value in entry.items() if name != "train_seconds"} for entry in summary["runs"]]
    artifact.training["folds"] = {**summary, "runs": untimed}
    return dataclasses.replace(run, summary={**run.summary, "folds": summary})


def cross_validate(
    examples: Examples, config: Config, num_folds: int, reporter: Reporter, watch: Watch | None = None
) -> tuple[OutOfFold, dict[str, Any]]:
    """Train and measure a model for every fold.

    A fold's model has the settings of the run and no dev rows (multi-label: those that set thresholds, held out of its
    own training rows).

    Args:
        examples: N rows.
        config: every setting; its seed decides the folds too.
        num_folds: K.
        reporter: is told what happens.
        watch: as for :func:`run_text`.

    Returns:
        The probabilities of all rows, and ``{k, mean, std, runs}``: mean and spread of each metric over the folds (of
        the sample).

    Raises:
        ConfigError: fewer than two folds, or as for :func:`run_text`.
        DataError: more folds than rows, or a fold whose model would see one label only.
    """
    if num_folds < 2:
        raise ConfigError(f"folds must be 2 or more, got {num_folds}")
    labels = Labels.collect(examples.labels, multi_label=examples.multi_label)
    fold = stratified_folds(examples.labels, num_folds, seed=config.training.seed)
    _check(examples, fold, num_folds)
    alone = dataclasses.replace(config, training=dataclasses.replace(config.training, dev_fraction=None))
    probabilities = np.zeros((len(examples), len(labels)), np.float32)
    runs = []
    for number in range(num_folds):
        held = examples.subset(fold == number)
        reporter.say(f"fold {number + 1} of {num_folds}: {len(held):,} rows held out")
        run = run_text(examples.subset(fold != number), alone, reporter, test=held, watch=watch)
        columns = [labels.names.index(name) for name in run.predictor.labels.names]
        probabilities[np.ix_(fold == number, columns)] = run.predictor.predict_proba(held.texts)
        scores = {name: run.summary["test"][name] for name in METRICS}
        runs.append({"fold": number, "rows": len(held), "train_seconds": run.summary["train_seconds"], **scores})
        if run.stopped == "interrupted":
            raise KeyboardInterrupt
    table = {name: np.array([entry[name] for entry in runs]) for name in METRICS}
    summary = {
        "k": num_folds,
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "std": {name: float(values.std(ddof=1)) for name, values in table.items()},
        "runs": runs,
    }
    return OutOfFold(probabilities, fold.astype(np.int32)), summary


def folds_line(summary: dict[str, Any]) -> str:
    """Mean and spread on one line."""
    parts = [f"{name} {summary['mean'][name]:.4f} ± {summary['std'][name]:.4f}" for name in METRICS]
    return f"{', '.join(parts)} ({summary['k']} folds)"


def _check(examples: Examples, fold: npt.NDArray[np.int64], num_folds: int) -> None:
    if num_folds > len(examples):
        raise DataError(f"expected as many rows as folds at least, found {len(examples)} rows for {num_folds} folds")
    for number in range(num_folds):
        seen = {name for row in np.flatnonzero(fold != number) for name in examples.labels[row]}
        if len(seen) < (1 if examples.multi_label else 2):
            raise DataError(
                f"fold {number + 1} of {num_folds} would leave the labels {sorted(seen)} alone to train on; "
                f"give more rows of the others"
            )
