"""Training of a network on encoded rows in torch, shared by text and image runs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from textcnn.config import TrainingConfig
from textcnn.core.threads import set_threads
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models.base import logits_of, weights_of
from textcnn.progress import Reporter
from textcnn.training.batches import Epochs, Precision
from textcnn.training.core_trainer import BY_TORCH, Road
from textcnn.training.distributed import ALONE, ProcessGroup, weights_digest
from textcnn.training.losses import BranchLoss
from textcnn.training.planning import dev_scores, planned_fit
from textcnn.training.resource_limits import Watch, estimate
from textcnn.training.result import Learned, Part, uncalibrated
from textcnn.training.sampler import class_weights, label_log_odds
from textcnn.training.trainer import NetworkLearner


def prepare(config: TrainingConfig) -> torch.device:
    """Seed torch, set the threads of torch and of the core, and return the device.

    Raises:
        ConfigError: a CUDA device is asked for and there is none.
    """
    torch.manual_seed(config.seed)
    set_threads(config.threads)
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
    road: Road = BY_TORCH,
) -> Learned:
    """Train ``model`` in place.

    Args:
        model: a classifier with fresh weights.
        inputs: makes batches of the encoded rows.
        train: the rows to learn from.
        dev: rows that choose the best epoch; none: all epochs are run.
        labels: the labels of the logits.
        config: training settings; open ones are resolved by the number of rows.
        reporter: receives every step.
        device: where the model is trained; it is back on the CPU afterwards.
        augment: further arguments of ``inputs.batch`` for training batches, such as word dropout.
        watch: enforces the run's limits, and provides its checkpoints.
        run: returns the inputs besides ``config`` that determine the weights, by name; called only with checkpoints.
        road: the torch backend, and why it was chosen.

    Raises:
        ConfigError: no time or memory is left for training, or the checkpoints are of another run.
    """
    group = ALONE if watch is None else watch.group
    model.to(device)
    weight = class_weights(config.class_weight, labels, train.truth)
    loss = BranchLoss(
        labels,
        smoothing=config.label_smoothing,
        class_weight=None if weight is None else torch.from_numpy(weight),
        focal_gamma=config.focal_gamma,
        prior=torch.from_numpy(label_log_odds(labels, train.truth, weight)) if labels.multi_label else None,
        loss=config.loss,
    ).to(device)
    augment = dict(augment or {})
    if train.weights is not None:
        augment["weights"] = (train.weights / train.weights.mean()).astype(np.float32)
    batches = Epochs(
        inputs, train.encoded, train.targets(labels, config.teacher_weight), config, loss, augment, group, device
    )
    group.require_same("training rows, settings and first weights", lambda: _start_digest(batches, model))
    steps = len(batches.order(0))
    wide = getattr(model, "wide", None)
    before = uncalibrated(getattr(model, "wide_scale", 1.0), labels, has_wide=wide is not None)
    fit, epochs = planned_fit(
        lambda config, reporter: NetworkLearner(model, batches, loss, config, steps, reporter, group),
        lambda: estimate(model, batches, loss, steps, Precision(config.amp, model)),
        config,
        steps,
        len(train.truth),
        reporter,
        evaluate=None
        if dev is None
        else dev_scores(lambda rows: _dev_logits(model, inputs, dev, group, rows), dev, before, labels),
        metric=labels.metric,
        dev_rows=0 if dev is None else len(dev.truth),
        watch=watch,
        deciding=lambda: {**run(), "road": road.name, "weights before training": weights_digest(weights_of(model))},
    )
    model.to("cpu").eval()
    return Learned(fit, epochs, road)


def _start_digest(batches: Epochs, model: nn.Module) -> int:
    """Return a checksum of everything that must be equal in all processes at the start."""
    known = (np.concatenate(batches.order(0)), batches.targets, str(asdict(batches.config)).encode())
    return zlib.crc32(b"".join(map(bytes, known)), weights_digest(weights_of(model)))


def _dev_logits(
    model: nn.Module, inputs: Any, dev: Part[Any], group: ProcessGroup, rows: slice
) -> npt.NDArray[np.float32]:
    """Return logits of a slice of the dev rows, of which each process computes its share."""
    dev = dev if rows == slice(None) else dev.subset(np.arange(len(dev.truth))[rows])
    own = logits_of(model, inputs, dev.encoded, group.part(len(dev.truth)))
    return np.concatenate(group.each(own))
