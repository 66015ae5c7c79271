"""Trains text classifiers from labelled texts."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

from textcnn.config import Config, TrainingConfig
from textcnn.config_types import SPARSE
from textcnn.errors import ConfigError
from textcnn.explain.evidence import build_evidence, check_architecture
from textcnn.labels import MANY_LABELS, Labels
from textcnn.models.weights import Weights
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.drift import count_training_ngrams
from textcnn.progress import Reporter, Silent
from textcnn.reading.rows import Examples
from textcnn.runs.calibrate import (
    LABELS_OF_LONG_RUNS,
    StoppedError,
    calibration_kind,
    fit_held_out,
    held_out_folds,
    with_more_epochs,
)
from textcnn.runs.characters import character_weights, has_characters
from textcnn.runs.continuing import fits_scale, kept_calibration
from textcnn.runs.core_run import branches_function, sparse_weights, train_weights
from textcnn.runs.ensemble import train_members
from textcnn.runs.finish import Run, finish_run, limit_wide, num_measured, warn_of_labels, with_features
from textcnn.runs.prepare import Prepared, collected_labels, prepare_text, read_rows
from textcnn.runtime.many_labels import NO_NETWORK
from textcnn.training.core_trainer import CORE, choose_road
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Calibration, Learned
from textcnn.training.sampler import default_epochs

if TYPE_CHECKING:
    from torch import nn


def run_text(
    data: Any,
    config: Config,
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    start: Artifact | None = None,
    evidence: bool = False,
    watch: Watch | None = None,
    calibration: Calibration | None = None,
) -> Run:
    """Train a text classifier.

    Args:
        data: anything that :func:`textcnn.reading.rows.read_examples` reads, or the examples that it returned.
        config: all settings.
        reporter: receives progress messages.
        dev: the rows that select the best epoch and calibrate the model, in the same forms as ``data``; none: the
            model is calibrated as ``config.training.calibrate`` says.
        test: the rows that are only measured, in the same forms as ``data``.
        start: a text model to start from; ``config`` is then from :func:`textcnn.runs.continuing.continued_config`.
        evidence: whether to build an index of the training rows that contain the deciding n-grams.
        watch: the resource limits of the run, and its checkpoints.
        calibration: the calibration on rows held out from other models; none: it is fitted first.

    Raises:
        DataError: the data cannot be read with these settings.
        ConfigError: a setting does not fit the data or the architecture.
    """
    if evidence:
        check_architecture(config.model)
    examples = data
    if calibration is None and dev is None and not config.training.dev_fraction:
        examples = read_rows(data, config, reporter, like=None if start is None else start.schema)
        try:
            calibration = _calibration(examples, config, reporter, start, watch)
        except StoppedError as stopped:
            rows = stopped.run.summary["examples"]["train"]
            reporter.say(f"the model of {rows:,} rows, trained to calibrate that of all, is the result")
            undecided = dataclasses.replace(stopped.run.calibration, character_scale=config.model.character_scale)
            stopped.run.predictor.artifact.calibrate(undecided)
            return stopped.run
        if calibration is not None and calibration.epochs is not None:
            training = dataclasses.replace(config.training, epochs=calibration.epochs)
            config = dataclasses.replace(config, training=training)
    holds_out = calibration is None
    prepared = prepare_text(examples, config, reporter, dev=dev, test=test, start=start, holds_out=holds_out)
    if evidence and prepared.config.model.wide == SPARSE:
        raise ConfigError(f"expected a model with evidence, but {NO_NETWORK}")
    run = train_prepared(prepared, reporter, watch, calibration)
    if evidence and prepared.rows is not None:
        reporter.say("evidence: indexing the training rows by their winning n-grams")
        add_evidence(run.predictor.artifact, prepared)
    return run


def _calibration(
    examples: Examples, config: Config, reporter: Reporter, start: Artifact | None, watch: Watch | None
) -> Calibration | None:
    """Return the calibration on held-out rows, which is the model's if it has no dev rows; none if there is none."""
    kind = calibration_kind(len(examples.labelled), config)
    folds = None if kind == "none" else held_out_folds(examples, kind, config.training.seed)
    if folds is None:
        if config.training.calibrate != "none":
            reporter.say(f"{len(examples.labelled):,} rows say too little to calibrate the probabilities")
        return None
    labels = collected_labels(examples, config, start, Silent())  # what is to be said of them, the final model says
    if watch is not None:
        watch.add_fits((int(folds.max()) + 1) * config.training.ensemble)
    train, is_open = partial(train_apart, reporter, start, watch), fits_scale(config, start)

    def fit(epochs: int | None) -> Calibration | None:
        own = dataclasses.replace(config, training=dataclasses.replace(config.training, epochs=epochs))
        return fit_held_out(examples, folds, labels, own, train, reporter, kind=kind, fits_scale=is_open)

    def fit_again(epochs: int) -> Calibration | None:
        if watch is not None:
            watch.add_fits((int(folds.max()) + 1) * config.training.ensemble)
        return fit(epochs)

    found = fit(config.training.epochs)
    if found is None or start is not None or not _may_need_epochs(config, labels):
        return found
    return with_more_epochs(found, default_epochs(len(examples)), fit_again, reporter)


