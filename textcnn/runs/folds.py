"""Runs cross validation: each row is classified by a model that was not trained on it; then all rows train a model."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import Config
from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.metrics import score
from textcnn.folder.training_rows import OutOfFold
from textcnn.labels import MANY_LABELS
from textcnn.progress import Reporter, Silent
from textcnn.reading.rows import Examples
from textcnn.runs.calibrate import StoppedError, calibration_kind, out_of_sample
from textcnn.runs.finish import Run
from textcnn.runs.prepare import collected_labels, read_rows
from textcnn.runs.text import run_text, train_apart
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Calibration
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
    """Cross-validate, then train the final model on all rows.

    ``summary["folds"]`` has the summary of :func:`cross_validate`, and the artifact the probabilities of all rows.

    Args:
        data: as for :func:`run_text`.
        config: all settings.
        num_folds: K, the number of folds.
        reporter: receives progress messages.
        dev: the dev rows of the final model, as for :func:`run_text`.
        test: the test rows of the final model, as for :func:`run_text`.
        evidence: whether the final model gets an index of evidence, as for :func:`run_text`.
        watch: the resource limits, as for :func:`run_text`.

    Raises:
        ConfigError: as for :func:`cross_validate` and :func:`run_text`.
        DataError: as for :func:`cross_validate` and :func:`run_text`.
    """
    examples = read_rows(data, config, reporter)
    folds, summary, calibration = cross_validate(examples, config, num_folds, reporter, watch)
    reporter.say("over the folds: " + folds_line(summary))
    reporter.say(f"the model that is kept: all {len(examples):,} rows")
    more: dict[str, Any] = {"dev": dev, "test": test, "evidence": evidence, "watch": watch}
    if dev is None and not config.training.dev_fraction and calibration.facts:
        more["calibration"] = calibration
    run = run_text(examples, config, reporter, **more)
    artifact = run.predictor.artifact
    artifact.folds = folds
    untimed = [{name: value for name, value in entry.items() if name != "train_seconds"} for entry in summary["runs"]]
    artifact.training["folds"] = {**summary, "runs": untimed}
    return dataclasses.replace(run, summary={**run.summary, "folds": summary})


def cross_validate(
    examples: Examples, config: Config, num_folds: int, reporter: Reporter, watch: Watch | None = None
) -> tuple[OutOfFold, dict[str, Any], Calibration]:
    """Train one model for each fold, and measure all of them at the calibration that their answers together lead to.

    Args:
        examples: the N rows.
        config: all settings; the seed also determines the folds.
        num_folds: K, the number of folds.
        reporter: receives progress messages.
        watch: as for :func:`run_text`.

    Returns:
        The out-of-fold probabilities of all rows; ``{k, mean, std, runs}`` with the mean and the sample standard
        deviation of each metric over the folds; and the calibration.

    Raises:
        ConfigError: there are fewer than two folds, or as for :func:`run_text`.
        DataError: there are more folds than rows, or a fold's model would see only one label.
    """
    if num_folds < 2:
        raise ConfigError(f"folds must be 2 or more, got {num_folds}")
    labels = collected_labels(examples, config, None, Silent())
    if len(labels) > MANY_LABELS:
        raise ConfigError(
            f"folds keep the probability of every label for every row, for up to {MANY_LABELS:,} labels; the rows have "
            f"{len(labels):,}: leave folds out, and measure on rows of your own (--test)"
        )
    fold = stratified_folds(examples.labels, num_folds, seed=config.training.seed)
    _check(examples, fold, num_folds)
    try:
        found = out_of_sample(examples, fold, labels, config, partial(train_apart, reporter, None, watch), reporter)
    except StoppedError as stopped:
        raise KeyboardInterrupt from stopped
    kind = "none" if calibration_kind(len(examples), config) == "none" else "folds"
    is_open = config.model.wide_scale is None
    calibration = found.calibrate(examples, labels, config.model, kind, fits_scale=is_open)
    probabilities = calibration.probabilities(found.branches, labels)
    runs = []
    for number, summary in enumerate(found.summaries):
        rows = np.flatnonzero(fold == number)
        truth = [examples.labels[row] for row in rows.tolist()]
        scores = score(truth, probabilities[rows], labels, calibration.thresholds)
        entry = {"fold": number, "rows": len(rows), "train_seconds": summary["train_seconds"]}
        runs.append({**entry, **{name: scores[name] for name in METRICS}})
    table = {name: np.array([entry[name] for entry in runs]) for name in METRICS}
    results = {
        "k": num_folds,
        "mean": {name: float(values.mean()) for name, values in table.items()},
        "std": {name: float(values.std(ddof=1)) for name, values in table.items()},
        "runs": runs,
    }
    return OutOfFold(probabilities.astype(np.float32), fold.astype(np.int32)), results, calibration


def folds_line(summary: dict[str, Any]) -> str:
    """Format the mean and standard deviation of each metric as one line."""
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
