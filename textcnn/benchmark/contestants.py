"""The models that run against each other: the CNN and recurrent nets of its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from textcnn.benchmark.matching import BASELINES, REFERENCE, TOLERANCE
from textcnn.benchmark.protocol import SpeedConfig
from textcnn.config import ModelConfig, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import TextClassifier, build_text_classifier, num_parameters
from textcnn.training.losses import BranchLoss
from textcnn.training.progress import Silent
from textcnn.training.trainer import Trainer

# The rate falls to 0 over so many steps, so it never does; its course costs the same whatever it is.
_PLANNED_STEPS = 1_000_000


@dataclass(frozen=True)
class Entry:
    """A contestant before it is built.

    Attributes:
        name: what it is called in the results.
        model: how it is built.
        encoder_parameters: trainable numbers between the word vectors and the head.
        parameters: trainable numbers in all.
    """

    name: str
    model: ModelConfig
    encoder_parameters: int
    parameters: int


@dataclass(frozen=True)
class Contestant:
    """A model with fresh weights and what trains it."""

    name: str
    model: TextClassifier
    trainer: Trainer


def enter(config: SpeedConfig, num_types: int, labels: Labels) -> list[Entry]:
    """The reference, and each baseline with the hidden size that matches it.

    Raises:
        ConfigError: no hidden size comes near enough, as the reference is too small.
    """
    dim = config.embedding_dim
    reference = _entry(REFERENCE, ModelConfig(REFERENCE, dim, settings={"pooling": "max"}), num_types, labels)
    entries, target = [reference], reference.encoder_parameters
    for name in config.architectures:
        baseline = BASELINES[name]
        size = baseline.matching_hidden_size(dim, target)
        model = ModelConfig(baseline.architecture, dim, settings=baseline.settings(size))
        entry = _entry(name, model, num_types, labels)
        if abs(entry.encoder_parameters / target - 1) > TOLERANCE:
            raise ConfigError(
                f"expected an encoder of {target:,} parameters within {TOLERANCE:.0%} for {name!r}, but hidden_size "
                f"{size} has {entry.encoder_parameters:,}; use a larger embedding_dim (now {dim})"
            )
        entries.append(entry)
    return entries


def build(entry: Entry, num_types: int, labels: Labels, training: TrainingConfig) -> Contestant:
    """Fresh weights and fresh optimizers, the same for the same seed."""
    torch.manual_seed(training.seed)
    model = build_text_classifier(entry.model, num_types, labels)
    loss = BranchLoss(labels, smoothing=training.label_smoothing)
    return Contestant(entry.name, model, Trainer(model, loss, training, _PLANNED_STEPS, Silent()))


def describe(entries: list[Entry]) -> list[dict[str, Any]]:
    """Sizes of all contestants as JSON values; ``ratio`` is that of the encoders to the reference's."""
    return [
        {
            "architecture": entry.name,
            "settings": _settings(entry.model),
            "encoder_parameters": entry.encoder_parameters,
            "parameters": entry.parameters,
            "ratio": entry.encoder_parameters / entries[0].encoder_parameters,
        }
        for entry in entries
    ]


def _entry(name: str, config: ModelConfig, num_types: int, labels: Labels) -> Entry:
    model = build_text_classifier(config, num_types, labels)
    return Entry(name, config, num_parameters(model.encoder), num_parameters(model))


def _settings(config: ModelConfig) -> dict[str, Any]:
    """All settings of the encoder as JSON values, its defaults among them."""
    settings = {**registry.settings_of("text", config.architecture), **config.settings}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}
