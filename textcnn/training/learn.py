"""Learn a network from encoded rows, in torch: what text and image runs share."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from textcnn import kernels
from textcnn.config import TrainingConfig
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, fit_thresholds
from textcnn.evaluation.metrics import score
from textcnn.evaluation.probabilities import probabilities
from textcnn.labels import Labels
from textcnn.models.base import weights_of
from textcnn.models.forward import logits_of
from textcnn.training.distributed import ALONE, ProcessGroup, weights_digest
from textcnn.training.estimate import estimate
from textcnn.training.learned import Learned, Part
from textcnn.training.loop import fit, is_finished
from textcnn.training.losses import BranchLoss, class_weights, label_log_odds
from textcnn.training.order import default_epochs
from textcnn.training.precision import Precision
from textcnn.training.progress import Reporter, Together
from textcnn.training.shares import Epochs
from textcnn.training.trainer import NetworkLearner
from textcnn.training.watch import Watch


def prepare(config: TrainingConfig) -> torch.device:
    """Seed torch, set its threads, and choose the device.

    Raises:
        ConfigError: a CUDA device is asked for and there is none.
    """
    torch.manual_seed(config.seed)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError("device is 'cuda', but torch finds no CUDA device here; use 'cpu' or 'auto'")
    return torch.device("cuda" if config.device != "cpu" and available else "cpu")


def learn(
    model: nn.Module,
    inputs: Any,
    train: Part[Any],
    dev: Part[Any] | None,
    labels: Labels,
    config: TrainingConfig,
    reporter: Reporter,
    *,
    device: torch.device,
    augment: dict[str, Any] | None = None,
    watch: Watch | None = None,
    run: Callable[[], Mapping[str, Any]] = dict,
) -> Learned:
    """Train ``model`` in place; dev rows decide temperature and thresholds afterwards.

    Args:
        model: a classifier with fresh weights.
        inputs: makes batches of the encoded rows.
        train: the rows to learn from.
        dev: rows that choose the best epoch; none: all epochs are run.
        labels: the labels of the logits.
        config: how to train; open settings are resolved by the number of rows.
        reporter: is told of every step.
        device: where the model is trained; it is back on the CPU afterwards.
        augment: further arguments of ``inputs.batch`` for training batches, such as word dropout.
        watch: holds the run to its limits, and has its checkpoints.
        run: says what decides the weights besides ``config``, by name; asked only where checkpoints are kept.

    Raises:
        ConfigError: no time or memory is left for training, or the checkpoints are of another run.
    """
    group = ALONE if watch is None else watch.group
    epochs = config.epochs or default_epochs(len(train.truth))
    model.to(device)
    weight = class_weights(config.class_weight, labels, train.truth)
    loss = BranchLoss(
        labels,
        smoothing=config.label_smoothing,
        class_weight=weight,
        focal_gamma=config.focal_gamma,
        prior=label_log_odds(labels, train.truth, weight) if labels.multi_label else None,
    ).to(device)
    augment = dict(augment or {})
    if train.weights is not None:
        augment["weights"] = (train.weights / train.weights.mean()).astype(np.float32)
    batches = Epochs(inputs, train.encoded, labels.encode(train.truth), config, loss, augment, group, device)
    group.require_same("training rows, settings and first weights", lambda: _start_digest(batches, model))
    steps = len(batches.order(0))
    kernels.use_backend(kernels.use_backend("auto"))  # forget what ran before this run
    kernels.prepare(reporter.say)
    config = replace(config, epochs=epochs)
    checkpoints = (
        None if watch is None else watch.checkpoints(lambda: {**run(), **_deciding(config, model), "ranks": group.size})
    )
    state = group.same(None if checkpoints is None else checkpoints.latest())
    with group.training():
        if state is None or not is_finished(state):
            expected = estimate(model, batches, loss, steps, Precision(config.amp, model))
            if watch is not None:
                dev_share = 0.0 if dev is None else len(dev.truth) / len(train.truth)
                epochs = group.same(watch.planned(epochs, expected, dev_share, reporter.say))
                reporter = Together(reporter, watch.reporter())
            reporter.say(expected.describe(epochs))
        if state is not None:  # the rates decay over the epochs that were planned then
            epochs = state.facts["epochs"]
        config, reporter = replace(config, epochs=epochs), group.listening(reporter)
        result = fit(
            NetworkLearner(model, batches, loss, config, steps, reporter, group),
            steps,
            config,
            reporter,
            evaluate=None if dev is None else _dev_scores(model, inputs, dev, labels, group),
            metric="micro_f1" if labels.multi_label else "accuracy",
            checkpoints=checkpoints,
            state=state,
            group=group,
        )
    backend = kernels.backend_info().backend
    model.to("cpu").eval()
    return Learned(result, epochs, thresholds=[DEFAULT_THRESHOLD] * len(labels), backend=backend)


def _deciding(config: TrainingConfig, model: nn.Module) -> dict[str, Any]:
    """What the weights follow from, for the checkpoints: settings without limits, and the weights there are now."""
    training = {name: value for name, value in asdict(config).items() if name not in ("time_limit", "max_memory")}
    found = hashlib.sha256()
    for value in weights_of(model).values():
        found.update(value.tobytes())
    return {"training": training, "weights before training": found.hexdigest()}


def _start_digest(batches: Epochs, model: nn.Module) -> int:
    """A checksum of what all processes of a run must begin with."""
    known = (np.concatenate(batches.order(0)), batches.targets, str(asdict(batches.config)).encode())
    return zlib.crc32(b"".join(map(bytes, known)), weights_digest(weights_of(model)))


def _dev_scores(
    model: nn.Module, inputs: Any, dev: Part[Any], labels: Labels, group: ProcessGroup
) -> Callable[[], dict[str, float]]:
    """Metrics of the model as it stands, multi-label at the thresholds it would get; each process asks for its rows."""
    thresholds = [DEFAULT_THRESHOLD] * len(labels)

    def evaluate() -> dict[str, float]:
        nonlocal thresholds
        own = logits_of(model, inputs, dev.encoded, group.part(len(dev.truth)))
        probs = probabilities(np.concatenate(group.each(own)), labels)
        if labels.multi_label:
            thresholds = fit_thresholds(probs, dev.truth, labels)
        found = score(dev.truth, probs, labels, thresholds)
        return {name: found[name] for name in ("accuracy", "macro_f1", "micro_f1")}

    return evaluate
