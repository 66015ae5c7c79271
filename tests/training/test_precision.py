"""Half precision: autocast and the scaled loss, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.config import Config, ModelConfig, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_text_classifier
from textcnn.progress import Silent
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.training.batches import Precision
from textcnn.training.fit import learn
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import build_optimizers
from textcnn.training.result import Part

LABELS = Labels(("a", "b"))
INPUTS = TextPipeline(None)  # type: ignore[arg-type]


@pytest.fixture
def toy(random):
    """Texts of label b hold the type 7."""
    texts = [random.integers(2, 7, 5).tolist() + ([7] if i % 2 else []) for i in range(40)]
    return Part(Ragged.from_lists(texts), [("b",) if i % 2 else ("a",) for i in range(40)])


def model_of(architecture="kim"):
    torch.manual_seed(0)
    return build_text_classifier(ModelConfig(architecture, embedding_dim=8), 10, LABELS)


def has_lstm(architecture):
    return any(isinstance(module, torch.nn.LSTM) for module in model_of(architecture).modules())


def weights_of(model):
    return torch.cat([p.flatten() for p in model.parameters()])


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_training_in_half_precision_learns_in_float32_weights(toy, amp):
    model = model_of()
    training = TrainingConfig(epochs=3, batch_size=8, clip_norm=5.0, amp=amp)
    before = weights_of(model).clone()
    found = learn(model, INPUTS, toy, toy, LABELS, training, Silent(), device=torch.device("cpu"))
    assert found.fit.stopped == "done"
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert not torch.equal(weights_of(model), before)
    assert found.fit.history[-1]["loss"] < found.fit.history[0]["loss"]


@pytest.mark.parametrize("architecture", [name for name in registry.TEXT if not has_lstm(name)])
def test_every_architecture_has_finite_gradients_in_bf16(toy, architecture):
    model = model_of(architecture)
    rows = np.arange(4)
    batch = INPUTS.batch(toy.encoded, rows, labels=LABELS.encode(toy.truth))
    BranchLoss(LABELS)(Precision("bf16", model).branches(batch), batch.labels).backward()
    assert all(torch.isfinite(p.grad.to_dense()).all() for p in model.parameters() if p.grad is not None)


def test_bf16_gradients_are_those_of_float32_within_its_precision(toy):
    batch = INPUTS.batch(toy.encoded, np.arange(40), labels=LABELS.encode(toy.truth))
    grads = []
    for amp in (None, "bf16"):
        model = model_of().eval()
        branches = Precision(amp, model).branches(batch)
        assert branches.main.dtype == torch.float32
        BranchLoss(LABELS)(branches, batch.labels).backward()
        grads.append(model.head.weight.grad)
    assert not torch.equal(*grads)
    torch.testing.assert_close(grads[1], grads[0], rtol=0.05, atol=0.01 * float(grads[0].abs().max()))


def test_a_step_whose_scaled_gradients_overflow_moves_nothing(toy):
    model = model_of()
    optimizers = build_optimizers(model, TrainingConfig(epochs=1), 2)
    precision, before = Precision("fp16", model), weights_of(model).clone()
    batch = INPUTS.batch(toy.encoded, np.arange(40), labels=LABELS.encode(toy.truth))
    for factor, moves in ((1e38, False), (1.0, True)):
        loss = BranchLoss(LABELS)(precision.branches(batch), batch.labels)
        precision.backward(loss * factor, optimizers)
        precision.step(optimizers)
        assert torch.equal(weights_of(model), before) is not moves
        assert torch.isfinite(weights_of(model)).all()


def test_an_lstm_on_the_cpu_is_refused():
    with pytest.raises(ConfigError, match="amp is 'bf16', and an LSTM on the CPU has no half precision; leave it out"):
        Precision("bf16", model_of("lstm"))


def test_another_precision_is_told():
    with pytest.raises(ConfigError, match="amp must be bf16 or fp16, or none, got 'int8'"):
        Config.from_flat({"amp": "int8"})
