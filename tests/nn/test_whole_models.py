"""Whole models with the core and on the plain definitions: scores, every gradient, and steps of training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, OPTIONS, make

from textcnn import core
from textcnn.config import TrainingConfig
from textcnn.training.optimizers import build_optimizers

pytestmark = pytest.mark.usefixtures("core")

WORDS = ["a", "good", "bad", "film", "it's", "unseen", "漢", "x" * 70, "!"]


def trained(with_core, options, texts, steps=0):
    """Scores and gradients by name, or the weights after some steps of training."""
    with pytest.MonkeyPatch.context() as patched:
        if not with_core:
            patched.setattr(core, "library", lambda: None)
        return _trained(options, texts, steps)


def _trained(options, texts, steps):
    artifact = make(**options)
    model, inputs = artifact.model, artifact.text_inputs()
    batch = inputs.batch(inputs.encode(texts), np.arange(len(texts)))
    optimizers = build_optimizers(model, TrainingConfig(warmup=0.0), 10)
    for step in range(max(steps, 1)):
        torch.manual_seed(step)  # the same dropout masks
        branches = model.train().branches(batch)
        scores = [part for part in (branches.main, branches.wide) if part is not None]
        sum((s * torch.linspace(-1, 2, s.numel()).view(s.shape)).sum() for s in scores).backward()
        if steps:
            optimizers.step()
    if steps:
        return {name: parameter.detach() for name, parameter in model.named_parameters()}
    # The definition leaves out a gradient where there is no window at all.
    named = [(name, p, p.grad) for name, p in model.named_parameters()]
    gradients = {name: torch.zeros_like(p) if grad is None else grad.to_dense() for name, p, grad in named}
    return {**gradients, **{str(k): score.detach() for k, score in enumerate(scores)}}


def assert_twins(*arguments):
    fast, plain = trained(True, *arguments), trained(False, *arguments)
    assert fast.keys() == plain.keys()
    for name, expected in plain.items():  # relative to the largest number: sums of large terms may come near 0
        error, size = float((fast[name] - expected).abs().max()), float(expected.abs().max())
        assert error <= 1e-5 * size, name


@pytest.mark.parametrize("name", [name for name, options in OPTIONS.items() if "architecture" not in options])
def test_gradients_of_every_form_of_kim(name):
    assert_twins(OPTIONS[name], ASKED)


@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), min_size=1, max_size=6), st.integers(0, 99)
)
@settings(deadline=None, max_examples=10)
def test_gradients_of_the_default_on_any_texts(texts, seed):
    assert_twins({"seed": seed}, texts)


def test_steps_of_training_of_the_default():
    assert_twins({}, ASKED, 3)


def test_filters_dropped_in_all_texts_of_a_batch():
    assert_twins({"shared_dropout": True}, ASKED)
