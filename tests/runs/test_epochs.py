"""The number of epochs where labels are many: held-out rows decide."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from api_runs import Heard

from textcnn.labels import Labels
from textcnn.progress import Silent
from textcnn.runs import train_text
from textcnn.runs.calibrate import with_more_epochs
from textcnn.training.result import Calibration

MANY = {"batch_size": 32, "embedding_dim": 16, "num_filters": 16, "threads": 1, "ngram_buckets": 1000}
MANY |= {"characters": "none"}


def rows_of_many_labels(number, num_labels=24, *, seed=0):
    """Rows whose label is the sum of two words' numbers, which a few epochs do not teach."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        first, second = random.integers(num_labels, size=2).tolist()
        rows.append((f"one{first} two{second}", f"label{(first + second) % num_labels:02}"))
    return rows


def test_held_out_rows_decide_about_the_epochs_of_many_labels():
    heard = Heard()
    run = train_text(rows_of_many_labels(2400), {**MANY, "wide": False, "embedding_learning_rate": 0.05}, heard)
    losses = run.summary["calibration"]["log_loss_by_epochs"]
    tried = sorted(map(int, losses))
    assert tried[:2] == [10, 20]
    assert losses["20"] < 0.99 * losses["10"]
    best = min(losses, key=losses.get)
    assert run.summary["epochs"] == int(best)
    assert run.predictor.artifact.training["config"]["training"]["epochs"] == int(best)
    assert run.summary["calibration"]["log_loss_after"] == losses[best]
    assert any(
        re.fullmatch(rf"{best} epochs, by the log loss of the rows held out: .* with 10, .*", line)
        for line in heard.said
    )


def test_more_epochs_that_gain_little_are_not_taken():
    labels = Labels(tuple(f"label{n:02}" for n in range(24)))
    calibration = Calibration(1.0, 1.0, [0.5] * len(labels), {"log_loss_after": 0.5})
    asked = []

    def fit(epochs):
        asked.append(epochs)
        return dataclasses.replace(calibration, facts={"log_loss_after": {20: 0.4, 40: 0.397, 80: 0.1}[epochs]})

    found = with_more_epochs(calibration, 10, fit, Silent())
    assert (found.epochs, asked) == (20, [20, 40])
    assert found.facts == {"log_loss_after": 0.4, "log_loss_by_epochs": {"10": 0.5, "20": 0.4, "40": 0.397}}
    assert with_more_epochs(calibration, 10, lambda _: None, Silent()).epochs is None


@pytest.mark.parametrize(
    "setting", [{"epochs": 3}, {"time_limit": 500.0}, {"calibrate": "none"}, {"regression": False, "epochs": 2}]
)
def test_given_epochs_and_a_time_limit_stand(setting):
    run = train_text(rows_of_many_labels(600), {**MANY, **setting}, Silent())
    assert "log_loss_by_epochs" not in (run.summary["calibration"] or {})
    assert run.summary["epochs"] == setting.get("epochs", 10)


def test_few_labels_keep_the_default_number_of_epochs():
    run = train_text(rows_of_many_labels(300, 3), MANY, Silent())
    assert "log_loss_by_epochs" not in run.summary["calibration"]
    assert run.summary["epochs"] == 10
