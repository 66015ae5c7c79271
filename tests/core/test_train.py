"""The training step of the core against its definition, the nn.Module: loss, gradients, twenty steps, threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from textcnn.config import ModelConfig, TrainingConfig
from textcnn.core import library
from textcnn.core.layout import PaddedWeights, Shape, padded
from textcnn.core.training import Trainer
from textcnn.core.training_inputs import Network, Objective, Rates, Texts
from textcnn.labels import Labels
from textcnn.models.base import TextClassifier, build_text_classifier, weights_of
from textcnn.models.kim_settings import KimSettings
from textcnn.models.weights import num_outputs
from textcnn.nn.step import Step
from textcnn.text.batching import Batch
from textcnn.text.masking import FEATURE_MASKS, random_state, uniform
from textcnn.text.ragged import Ragged
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import build_optimizers

TYPES, UNSEEN, NGRAMS, FEATURES, TEXTS, UNKNOWN = 40, 6, 30, 25, 48, 1
SEED = 7

pytestmark = pytest.mark.skipif(library() is None, reason="the core was not built")


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
        self.labels = Labels(tuple(f"l{i:02}" for i in range(case.labels)), case.multi_label)
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
        self.objective = Objective(
            smoothing=self.training.label_smoothing,
            focal_gamma=self.training.focal_gamma,
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
        )
        self.loss = BranchLoss(
            self.labels,
            smoothing=self.training.label_smoothing,
            focal_gamma=self.training.focal_gamma,
            class_weight=None if self.class_weights is None else torch.from_numpy(self.class_weights),
            prior=None if self.prior is None else torch.from_numpy(self.prior),
        )
        self.trainer = self._trainer(config, threads)
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

    def _trainer(self, config: ModelConfig, threads: int) -> Trainer:
        case, settings = self.case, KimSettings.of(config)
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
            max_length=case.max_length,
        )
        core = library()
        assert core is not None
        weights = {name: value.copy() for name, value in weights_of(self.model).items()}
        return Trainer(core, PaddedWeights(weights, shape), network, self.objective, threads)

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
            torch.from_numpy(targets[rows]) if self.case.multi_label else tensor(targets[rows]),
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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loss_and_gradients_are_those_of_the_module(case):
    both = Both(case)
    random = np.random.default_rng(5)
    for epoch in range(2):
        rows = random.permutation(TEXTS)[: 30 + epoch].astype(np.int64)
        both.model.zero_grad()
        loss = both.torch_loss(rows, epoch)
        loss.backward()
        found, grads = both.trainer.gradients(both.corpus, rows, *both.states(epoch))
        assert found == pytest.approx(loss.item(), rel=1e-5)
        for name, expected in gradients(both.model).items():
            largest = np.abs(expected).max()
            assert largest > 0, name
            np.testing.assert_allclose(grads[name], expected, atol=1e-5 * largest, rtol=0, err_msg=name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_twenty_steps_come_to_the_loss_of_the_module(case):
    both = Both(case)
    optimizers = build_optimizers(both.model, both.training, 20)
    c = both.training
    peaks = c.learning_rate, c.embedding_learning_rate, c.embedding_learning_rate, c.wide_learning_rate
    random = np.random.default_rng(5)
    for step in range(20):
        rows = random.permutation(TEXTS)[:32].astype(np.int64)
        loss = both.torch_loss(rows, step)
        loss.backward()
        if c.clip_norm is not None:
            nn.utils.clip_grad_norm_(dense(both.model), c.clip_norm)
        factor = (20 - step) / 20
        optimizers.step()
        if c.max_norm is not None:
            with torch.no_grad():
                head = both.model.head.weight
                head.copy_(torch.renorm(head, 2, 0, c.max_norm))
        rates = Rates(*(peak * factor for peak in peaks))
        found = both.trainer.step(both.corpus, rows, rates, *both.states(step))
        assert found == pytest.approx(loss.item(), rel=1e-3)
        if step == 0:
            assert_moved_alike(both)
    both.model.eval()
    rows = np.arange(TEXTS)
    main, wide = both.trainer.logits(both.corpus, rows)
    with torch.no_grad():
        branches = both.model.branches(both.batch(rows))
    np.testing.assert_allclose(main, branches.main.numpy(), atol=2e-3, rtol=2e-2)
    if case.wide:
        np.testing.assert_allclose(wide, branches.wide.numpy(), atol=2e-3, rtol=2e-2)


def assert_moved_alike(both: Both) -> None:
    """After one step weights are the module's, where the gradient was not so small that its sign is rounding."""
    weights = both.trainer.weights.weights()
    for name, weight in both.model.named_parameters():
        if not weight.requires_grad:
            continue
        before = weight.detach().numpy()
        np.testing.assert_allclose(np.quantile(np.abs(weights[name] - before), 0.99), 0, atol=2e-5, err_msg=name)


def dense(model: TextClassifier) -> list[nn.Parameter]:
    return [
        p for name, p in model.named_parameters() if not name.startswith(("embedding.", "wide.")) and p.requires_grad
    ]


