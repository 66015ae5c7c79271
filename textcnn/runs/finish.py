"""The end of every run: size limits, measuring, and what is written into the artifact."""

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
from textcnn.labels import Labels
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
from textcnn.training.result import Learned, Logits, Part, calibrated, measured
from textcnn.training.sampler import Rows, stratified_split

Others = dict[str, Part[Any] | None]  # the encoded rows called dev and test


@dataclass(frozen=True)
class Run:
    """A finished run: the predictor, what it did, and why it ended early if it did.

    Attributes:
        predictor: holds the best weights.
        summary: what ``train --json`` prints, without the folder's name.
        stopped: ``done``, ``patience``, ``interrupted``, ``stopped`` (by the reporter or the time limit),
            ``memory`` (by the memory limit) or ``diverged``.
        problem: what went wrong, if it diverged or held too much.
        held_out: the dev and test rows of a text run, where there were any, by these names.
    """

    predictor: Predictor
    summary: dict[str, Any]
    stopped: str
    problem: str = ""
    held_out: Mapping[str, Examples] = field(default_factory=dict)


def warn_of_labels(labels: Labels, others: Others, reporter: Reporter) -> None:
    """Say what is odd about the labels, before training."""
    for one, other in labels.near_twins():
        reporter.say(f"warning: the labels {one!r} and {other!r} differ only by case or blanks")
    for name, part in others.items():
        if part is not None and (unseen := {label for row in part.truth for label in row} - set(labels.names)):
            shown = ", ".join(map(repr, sorted(unseen)))
            reporter.say(f"warning: {name} labels unseen in training count as wrong: {shown}")


def finish_run(
    artifact: Artifact,
    learned: Learned,
    train: Part[Any],
    others: Others,
    config: Config,
    *,
    source: dict[str, Any],
    logits: Logits | None = None,
) -> Run:
    """Calibrate and measure the trained model of the artifact, and write what was found into the artifact.

    Args:
        artifact: the model.
        learned: how its training went.
        train: the rows that it learnt from.
        others: dev and test rows.
        config: every setting.
        source: name and fingerprint of the data.
        logits: encoded rows to the model's logits; none: :meth:`Artifact.logits_function`.
    """
    labels, test, logits = artifact.labels, others["test"], logits or artifact.logits_function()
    learned = calibrated(learned, logits, others["dev"], labels)
    artifact.temperature, artifact.thresholds = learned.temperature, learned.thresholds
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
        "temperature": learned.temperature,
        "calibration": learned.calibration or None,
        "dev": learned.dev,
        "test": None if test is None else measured(learned, logits, test, labels),
    }
    timed = ("train_seconds", "tokens_per_second")
    resolved = dataclasses.replace(config.training, epochs=learned.epochs)
    artifact.training = {
        "config": dataclasses.replace(config, training=resolved).to_dict(),
        "data": source,
        "history": fit.history,
        **{name: value for name, value in summary.items() if name not in timed},
    }
    artifact.timing = {name: summary[name] for name in timed}
    return Run(Predictor(artifact), summary, fit.stopped, fit.problem)


def ended(run: Run, watch: Watch) -> Run:
    """The run, and whether its memory is why it was stopped."""
    group, artifact = watch.group, run.predictor.artifact
    artifact.training["ranks"] = group.size
    if run.stopped in ("interrupted", "stopped") and (over := next(filter(None, group.each(watch.over_memory)), "")):
        return dataclasses.replace(run, stopped="memory", problem=over)
    return run


def shared_config(config: Config, group: ProcessGroup, reporter: Reporter, *, folds: int | None = None) -> Config:
    """The settings of a run of so many processes.

    Raises:
        ConfigError: several processes train one network, and more are asked for.
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
    """Dev and test rows that pass through the trained model: dev rows twice, for the temperature and with it."""
    sizes = {name: 0 if part is None else len(part.truth) for name, part in others.items()}
    return 2 * sizes["dev"] + sizes["test"]


def check_dev(dev: Any, config: Config) -> None:
    """Dev rows come from a file or from the training rows.

    Raises:
        DataError: both are asked for.
    """
    if dev is not None and (fraction := config.training.dev_fraction):
        raise DataError(f"expected dev rows or dev_fraction, got both (dev_fraction is {fraction}); leave one out")


def split_rows(truth: Sequence[tuple[str, ...]], fraction: float, config: Config) -> tuple[Rows, Rows]:
    """Rows kept for training and rows held out, by the seed of the run.

    Raises:
        DataError: ``dev_fraction`` was asked for and is no row.
    """
    kept, held = stratified_split(list(truth), fraction, seed=config.training.seed)
    if not len(held) and config.training.dev_fraction:
        raise DataError(
            f"dev_fraction {fraction} of {len(truth)} rows is no row; raise it, or give dev rows of your own"
        )
    return kept, held


def limit_wide(artifact: Artifact, others: Others, megabytes: float, reporter: Reporter) -> Others:
    """Hold the wide branch of the artifact to ``megabytes`` (of 2**20 bytes), and say what that cost on the dev rows.

    Its weights become float16 numbers; if that is not enough, the n-grams whose weights have the largest norm are kept.

    Returns:
        ``others`` with the features that are left.
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
        f"note: the wide branch of {size / 2**20:,.1f} MiB is held to {megabytes:g}: float16, "
        f"{len(kept):,} of {len(table):,} n-grams, {mass:.1%} of their squared weights{cost}"
    )
    return others


def with_features(part: Part[EncodedTexts], features: WideFeatures) -> Part[EncodedTexts]:
    """The same rows with these features in the place of others."""
    return replace(part, encoded=replace(part.encoded, wide=features.transform(part.encoded)))


def _dev_score(artifact: Artifact, dev: Part[EncodedTexts] | None) -> tuple[str, float] | None:
    """The metric that chooses epochs, by its name."""
    if dev is None:
        return None
    labels = artifact.labels
    probs = probabilities(artifact.logits_function()(dev.encoded), labels)
    name, thresholds = "accuracy", [DEFAULT_THRESHOLD] * len(labels)
    if labels.multi_label:
        name, thresholds = "micro_f1", fit_thresholds(probs, dev.truth, labels)
    return name, float(score(dev.truth, probs, labels, thresholds)[name])


def _squares(table: npt.NDArray[Any]) -> float:
    return float(np.square(table, dtype=np.float64).sum())
