"""Finishes a run: splits rows, limits the model's size, measures it, and records the results in the artifact."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import Config
from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, fit_thresholds, probabilities
from textcnn.evaluation.metrics import score
from textcnn.labels import MOST_NAMED, Labels, named
from textcnn.models.weights import WIDE_IDF, WIDE_KEYS, WIDE_TABLE
from textcnn.nn.ngram_weights import num_bytes, smaller_table
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Reporter
from textcnn.reading.rows import Examples
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.training.distributed import ProcessGroup
from textcnn.training.resource_limits import Watch
from textcnn.training.result import (
    Branches,
    Calibration,
    Learned,
    Part,
    calibrating_rows,
    fit_calibration,
    uncalibrated,
)
from textcnn.training.sampler import Rows, stratified_split

Others = dict[str, Part[Any] | None]  # the encoded dev and test rows by name


@dataclass(frozen=True)
class Run:
    """A finished run: the predictor, its results, and the reason why it ended.

    Attributes:
        predictor: the predictor with the best weights.
        branches: a function from encoded rows to the logits of each of its branches.
        calibration: how these become probabilities.
        summary: the results that ``train --json`` prints, without the folder's name.
        stopped: ``done``, ``patience``, ``interrupted``, ``stopped`` (by the reporter or the time limit),
            ``memory`` (by the memory limit) or ``diverged``.
        problem: a description of the problem, if training diverged or exceeded the memory limit.
        held_out: the dev and test rows of a text run by name, if there were any.
    """

    predictor: Predictor
    branches: Branches
    calibration: Calibration
    summary: dict[str, Any]
    stopped: str
    problem: str = ""
    held_out: Mapping[str, Examples] = field(default_factory=dict)


def warn_of_labels(labels: Labels, others: Others, reporter: Reporter) -> None:
    """Report labels that are nearly equal, and labels that occur only in dev or test rows."""
    twins = labels.near_twins()
    for one, other in twins[:MOST_NAMED]:
        reporter.say(f"warning: the labels {one!r} and {other!r} differ only by case or blanks")
    if len(twins) > MOST_NAMED:
        reporter.say(f"warning: so do {len(twins) - MOST_NAMED:,} more pairs of labels")
    for name, part in others.items():
        unseen = set() if part is None else {label for row in part.truth for label in row} - set(labels.names)
        if unseen and not labels.targets:
            shown = named(sorted(unseen))
            reporter.say(f"warning: {name} labels unseen in training count as wrong: {shown}")


def finish_run(
    artifact: Artifact,
    learned: Learned,
    train: Part[Any],
    others: Others,
    config: Config,
    *,
    source: dict[str, Any],
    branches: Branches | None = None,
    calibration: Calibration | None = None,
    fits_scale: bool = False,
) -> Run:
    """Calibrate and measure the trained model of the artifact, and record the results in the artifact.

    Args:
        artifact: the model.
        learned: the result of its training.
        train: the training rows.
        others: the dev and test rows.
        config: all settings.
        source: the name and fingerprint of the data.
        branches: a function from encoded rows to the logits of each branch; none: the artifact's own.
        calibration: from rows held out from another model; none: dev rows calibrate, if there are any.
        fits_scale: whether the factor of the n-gram branch is fitted.
    """
    labels, branches = artifact.labels, branches or artifact.branches_function()
    dev, test, scale = others["dev"], others["test"], artifact.config.scale
    if calibration is None and dev is not None:
        rows = calibrating_rows(len(dev.truth), len(labels))
        some = dev if len(rows) == len(dev.truth) else dev.subset(rows)
        counts = artifact.text_inputs().counts(some.encoded) if artifact.modality == "text" else None
        calibration = fit_calibration(
            *(branches(some.encoded), some.truth, labels, scale),
            kind="dev",
            fits_scale=fits_scale,
            character_scale=config.model.character_scale,
            counts=counts,
        )
    before = uncalibrated(scale, labels, artifact.config.character_scale, has_wide=bool(artifact.config.wide))
    calibration = calibration or before
    artifact.calibrate(calibration)
    labels = artifact.labels  # with the grades that were fitted
    fit = learned.fit
    summary = {
        "architecture": config.model.architecture,
        "examples": {name: 0 if part is None else len(part.truth) for name, part in {"train": train, **others}.items()},
        "num_labels": len(labels),
        "num_parameters": artifact.num_parameters,
        "epochs": len(fit.history),
        "best_epoch": fit.best_epoch,
        "stopped": fit.stopped,
        "train_seconds": fit.seconds,
        "tokens_per_second": fit.tokens_per_second,
        "road": learned.road.name,
        "road_reason": learned.road.reason,
        "temperature": calibration.temperature,
        "wide_scale": calibration.scale,
        "character_scale": calibration.character_scale,
        "calibration": calibration.facts or None,
        "dev": None if dev is None else calibration.score(branches, dev, labels),
        "test": None if test is None else calibration.score(branches, test, labels),
    }
    timed = ("train_seconds", "tokens_per_second")
    # As it was given, except that epochs have a number: the same config gives the same model.
    given = dataclasses.replace(
        config,
        training=dataclasses.replace(config.training, epochs=learned.epochs),
        model=dataclasses.replace(config.model, wide_scale=None) if fits_scale else config.model,
    )
    artifact.training = {
        "config": given.to_dict(),
        "data": source,
        "history": fit.history,
        **{name: value for name, value in summary.items() if name not in timed},
    }
    artifact.timing = {name: summary[name] for name in timed}
    return Run(Predictor(artifact), branches, calibration, summary, fit.stopped, fit.problem)


def ended(run: Run, watch: Watch) -> Run:
    """Return the run with ``stopped="memory"`` if the memory limit of any process stopped it."""
    group, artifact = watch.group, run.predictor.artifact
    artifact.training["ranks"] = group.size
    if run.stopped in ("interrupted", "stopped") and (over := next(filter(None, group.each(watch.over_memory)), "")):
        return dataclasses.replace(run, stopped="memory", problem=over)
    return run


def shared_config(config: Config, group: ProcessGroup, reporter: Reporter, *, folds: int | None = None) -> Config:
    """Check the settings of a run for the number of its processes, and return them.

    Raises:
        ConfigError: several processes train one network, but folds or an ensemble are requested.
    """
    if group.size == 1:
        return config
    ensemble = config.training.ensemble if config.training.ensemble > 1 else None
    if problems := [
        f"{name} is {value}, but the run has {group.size} ranks, which train one network; leave it out, or train "
        f"without torchrun"
        for name, value in {"folds": folds, "ensemble": ensemble}.items()
        if value
    ]:
        raise ConfigError(problems)
    reporter.say(f"{group.size} ranks share every batch")
    return config


def num_measured(others: Others) -> int:
    """Return the number of rows that the trained model is measured on; dev rows count twice, for calibration too."""
    sizes = {name: 0 if part is None else len(part.truth) for name, part in others.items()}
    return 2 * sizes["dev"] + sizes["test"]


def check_dev(config: Config) -> None:
    """Check that dev rows, where the user gives them, are not split off the training rows too.

    Raises:
        DataError: both are requested.
    """
    if fraction := config.training.dev_fraction:
        raise DataError(f"expected dev rows or dev_fraction, got both (dev_fraction is {fraction}); leave one out")


def split_rows(truth: Sequence[tuple[str, ...]], fraction: float, config: Config) -> tuple[Rows, Rows]:
    """Split the rows into training rows and dev rows, stratified by label, with the seed of the run.

    Raises:
        DataError: ``dev_fraction`` is set, but too small for a single row.
    """
    kept, dev = stratified_split(list(truth), fraction, seed=config.training.seed)
    if not len(dev) and config.training.dev_fraction:
        raise DataError(
            f"dev_fraction {fraction} of {len(truth)} rows is no row; raise it, or give dev rows of your own"
        )
    return kept, dev


def limit_wide(artifact: Artifact, others: Others, megabytes: float, reporter: Reporter) -> Others:
    """Limit the wide branch of the artifact to ``megabytes`` (of 2**20 bytes), and report the cost on the dev rows.

    Its weights are converted to float16; if that is not enough, only the n-grams with the largest norms are kept.

    Returns:
        ``others`` with the remaining features.
    """
    weights, most = artifact.weights, int(megabytes * 2**20)
    table = weights.get(WIDE_TABLE)
    if table is None:
        return others
    size = num_bytes(*table.shape, float16=table.dtype == np.float16)
    if size <= most:
        return others
    earlier = _dev_score(artifact, others["dev"])
    small, kept = smaller_table(table, most)
    features = WideFeatures(weights[WIDE_KEYS][kept], weights[WIDE_IDF][kept])
    artifact.inputs = replace(artifact.text_inputs(), wide=features)
    artifact.replace_weights({**weights, WIDE_TABLE: small, WIDE_KEYS: features.keys, WIDE_IDF: features.idf})
    others = {name: None if part is None else with_features(part, features) for name, part in others.items()}
    later = _dev_score(artifact, others["dev"])
    mass = _squares(small) / max(_squares(table), 1e-30)
    cost = f"; dev {earlier[0]} {earlier[1]:.4f} before, {later[1]:.4f} now" if earlier and later else ""
    reporter.say(
        f"note: the wide branch of {size / 2**20:,.1f} MiB is limited to {megabytes:g}: float16, "
        f"{len(kept):,} of {len(table):,} n-grams, {mass:.1%} of their squared weights{cost}"
    )
    return others


def with_features(part: Part[EncodedTexts], features: WideFeatures) -> Part[EncodedTexts]:
    """Return the rows with their wide features replaced by these."""
    return replace(part, encoded=replace(part.encoded, wide=features.transform(part.encoded)))


def _dev_score(artifact: Artifact, dev: Part[EncodedTexts] | None) -> tuple[str, float] | None:
    """Return the name and value of the metric that selects epochs, on the dev rows; none without dev rows."""
    if dev is None:
        return None
    labels, thresholds = artifact.labels, [DEFAULT_THRESHOLD] * len(artifact.labels)
    before = uncalibrated(artifact.config.scale, labels)
    probs = probabilities(artifact.logits_function()(dev.encoded), labels, before.temperature)
    if labels.multi_label:
        thresholds = fit_thresholds(probs, dev.truth, labels)
    return labels.metric, float(score(dev.truth, probs, labels, thresholds)[labels.metric])


def _squares(table: npt.NDArray[Any]) -> float:
    return float(np.square(table, dtype=np.float64).sum())