@pytest.mark.parametrize("case", ["default", "not nested", "multi-label", "two channels"])
def test_the_number_of_threads_changes_no_bit(case):
    trained = []
    for threads in (1, 2, 5):
        both = Both(CASES[case], threads=threads)
        random = np.random.default_rng(2)
        losses = []
        for step in range(12):
            rows = random.permutation(TEXTS)[:29].astype(np.int64)
            losses.append(both.trainer.step(both.corpus, rows, Rates(1e-3, 0.05, 0.05, 0.5), *both.states(step)))
        trained.append((losses, both.trainer.weights.weights(), both.trainer.logits(both.corpus, np.arange(TEXTS))))
    for losses, weights, logits in trained[1:]:
        assert losses == trained[0][0]
        assert all(np.array_equal(weights[name], trained[0][1][name]) for name in weights)
        assert np.array_equal(logits[0], trained[0][2][0])


@pytest.mark.parametrize("name", ["baseline", "avx2", "avx512"])
def test_each_instruction_set_is_within_rounding_of_the_module(name):
    core = library()
    assert core is not None
    if name not in core.instruction_sets:
        pytest.skip(f"this processor has no {name}")
    before = core.instruction_set
    core.use_instruction_set(name)
    try:
        for case in ("default", "not nested", "many labels", "two channels"):
            test_loss_and_gradients_are_those_of_the_module(CASES[case])
    finally:
        core.use_instruction_set(before)


def test_logits_do_not_depend_on_the_batch():
    both = Both(CASES["default"])
    rows = np.arange(TEXTS)
    together, _ = both.trainer.logits(both.corpus, rows)
    alone = np.concatenate([both.trainer.logits(both.corpus, rows[k : k + 1])[0] for k in rows])
    assert np.array_equal(together, alone)


def test_a_trainer_that_is_given_other_weights_forgets_those_before():
    used, fresh = Both(CASES["default"]), Both(CASES["default"])
    rows, rates = np.arange(TEXTS), Rates(1e-2, 0.1, 0.1, 0.5)
    first = used.trainer.weights.weights()
    for step in range(3):
        used.trainer.step(used.corpus, rows, rates, *used.states(step))
    used.trainer.load(first)
    used.trainer.forget()
    losses = [both.trainer.step(both.corpus, rows, rates, *both.states(0)) for both in (used, fresh)]
    assert losses[0] == losses[1]
    found = [both.trainer.weights.weights() for both in (used, fresh)]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in first)


def test_padding_stays_zero():
    both = Both(CASES["default"])
    for step in range(5):
        both.trainer.step(both.corpus, np.arange(TEXTS), Rates(1e-2, 0.1, 0.1, 0.5), *both.states(step))
    weights = both.trainer.weights
    assert weights.word.shape[1] == padded(12) == 16
    assert not weights.word[:, 12:].any()
    parts = weights.dense_parts(weights.dense)
    again = np.zeros_like(weights.dense)
    weights.put_dense_parts(again, parts)
    assert np.array_equal(again, weights.dense)  # what is not a weight is 0


def test_a_loss_that_is_no_number_moves_no_weight():
    both = Both(CASES["default"])
    both.trainer.weights.word[:] = np.inf
    before = both.trainer.weights.weights()
    both.trainer.load(before)
    loss = both.trainer.step(both.corpus, np.arange(9), Rates(1e-2, 0.1, 0.1, 0.5), *both.states(0))
    assert not np.isfinite(loss)
    assert not both.trainer.is_finite()
    after = both.trainer.weights.weights()
    assert all(np.array_equal(before[name], after[name]) for name in before if name != "wide.table.weight")


@pytest.mark.parametrize(
    "change",
    [
        {"ids": np.array([0, TYPES + UNSEEN], np.int32), "offsets": np.array([0, 2])},
        {"ids": np.array([0, -1], np.int32), "offsets": np.array([0, 2])},
        {"ids": np.array([0, 1], np.int32), "offsets": np.array([0, 3])},
        {"ids": np.array([0, 1], np.int32), "offsets": np.array([0, 2, 1, 2])},
        {"targets": np.full(TEXTS, 4, np.int32)},
        {"bag_rows": np.full(3, NGRAMS, np.int32)},
        {"wide_rows": np.full(3, FEATURES, np.int32)},
    ],
)
def test_a_corpus_that_does_not_fit_is_refused(change):
    both = Both(CASES["default"])
    texts = {name: getattr(both.texts, name) for name in Texts.__dataclass_fields__}
    if "offsets" in change:
        texts |= {"targets": None, "wide_offsets": None, "wide_rows": None, "wide_values": None}
    for name, value in change.items():
        if name.endswith("_rows"):
            value = np.concatenate([texts[name][:-3], value])
        texts[name] = value
    with pytest.raises(ValueError, match="expected"):
        both.trainer.corpus(Texts(**texts))


def test_rows_that_are_not_in_the_corpus_are_refused():
    both = Both(CASES["default"])
    for rows in ([TEXTS], [-1], []):
        with pytest.raises(ValueError, match="row numbers"):
            both.trainer.step(both.corpus, np.array(rows, np.int64), Rates(0, 0, 0, 0), 1, 2)
    with pytest.raises(TypeError, match="contiguous int64"):
        both.trainer.step(both.corpus, np.arange(4)[::2], Rates(0, 0, 0, 0), 1, 2)
