"""Every text architecture learns real questions (TREC, Li & Roth 2002), and answers alike from its folder."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import textcnn
from textcnn.models import registry
from textcnn.reading.rows import read_examples

NUM_TRAIN, NUM_HELD = 800, 200
SMALL = {
    **{name: {"num_filters": 32} for name in ("deep", "dpcnn", "gated", "tcn")},
    "charcnn": {"num_filters": 48, "hidden_size": 32, "dropout": 0.2, "epochs": 14},
    "vdcnn": {"num_filters": 12, "hidden_size": 32, "epochs": 8},
}


@pytest.fixture(scope="module")
def questions(data_folder):
    examples = read_examples(data_folder / "trec" / "train.csv.gz")
    rows = [(text, labels[0]) for text, labels in zip(examples.texts, examples.labels, strict=True)]
    return rows[:NUM_TRAIN], rows[NUM_TRAIN : NUM_TRAIN + NUM_HELD]


@pytest.mark.parametrize("name", registry.TEXT)
def test_every_architecture_beats_the_majority_and_answers_after_a_round_trip(name, questions, tmp_path):
    train, held = questions
    settings = {"embedding_dim": 32, "epochs": 6, "threads": 1, "batch_size": 32, **SMALL.get(name, {})}
    trained = textcnn.train(train, architecture=name, output=tmp_path / "model", **settings)
    texts, truth = zip(*held, strict=True)
    majority = Counter(truth).most_common(1)[0][1] / len(held)
    correct = float(sum(a == b for a, b in zip(trained.predict(texts), truth, strict=True)) / len(held))
    assert correct > majority + 0.2
    asked = ["", "Who", "?", *texts[:20]]
    expected = trained.predict_proba(asked)
    again = textcnn.load(tmp_path / "model", runtime=trained.runtime.name)
    assert (again.predict_proba(asked) == expected).all()
    for runtime in ("auto", "torch"):
        loaded = textcnn.load(tmp_path / "model", runtime=runtime)
        np.testing.assert_allclose(loaded.predict_proba(asked), expected, atol=1e-6)
