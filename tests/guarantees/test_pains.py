"""Promises of docs/guarantees.md that no test of a single room holds."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from api_runs import PAIRS, TINY, Heard
from one_layer_models import make

import textcnn
from textcnn.config import Config
from textcnn.evaluation.calibration import probabilities
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import open_rows
from textcnn.runs import run_text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(kernel_sizes=[2, 6]).save(tmp_path_factory.mktemp("models") / "model")


def test_texts_of_no_word_and_of_one_are_answered_alone(folder):
    plain, quick = (textcnn.load(folder, runtime=runtime) for runtime in ("torch", "look-up"))
    bias = plain.artifact.model.head.bias.detach().numpy()[None]
    for text in ("", " ", "good", "a good", "a good film with it"):
        alone = plain.predict_proba([text])
        np.testing.assert_allclose(alone, quick.predict_proba([text]), rtol=0, atol=1e-5)
        if not text.strip():
            np.testing.assert_allclose(alone, probabilities(bias, plain.labels, plain.temperature), atol=1e-7)


@pytest.mark.parametrize("runtime", ["torch", "look-up"])
def test_a_line_end_changes_no_answer(folder, runtime, tmp_path, monkeypatch):
    predictor = Predictor.load(folder, runtime=runtime)
    expected = predictor.predict_proba(["a good film"]).tobytes()
    for around in ("{}\n", "{}\r\n", "\n\n{}", " {}\t\n\u2029"):
        assert predictor.predict_proba([around.format("a good film")]).tobytes() == expected
    for end in ("", "\n", "\r\n"):
        line = f"a good film{end}".encode()
        (tmp_path / "a.txt").write_bytes(line)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line)))
        for source in (tmp_path / "a.txt", "-"):
            (row,) = open_rows(source, labels="ignored")
            assert row.text == "a good film"
            assert predictor.predict_proba([row.text]).tobytes() == expected


def test_time_and_memory_are_told_before_the_first_step():
    told = []
    reporter = Heard(at_step=lambda step: told.append(list(reporter.said)))
    run_text(PAIRS, Config.from_flat(TINY), reporter)
    (estimate,) = [line for line in told[0] if line.startswith("expecting about")]
    assert estimate.endswith(" MiB for the weights and their state")
