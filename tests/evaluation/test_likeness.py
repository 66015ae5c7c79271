"""How much labels are alike: by their logits, in the entropy of a text, and in the folder."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textcnn
from textcnn.errors import ArtifactError
from textcnn.evaluation import strangers
from textcnn.evaluation.strangers import StrangerScore, label_likeness, statistics
from textcnn.folder.model_folder import HELD_OUT
from textcnn.folder.training_rows import read_held_out, write_held_out
from textcnn.prediction.strangers import StrangerModel
from textcnn.progress import Silent
from textcnn.runs import train_text

WORDS = [f"word{i}" for i in range(40)]


def correlated(seed, number=400):
    """Logits of twelve labels, of which the first two, and the next two, rise and fall together."""
    random = np.random.default_rng(seed)
    common = np.repeat(random.normal(0, 1, (number, 6)), 2, axis=1) * ([1] * 4 + [0] * 8)
    return common + random.normal(0, 0.5, (number, 12))


def test_labels_are_alike_whose_logits_go_together():
    logits = correlated(0)
    found = label_likeness(logits)
    correlation = np.corrcoef(logits.T)
    mean = max((correlation.sum() - 12) / 132, 0)
    assert found == pytest.approx(np.where(np.eye(12), 1, np.clip((correlation - mean) / (1 - mean), 0, 1) ** 0.5))
    assert min(found[0, 1], found[2, 3]) > 0.7
    assert found[0, 2] < 0.3
    shift = 30 * np.random.default_rng(1).normal(0, 1, (len(logits), 1))  # which no probability shows
    assert label_likeness(logits + shift)[~np.eye(12, dtype=bool)].min() == 0
    unknown = np.where(np.arange(12) == 2, -np.inf, logits[:50])
    assert (label_likeness(np.concatenate([unknown, logits])) == found).all()
    assert (label_likeness(unknown) == np.eye(12)).all()
    for number in (strangers.LIKENESS_LABELS.start - 1, strangers.LIKENESS_LABELS.stop):
        assert label_likeness(np.zeros((5, number))) is None


def test_probability_shared_by_labels_that_are_alike_is_certain():
    likeness = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    logits, counts = np.array([[5.0, 5.0, -60.0], [5.0, -60.0, 5.0]]), np.array([[4, 4, 4]] * 2)
    alike, apart = statistics([logits], counts, likeness)[:, 0]
    assert alike == pytest.approx(0, abs=1e-6)
    assert apart == pytest.approx(-np.log(2))
    plain = statistics([logits], counts)
    assert plain[:, 0] == pytest.approx(-np.log(2))
    assert (statistics([logits], counts, np.eye(3, dtype=np.float32)) == plain).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1_000), number=st.integers(1, 40))
def test_a_text_has_the_same_statistics_in_any_batch(seed, number):
    logits, counts = correlated(seed, number), np.ones((number, 3), np.int64)
    likeness = label_likeness(correlated(0))
    alone = [statistics([logits[[k]]], counts[[k]], likeness)[0] for k in range(number)]
    assert (statistics([logits], counts, likeness) == np.array(alone)).all()


def test_a_folder_keeps_the_likeness_of_its_labels(tmp_path):
    random = np.random.default_rng(0)
    rows = [(" ".join([*random.choice(WORDS, 4), f"topic{k}", f"area{k // 2}"]), f"label{k}") for k in range(12)] * 20
    trained = train_text(rows, {"epochs": 4, "embedding_dim": 16, "num_filters": 16}, Silent()).predictor
    trained.save(tmp_path / "model")
    likeness, texts = trained.held_out.likeness, [text for text, _ in rows[:12]] + ["word1 word2", "topic1 topic7"]
    assert likeness.shape == (12, 12)
    loaded = textcnn.load(tmp_path / "model")
    assert (loaded.held_out.likeness == likeness).all()
    found = StrangerModel(loaded).scores(texts)
    assert found == pytest.approx(StrangerModel(trained).scores(texts), abs=1e-3)
    folder = tmp_path / "model"
    write_held_out(replace(loaded.held_out, likeness=None), folder / HELD_OUT)  # as before there was one
    before = textcnn.load(folder)
    encoded = before.text_inputs().encode(texts)
    plain = statistics(before.branches(encoded), before.text_inputs().counts(encoded))
    assert (StrangerModel(before).scores(texts) == StrangerScore.of(before.held_out)(plain)).all()
    for change in (likeness[:5], likeness * 2, likeness * np.nan):
        write_held_out(replace(loaded.held_out, likeness=change), folder / HELD_OUT)
        with pytest.raises(ArtifactError, match="expected the likeness of 12 labels, from 0 to 1"):
            read_held_out(folder / HELD_OUT, 12)
