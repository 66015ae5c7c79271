"""Whole runs that were killed and go on: folds, members, images; limits that end them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.config import Config
from textcnn.progress import Silent
from textcnn.runs import train_text
from textcnn.runs.images import run_images
from textcnn.training.checkpoints import Checkpoints

ROWS = [(f"{'good' if n % 2 else 'bad'} film number {n % 7}", "pos" if n % 2 else "neg") for n in range(64)]
SMALL = {"epochs": 2, "batch_size": 16, "embedding_dim": 8, "num_filters": 4, "threads": 1, "ngram_buckets": 100}


class Killed(BaseException):
    """No part of the library catches it."""


class Killing(Silent):
    def __init__(self, at=0):
        self.left, self.steps = at, 0

    def step(self, epoch, loss, tokens_per_second):
        self.steps += 1
        if self.steps == self.left:
            raise Killed


def assert_same(one, other):
    weights = one.predictor.artifact.model.state_dict(), other.predictor.artifact.model.state_dict()
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def killed_and_resumed(folder, train, at):
    """The run undisturbed, the run that was killed at a step and went on, and the steps it took then."""
    (folder / "whole").mkdir()
    whole = train(Killing(), Checkpoints(folder / "whole", seconds=0))
    with pytest.raises(Killed):
        train(Killing(at), Checkpoints(folder, seconds=0))
    reporter = Killing()
    return whole, train(reporter, Checkpoints(folder, resume=True, seconds=0)), reporter.steps


@pytest.mark.parametrize("at", [3, 9, 15])
def test_folds_that_have_ended_are_not_trained_again(tmp_path, at):
    """Two folds of 2 x 2 steps, then all rows with 2 x 4 steps; a step that is killed is not kept."""

    def train(reporter, checkpoints):
        return train_text(ROWS, SMALL, reporter, folds=2, checkpoints=checkpoints)

    whole, again, taken = killed_and_resumed(tmp_path, train, at)
    assert taken == 16 - (at - 1)
    assert_same(whole, again)
    folds = whole.predictor.artifact.folds, again.predictor.artifact.folds
    assert np.array_equal(folds[0].probabilities, folds[1].probabilities)


def test_members_that_have_ended_are_not_trained_again(tmp_path):
    def train(reporter, checkpoints):
        return train_text(ROWS, {**SMALL, "ensemble": 2, "dev_fraction": 0.25}, reporter, checkpoints=checkpoints)

    whole, again, taken = killed_and_resumed(tmp_path, train, 8)
    assert taken == 12 - 7
    assert_same(whole, again)


def test_images(tmp_path):
    random = np.random.default_rng(0)
    pixels, labels = random.integers(0, 255, (48, 8, 8), np.uint8), ["a", "b"] * 24
    np.savez(tmp_path / "train.npz", images=pixels, labels=labels)
    config = Config.from_flat({"architecture": "lenet", "epochs": 2, "batch_size": 16, "random_shift": 1, "threads": 1})

    def train(reporter, checkpoints):
        return run_images(tmp_path / "train.npz", config, reporter, checkpoints=checkpoints)

    whole, again, taken = killed_and_resumed(tmp_path, train, 5)
    assert taken == 6 - 4
    assert_same(whole, again)


def test_a_time_limit_without_the_command_line():
    run = train_text(ROWS, {**SMALL, "epochs": 1_000_000, "time_limit": 5.0}, Silent())
    assert 1 <= run.summary["epochs"] < 1_000_000
    assert run.summary["stopped"] in ("done", "stopped")
