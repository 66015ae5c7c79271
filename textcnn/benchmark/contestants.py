"""Defines the workload of the speed benchmark, real or synthetic texts, and the contestants that run on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from textcnn.benchmark.protocol import BASELINES, REFERENCE, TOLERANCE, SpeedConfig
from textcnn.config import Config, DataConfig, ModelConfig, TextConfig, TrainingConfig
from textcnn.config_types import jsonable
from textcnn.core.training import Trainer as CoreTrainer
from textcnn.core.training_inputs import Corpus
from textcnn.errors import ConfigError, DataError
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_text_classifier, num_parameters
from textcnn.models.weights import initial_weights
from textcnn.progress import Silent
from textcnn.reading.rows import read_examples
from textcnn.runs.core_run import core_trainer, plain_objective
from textcnn.tokenization.batch import Batch
from textcnn.tokenization.masking import WordDropout
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.training.core_trainer import CORE, choose_road, mask_states, peak_rates, plain_texts
from textcnn.training.losses import BranchLoss
from textcnn.training.sampler import Rows
from textcnn.training.trainer import Trainer

_SYNTHETIC_TEXTS = 2_000
_SYNTHETIC_LENGTH = 100
_RESERVED = 2  # [PAD] and [UNK] are types of every vocabulary
Targets = npt.NDArray[np.int64] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """A sample of texts of one length, as ids, with their targets."""

    tokens: Ragged
    targets: Targets


@dataclass(frozen=True)
class Workload:
    """The encoded texts from which batches are drawn.

    Attributes:
        name: the name of the file, or ``synthetic``.
        tokens: the ids of all texts.
        targets: the targets of the loss.
        labels: the labels of the texts.
        tokenizer: the tokenizer.
        config: the settings of the tokenizer, including ``max_length``.
    """

    name: str
    tokens: Ragged
    targets: Targets
    labels: Labels
    tokenizer: Tokenizer
    config: TextConfig

    def draw(self, random: np.random.Generator, batch_size: int, length: int) -> Drawn:
        """Draw texts of exactly ``length`` tokens that begin where texts do, and continue into the following ones."""
        rows = random.integers(len(self.tokens), size=batch_size)
        places = (self.tokens.offsets[rows][:, None] + np.arange(length)) % len(self.tokens.ids)
        offsets = np.arange(batch_size + 1, dtype=np.int64) * length
        return Drawn(Ragged(self.tokens.ids[places.ravel()], offsets), self.targets[rows])

    def batch(self, drawn: Drawn) -> Batch:
        """Return the batch of drawn texts, as training creates it, without truncation."""
        rows = np.arange(len(drawn.tokens))
        return TextPipeline(self.tokenizer).batch(drawn.tokens, rows, labels=drawn.targets)

    def to_dict(self) -> dict[str, Any]:
        """Return the name and sizes of the workload as JSON values."""
        return {
            "name": self.name,
            "texts": len(self.tokens),
            "tokens": len(self.tokens.ids),
            "types": len(self.tokenizer),
            "labels": len(self.labels),
        }


def read_workload(data: Any, reading: DataConfig, config: SpeedConfig) -> Workload:
    """Read real texts, and train a tokenizer on them.

    Raises:
        DataError: the data cannot be read with these options, or has no token.
    """
    examples = read_examples(data, reading)
    labels = Labels.collect(examples.labels, multi_label=examples.multi_label)
    name = PurePath(examples.name).name
    text = TextConfig(vocabulary_size=config.vocabulary_size)
    return _encode(name, examples.texts, examples.texts, labels, labels.encode(examples.labels), text)


def synthetic_workload(config: SpeedConfig) -> Workload:
    """Generate texts whose words follow Zipf's law: the word of rank r has a probability proportional to ``1 / r``."""
    random = np.random.default_rng(config.seed)
    num_words = config.vocabulary_size - _RESERVED
    shares = np.cumsum(1 / np.arange(1, num_words + 1))
    drawn = np.searchsorted(shares, random.random((_SYNTHETIC_TEXTS, _SYNTHETIC_LENGTH)) * shares[-1])
    words = [f"w{rank}" for rank in range(num_words)]
    texts = [" ".join(words[rank] for rank in row) for row in drawn.tolist()]
    targets = random.integers(2, size=len(texts))
    text = TextConfig(vocabulary_size=config.vocabulary_size)
    return _encode("synthetic", [*texts, " ".join(words)], texts, Labels(("no", "yes")), targets, text)


def _encode(
    name: str, corpus: Sequence[str], texts: Sequence[str], labels: Labels, targets: Targets, config: TextConfig
) -> Workload:
    tokenizer = Tokenizer.train(corpus, config)
    tokens = tokenizer.encode_batch(texts)
    if not len(tokens.ids):
        raise DataError(f"expected texts to time, found {len(texts):,} without a token", path=name)
    return Workload(name, tokens, targets, labels, tokenizer, config)


# The learning rate decays over this many steps, so it is never 0; its value does not affect the time of a step.
_PLANNED_STEPS = 1_000_000


@dataclass(frozen=True)
class Entry:
    """The description of a contestant.

    Attributes:
        name: its name in the results.
        model: the settings of the model.
        encoder_parameters: the number of trainable parameters between the word vectors and the head.
        parameters: the number of all trainable parameters.
    """

    name: str
    model: ModelConfig
    encoder_parameters: int
    parameters: int


