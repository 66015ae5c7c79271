"""A run that was stopped anywhere and goes on comes to the weights of one that was not, bit by bit."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textcnn.config import ModelConfig, TrainingConfig
from textcnn.labels import Labels
from textcnn.models.base import build_text_classifier
from textcnn.progress import Silent
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.training import checkpoints
from textcnn.training.checkpoints import Checkpoints
from textcnn.training.fit import learn
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Part

LABELS = Labels(("a", "b"))
INPUTS = TextPipeline(None)  # type: ignore[arg-type]
STEPS, EPOCHS = 5, 3
MODELS = {
    "kim": {"num_filters": 8},
    "lstm": {"hidden_size": 8, "dropout": 0.5},
    "vdcnn": {},
    "bag": {},
}


class Killed(BaseException):
    """No part of the library catches it."""


class Killing(Silent):
    def __init__(self, at):
        self._left = at

    def step(self, epoch, loss, tokens_per_second):
        self._left -= 1
        if not self._left:
            raise Killed


def part(seed):
    random = np.random.default_rng(seed)
    texts = [random.integers(2, 7, random.integers(1, 9)).tolist() + ([7] if i % 2 else []) for i in range(40)]
    return Part(Ragged.from_lists(texts), [("b",) if i % 2 else ("a",) for i in range(40)])


def train(folder, architecture, *, resume=False, killed_at=0, dev=True, **more):
    torch.manual_seed(3)
    config = ModelConfig(architecture, embedding_dim=8, settings=MODELS[architecture])
    model = build_text_classifier(config, 10, LABELS)
    training = TrainingConfig(epochs=EPOCHS, batch_size=8, seed=3, **more)
    watch = Watch(training, checkpoints=Checkpoints(folder, resume=resume, seconds=0))
    found = learn(
        model,
        INPUTS,
        part(0),
        part(1) if dev else None,
        LABELS,
        training,
        Killing(killed_at),
        device=torch.device("cpu"),
        watch=watch,
    )
    return model.state_dict(), found.fit


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("architecture", MODELS)
@pytest.mark.parametrize("dev", [True, False])
def test_killed_twice_and_resumed(tmp_path, architecture, dev):
    folder = tmp_path / "killed"
    folder.mkdir()
    whole, fit = train(tmp_path, architecture, dev=dev)
    for resume, at in ((False, 7), (True, 5)):
        with pytest.raises(Killed):
            train(folder, architecture, resume=resume, killed_at=at, dev=dev)
    # Of 15 steps 10 are kept: 6 of the first run and 4 of the second. A sixth step now would be one too many.
    weights, again = train(folder, architecture, resume=True, dev=dev, killed_at=6)
    assert_same(whole, weights)
    assert again.history == fit.history
    assert (again.best_epoch, again.stopped) == (fit.best_epoch, fit.stopped)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(1, STEPS * EPOCHS), patience=st.sampled_from([None, 1]))
def test_killed_at_any_step(tmp_path_factory, at, patience):
    whole, fit = train(tmp_path_factory.mktemp("whole"), "kim", patience=patience)
    folder = tmp_path_factory.mktemp("killed")
    with suppress(Killed):
        train(folder, "kim", killed_at=at, patience=patience)
    weights, again = train(folder, "kim", resume=True, patience=patience)
    assert_same(whole, weights)
    assert again.history == fit.history


def test_a_network_that_had_ended_is_not_trained_again(tmp_path):
    whole, fit = train(tmp_path, "kim")
    weights, again = train(tmp_path, "kim", resume=True, killed_at=1)  # a step would end it
    assert_same(whole, weights)
    assert again == fit


def test_half_precision_goes_on_too(tmp_path):
    whole, _ = train(tmp_path, "kim", amp="bf16")
    with pytest.raises(Killed):
        train(tmp_path, "kim", killed_at=8, amp="bf16")
    assert_same(whole, train(tmp_path, "kim", resume=True, amp="bf16")[0])


@pytest.mark.parametrize("stopped_in", ["_checksum", "put_file"])
def test_an_interrupt_in_the_middle_of_a_write_leaves_two_whole_files(tmp_path, monkeypatch, stopped_in):
    real, calls = getattr(checkpoints, stopped_in), []

    def interrupted_after_the_fourth(*arguments):
        calls.append(arguments)
        found = real(*arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(checkpoints, stopped_in, interrupted_after_the_fourth)
    _, fit = train(tmp_path, "kim")
    assert fit.stopped == "interrupted"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [name.rpartition("-")[0] for name in left] == [
        f"fit-001-step-{step:09d}" for step in ((2, 3) if stopped_in == "_checksum" else (3, 4))
    ]
