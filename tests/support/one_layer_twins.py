"""One network as the nn.Module and as a trainer of the core, for the laws that compare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from textcnn.config import HUBER, ModelConfig, TrainingConfig
from textcnn.core import library
from textcnn.core.layout import PaddedWeights, Shape
from textcnn.core.training import Trainer
from textcnn.core.training_inputs import Network, Objective, Texts
from textcnn.grades import CUMULATIVE, Grades
from textcnn.labels import Labels, Target
from textcnn.models.base import build_text_classifier, weights_of
from textcnn.models.kim_settings import KimSettings
from textcnn.models.weights import num_outputs
from textcnn.nn.dropout import Step
from textcnn.tokenization.batch import Batch
from textcnn.tokenization.masking import FEATURE_MASKS, random_state, uniform
from textcnn.tokenization.ragged import Ragged
from textcnn.training.losses import BranchLoss

TYPES, UNSEEN, NGRAMS, FEATURES, TEXTS, UNKNOWN = 40, 6, 30, 25, 48, 1
SEED = 7


@dataclass(frozen=True)
class Case:
    """A configuration; what it leaves out is as in the default model."""

    settings: dict[str, Any] = field(default_factory=dict)
    channels: str = "fine-tuned"
    vectors: str | None = None
    dim: int = 12
    subwords: bool = True
    wide: bool = True
    labels: int = 4
    multi_label: bool = False
    binary_sigmoid: bool = False
    class_weights: bool = False
    row_weights: bool = False
    shares: bool = False
    regression: bool = False
    grades: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    max_length: int | None = None


CASES = {
    "default": Case(),
    "not nested": Case({"nested": False}),
    "other widths": Case({"kernel_sizes": [1, 2, 7], "num_filters": 5}),
    "widths in another order": Case({"nested": False, "kernel_sizes": [4, 2, 2], "num_filters": 5}),
    "one width of one word": Case({"kernel_sizes": [1], "num_filters": 20}),
    "maxima alone": Case({"pooling": "max"}),
    "whole vectors": Case({"num_filters": 32}, dim=32),
    "tanh": Case({"activation": "tanh"}),
    "leaky": Case({"activation": "leaky_relu", "dropout": 0.0}),
    "identity": Case({"activation": "identity"}),
    "shared masks": Case({"shared_dropout": True}),
    "words alone": Case(subwords=False, wide=False),
    "vectors": Case(vectors="some.txt"),
    "static vectors": Case(vectors="some.txt", channels="static"),
    "two channels": Case(vectors="some.txt", channels="multichannel", dim=20),
    "multi-label": Case(multi_label=True, labels=5),
    "multi-label with weights": Case(multi_label=True, class_weights=True, row_weights=True),
    "multi-label, focal": Case(multi_label=True, training={"focal_gamma": 2.0}),
    "a sigmoid": Case(labels=2, binary_sigmoid=True),
    "weights": Case(class_weights=True, row_weights=True),
    "distributions": Case(shares=True),
    "distributions, weights": Case(shares=True, class_weights=True, row_weights=True),
    "distributions, focal": Case(shares=True, training={"focal_gamma": 2.0}, class_weights=True),
    "distributions, a sigmoid": Case(shares=True, labels=2, binary_sigmoid=True),
    "distributions, many labels": Case(shares=True, labels=37),
    "multi-label probabilities": Case(shares=True, multi_label=True, class_weights=True),
    "regression": Case(regression=True, labels=1, row_weights=True),
    "regression, Huber's loss, several targets": Case(regression=True, labels=3, training={"loss": "huber"}),
    "grades": Case(regression=True, labels=1, row_weights=True, training={"loss": CUMULATIVE}, grades="-3,-1,0.5,2,4"),
    "two grades": Case(regression=True, labels=1, wide=False, training={"loss": CUMULATIVE}, grades="low,high"),
    "focal": Case(training={"focal_gamma": 2.0}, class_weights=True),
    "no smoothing": Case(training={"label_smoothing": 0.0}),
    "many labels": Case(labels=37),
    "cut texts": Case(max_length=3),
    "Adam on rows": Case(training={"embedding_optimizer": "adam", "embedding_learning_rate": 1e-2}),
    "norms and decay": Case(training={"clip_norm": 0.5, "max_norm": 0.4, "weight_decay": 0.1}),
}


class Both:
    """One network as an nn.Module and as a trainer of the core, with texts that have every kind of edge."""

    def __init__(self, case: Case, *, threads: int = 2) -> None:
        self.case, random = case, np.random.default_rng(11)
        targets = (Target(0.5, 2.0, -3.0, 4.0),) * case.labels if case.regression else ()
        grades = Grades.of(case.grades.split(",")) if case.grades else None
        names = tuple(f"l{i:02}" for i in range(case.labels))
        self.labels = Labels(names, case.multi_label, targets=targets, grades=grades)
        self.training = TrainingConfig(**{"learning_rate": 1e-3, "embedding_learning_rate": 0.05} | case.training)
        config = ModelConfig(
            embedding_dim=case.dim,
            settings={"num_filters": 10, **case.settings},
            vectors=case.vectors,
            embedding_channels=case.channels,
            binary_sigmoid=case.binary_sigmoid,
        )
        ngrams, features = (NGRAMS if case.subwords else 0), (FEATURES if case.wide else None)
        self.model = build_text_classifier(
            config, TYPES, self.labels, num_ngrams=ngrams, num_features=features, seed=SEED
        )
        self._draw_texts(random, case)
        with torch.no_grad():  # nothing may be 0 that is not always
            for name, weight in self.model.named_parameters():
                if "wide" in name or "ngram" in name:
                    weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(3))
        slope, cuts = self.labels.standard_cuts(self.training.loss) or (0.0, None)
        self.objective = Objective(
            smoothing=self.training.label_smoothing,
            focal_gamma=self.training.focal_gamma,
            huber=HUBER if self.training.loss == "huber" else 0.0,
            dropout=KimSettings.of(config).dropout,
            shared_dropout=KimSettings.of(config).shared_dropout,
            clip_norm=self.training.clip_norm or 0.0,
            max_norm=self.training.max_norm or 0.0,
            weight_decay=self.training.weight_decay,
            unknown_id=UNKNOWN,
            word_dropout=self.rates,
            class_weights=self.class_weights,
            prior=self.prior,
            rows_by_adam=self.training.embedding_optimizer == "adam",
            cuts=cuts,
            grade_slope=slope,
        )
        self.loss = BranchLoss(
            self.labels,
            smoothing=self.training.label_smoothing,
            focal_gamma=self.training.focal_gamma,
            class_weight=None if self.class_weights is None else torch.from_numpy(self.class_weights),
            prior=None if self.prior is None else torch.from_numpy(self.prior),
            loss=self.training.loss,
        )
        self.config = config
        self.trainer = self.trainer_of(self.objective, threads)
        self.corpus = self.trainer.corpus(self.texts)

    def _draw_texts(self, random: np.random.Generator, case: Case) -> None:
        lengths = random.integers(0, 14, TEXTS)
        lengths[:3] = 0, 1, 2
        num_ids = TYPES + (UNSEEN if case.subwords else 0)
        self.tokens = ragged(random.integers(0, num_ids, lengths.sum()), lengths)
        counts = np.concatenate([random.integers(0, 5, TYPES), random.integers(1, 5, num_ids - TYPES)])
        self.bags = ragged(random.integers(0, NGRAMS, counts.sum()), counts) if case.subwords else None
        held = random.integers(0, 9, TEXTS)
        rows = [np.sort(random.choice(FEATURES, count, replace=False)) for count in held]
        self.features = ragged(np.concatenate(rows), held)
        self.values = random.random(len(self.features.ids), np.float32)
        targets: np.ndarray[Any, Any] = random.integers(0, case.labels, TEXTS).astype(np.int32)
        if case.multi_label:
            targets = (random.random((TEXTS, case.labels)) < 0.4).astype(np.float32)
        if case.shares:
            targets = random.random((TEXTS, case.labels), np.float32)
            targets /= 1 if case.multi_label else targets.sum(1, keepdims=True)
        if case.regression:  # some errors are beyond where Huber's loss becomes linear
            targets = (2 * random.standard_normal((TEXTS, case.labels))).astype(np.float32)
        self.rates = np.full(num_ids, 0.15, np.float32)
        self.class_weights = (random.random(case.labels, np.float32) + 0.5) if case.class_weights else None
        self.prior = random.standard_normal(case.labels, np.float32) if case.multi_label else None
        self.texts = Texts(
            self.tokens.ids,
            self.tokens.offsets,
            None if self.bags is None else self.bags.offsets,
            None if self.bags is None else self.bags.ids,
            self.features.offsets if case.wide else None,
            self.features.ids if case.wide else None,
            self.values if case.wide else None,
            targets,
            (random.random(TEXTS, np.float32) + 0.5) if case.row_weights else None,
        )

    def trainer_of(self, objective: Objective, threads: int = 2) -> Trainer:
        config, case, settings = self.config, self.case, KimSettings.of(self.config)
        shape = Shape(
            settings.widths,
            settings.nested,
            settings.num_filters,
            case.dim,
            case.labels,
            num_outputs(config, self.labels),
            has_fixed_channel=case.channels == "multichannel",
            has_mean=settings.pooling == "max+mean",
            has_ngrams=case.subwords,
            has_wide=case.wide,
        )
        network = Network(
            settings.activation,
            adds_ngrams=case.vectors is not None,
            trains_words=case.channels != "static",
            is_multi_label=case.multi_label,
            is_regression=case.regression,
            max_length=case.max_length,
        )
        core = library()
        assert core is not None
        weights = {name: value.copy() for name, value in weights_of(self.model).items()}
        return Trainer(core, PaddedWeights(weights, shape), network, objective, threads)

    def batch(self, rows: np.ndarray[Any, Any], epoch: int | None = None) -> Batch:
        """The rows as the nn.Module takes them; with an epoch, words are dropped."""
        taken = self.tokens.take(rows, longest=self.case.max_length)
        ids = taken.ids
        if epoch is not None:
            row_of = np.repeat(rows, taken.lengths)
            within = np.arange(len(ids)) - np.repeat(taken.offsets[:-1], taken.lengths)
            ids = np.where(uniform(SEED, epoch, row_of, within) < self.rates[ids], UNKNOWN, ids)
        unique, inverse = np.unique(ids.astype(np.int64), return_inverse=True)
        parts: dict[str, Any] = {}
        if self.bags is not None:
            bags = self.bags.take(unique)
            parts |= {"bag_rows": tensor(bags.ids), "bag_offsets": tensor(bags.offsets)}
        if self.case.wide:
            features = self.features.take(rows)
            values = Ragged(self.values, self.features.offsets).take(rows)  # type: ignore[arg-type]
            parts |= {"wide_rows": tensor(features.ids), "wide_offsets": tensor(features.offsets)}
            parts |= {"wide_weights": torch.from_numpy(values.ids)}
        targets, weights = self.texts.targets, self.texts.weights
        assert targets is not None
        return Batch(
            tensor(taken.offsets),
            tensor(unique),
            tensor(inverse),
            torch.from_numpy(targets[rows]) if targets.ndim == 2 else tensor(targets[rows]),
            weights=None if weights is None else torch.from_numpy(weights[rows]),
            **parts,
        )

    def torch_loss(self, rows: np.ndarray[Any, Any], epoch: int) -> torch.Tensor:
        """The loss of a batch in training, by the definition."""
        self.model.train()
        batch = self.batch(rows, epoch)
        with Step(SEED, epoch, rows, int(rows[0])).running():
            branches = self.model.branches(batch)
        found: torch.Tensor = self.loss(branches, batch.labels, batch.weights)
        return found

    def states(self, epoch: int) -> tuple[int, int]:
        return random_state(SEED, epoch), random_state(SEED, epoch + FEATURE_MASKS)


def ragged(ids: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any]) -> Ragged:
    return Ragged(ids.astype(np.int32), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.int64))


def gradients(model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    found = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, name
            found[name] = (weight.grad.to_dense() if weight.grad.is_sparse else weight.grad).numpy()
    return found