def _may_need_epochs(config: Config, labels: Labels) -> bool:
    """Return whether held-out rows decide about the number of epochs: there is none, and labels are many."""
    given, is_many = config.training, LABELS_OF_LONG_RUNS <= len(labels) <= MANY_LABELS
    is_open = given.epochs is None and given.time_limit is None and choose_road(config).name == CORE
    return is_open and is_many and not labels.multi_label and not labels.targets


def train_apart(
    reporter: Reporter, start: Artifact | None, watch: Watch | None, examples: Examples, config: Config
) -> Run:
    """Train a model on all of these rows, without calibration, to learn from its answers to others."""
    prepared = prepare_text(examples, config, reporter, start=start, holds_out=False)
    return train_prepared(prepared, reporter, watch, tries_characters=True)


def _check_sparse(prepared: Prepared) -> None:
    """Refuse what a model with a sparse n-gram branch cannot be made from."""
    if prepared.start is not None:
        raise ConfigError(f"expected a model to continue, but {NO_NETWORK}")
    if prepared.train.soft is not None:
        raise ConfigError("a sparse n-gram branch is for one label a row, got probabilities of labels; set wide=false")


def add_evidence(artifact: Artifact, prepared: Prepared) -> None:
    """Build the trained model's index of the training rows that contain the deciding n-grams."""
    train, features = prepared.train, artifact.text_inputs().wide
    assert prepared.rows is not None
    if features is not None and features is not prepared.inputs.wide:  # the size limit has removed some
        train = with_features(train, features)
    artifact.evidence = build_evidence(artifact.lookup(), train.encoded, train.truth, prepared.rows)


def train_prepared(
    prepared: Prepared,
    reporter: Reporter,
    watch: Watch | None = None,
    calibration: Calibration | None = None,
    *,
    tries_characters: bool = False,
) -> Run:
    """Train a model on rows that :func:`prepare_text` prepared.

    Args:
        prepared: the rows.
        reporter: receives progress messages.
        watch: the resource limits of the run, and its checkpoints.
        calibration: the calibration on rows held out from other models; none: dev rows calibrate, if there are any.
        tries_characters: whether the model gets a branch of characters because held-out rows will decide about it.

    Raises:
        ConfigError: a setting does not fit the architecture.
    """
    config, labels, part = prepared.config, prepared.labels, prepared.train
    if config.model.wide == SPARSE:
        _check_sparse(prepared)
    if prepared.start is not None and config.training.ensemble > 1:
        raise ConfigError(f"ensemble is {config.training.ensemble}, but a model is continued as one; leave it out")
    warn_of_labels(labels, prepared.others, reporter)
    if watch is not None:
        watch.measured = num_measured(prepared.others) / len(part.truth)

    road = choose_road(config, num_processes=1 if watch is None else watch.group.size)
    reporter.say(f"training by {road.name}" + (f" ({road.reason})" if road.reason else ""))

    def train(training: TrainingConfig) -> tuple[nn.Module | Weights, Learned]:
        if road.name == CORE:
            return train_weights(prepared, training, road, reporter, watch)
        from textcnn.runs.torch_run import train_network

        return train_network(prepared, training, road, reporter, watch)

    network, shape, learned = train_members(config, train, reporter)
    if config.model.wide == SPARSE:
        if not isinstance(network, dict):
            from textcnn.models.base import weights_of

            network = weights_of(network)
        network = {**network, **sparse_weights(prepared)}
    artifact = Artifact(network, prepared.inputs, labels, shape, reading=prepared.reading)
    artifact.ngrams = count_training_ngrams(prepared.inputs, part.encoded, has_features=prepared.start is None)
    others = limit_wide(artifact, dict(prepared.others), config.training.wide_megabytes, reporter)
    if calibration is None and prepared.start is not None and others["dev"] is None:
        calibration = kept_calibration(prepared.start, labels)
    if has_characters(prepared, calibration, is_on_trial=tries_characters or others["dev"] is not None):
        artifact.add_characters(*character_weights(prepared))
    branches = branches_function(artifact, config.training) if road.name == CORE else None
    run = finish_run(
        artifact,
        learned,
        part,
        others,
        config,
        source=prepared.source,
        branches=branches,
        calibration=calibration,
        fits_scale=prepared.fits_scale,
    )
    artifact.training["vectors"] = run.summary["vectors"] = prepared.coverage
    return dataclasses.replace(run, held_out=prepared.held_out)