class CoreBatch(NamedTuple):
    """A batch for the core: the encoded texts, and the rows to use."""

    corpus: Corpus
    rows: Rows


class Contestant(Protocol):
    """The interface of a contestant: a network with fresh weights, and the trainer that normal training would use."""

    name: str

    def batch(self, drawn: Drawn) -> Any:
        """Convert drawn texts to a batch for :meth:`train`."""

    def train(self, batch: Any) -> float:
        """Run one training step on a batch, and return its loss."""

    def infer(self, drawn: Drawn) -> Any:
        """Return the logits of drawn texts."""

    def epoch_step(self, inputs: TextPipeline, workload: Workload) -> Callable[[Rows], float]:
        """Return a function that trains on given rows of the workload, with truncation and word dropout."""


class TorchContestant:
    """A network trained by torch."""

    def __init__(self, entry: Entry, workload: Workload, training: TrainingConfig) -> None:
        torch.manual_seed(training.seed)
        self.name, self._workload, self._training = entry.name, workload, training
        self._model = build_text_classifier(entry.model, len(workload.tokenizer), workload.labels)
        loss = BranchLoss(workload.labels, smoothing=training.label_smoothing)
        self._trainer = Trainer(self._model, loss, training, _PLANNED_STEPS, Silent())

    def batch(self, drawn: Drawn) -> Batch:
        """Create the batch of drawn texts."""
        return self._workload.batch(drawn)

    def train(self, batch: Batch) -> float:
        """Run forward pass, loss, backward pass and optimizers."""
        self._model.train()
        return self._trainer.step(batch)

    @torch.no_grad()
    def infer(self, drawn: Drawn) -> Any:
        """Create the batch, and run the forward pass."""
        self._model.eval()
        return self._model(self._workload.batch(drawn))

    def epoch_step(self, inputs: TextPipeline, workload: Workload) -> Callable[[Rows], float]:
        """Return a function that creates the batch of given rows and trains on it."""
        dropout = WordDropout.of(inputs, workload.tokens, self._training)
        tokens, targets = workload.tokens, workload.targets
        return lambda rows: self.train(inputs.batch(tokens, rows, labels=targets, dropout=dropout))


class CoreContestant:
    """A one-layer network trained by the core."""

    def __init__(self, entry: Entry, workload: Workload, training: TrainingConfig) -> None:
        self.name, self._entry, self._training, self._labels = entry.name, entry, training, workload.labels
        self._num_types = len(workload.tokenizer)
        self._rates, self._states = peak_rates(training), mask_states(training, 0)
        self._trainer = self._fresh()

    def batch(self, drawn: Drawn) -> CoreBatch:
        """Check the texts, and return them with their row numbers."""
        return CoreBatch(self._trainer.corpus(plain_texts(drawn.tokens, drawn.targets)), np.arange(len(drawn.tokens)))

    def train(self, batch: CoreBatch) -> float:
        """Run one training step by one call of the core."""
        return self._trainer.step(batch.corpus, batch.rows, self._rates, *self._states)

    def infer(self, drawn: Drawn) -> Any:
        """Check the texts, and run the forward pass, as for the dev rows in training."""
        corpus, rows = self.batch(drawn)
        return self._trainer.logits(corpus, rows)

    def epoch_step(self, inputs: TextPipeline, workload: Workload) -> Callable[[Rows], float]:
        """Return a function that trains on given rows by one call of the core, with truncation and word dropout."""
        trainer = self._fresh(inputs.max_length, WordDropout.of(inputs, workload.tokens, self._training))
        corpus = trainer.corpus(plain_texts(workload.tokens, workload.targets))
        return lambda rows: trainer.step(corpus, rows, self._rates, *self._states)

    def _fresh(self, max_length: int | None = None, dropout: WordDropout | None = None) -> CoreTrainer:
        config, training = self._entry.model, self._training
        weights = initial_weights(config, self._num_types, 0, None, self._labels, training.seed)
        objective = plain_objective(config, training, dropout)
        return core_trainer(weights, config, self._labels, max_length, objective, training)


def enter(config: SpeedConfig, num_types: int, labels: Labels) -> list[Entry]:
    """Return the reference, and each baseline with the hidden size that matches its number of parameters.

    Raises:
        ConfigError: no hidden size matches closely enough, because the reference is too small.
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


def build(entry: Entry, workload: Workload, training: TrainingConfig) -> Contestant:
    """Build a contestant with fresh weights and optimizers, which are the same for the same seed."""
    by_core = choose_road(Config(model=entry.model, training=training)).name == CORE
    contestant = CoreContestant if by_core else TorchContestant
    return contestant(entry, workload, training)


def describe(entries: list[Entry]) -> list[dict[str, Any]]:
    """Return the settings and sizes of all contestants as JSON values; ``ratio`` compares encoder parameters."""
    return [
        {
            "architecture": entry.name,
            "road": choose_road(Config(model=entry.model)).name,
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
    """Return all settings of the encoder, including defaults, as JSON values."""
    settings = {**registry.settings_of("text", config.architecture), **config.settings}
    return dict(jsonable(settings))
