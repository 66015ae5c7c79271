"""An audit finds what was planted: wrong labels, a leak, copies of test texts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from one_layer_models import make

from textcnn.config import DataConfig
from textcnn.explain.audit import audit, rank_rows
from textcnn.explain.shortcuts import find_shortcuts
from textcnn.folder.training_rows import OutOfFold
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import read_examples
from textcnn.reading.statistics import digest


def folds(rows) -> OutOfFold:
    return OutOfFold(np.array(rows, np.float32), np.zeros(len(rows), np.int32))


def test_rows_are_ranked_by_the_probability_of_their_own_label():
    found = rank_rows(
        folds([[0.9, 0.1], [0.2, 0.8], [0.05, 0.95], [0.4, 0.6]]),
        Labels(("a", "b")),
        [("a",), ("a",), ("a",), ("z",)],
    )
    assert [suspect.row for suspect in found] == [3, 2, 1, 0]
    assert [suspect.suggested for suspect in found] == ["b", "b", "b", None]
    assert [suspect.given for suspect in found] == [("z",), ("a",), ("a",), ("a",)]
    assert found[0].probability == 0


def test_a_multi_label_row_is_as_probable_as_its_least_probable_decision():
    labels = Labels(("a", "b", "c"), multi_label=True)
    found = rank_rows(folds([[0.9, 0.2, 0.1], [0.9, 0.95, 0.1], [0.9, 0.1, 0.3]]), labels, [("a",), ("a",), ("a", "c")])
    assert [(suspect.row, suspect.suggested) for suspect in found] == [(1, "b"), (2, "c"), (0, None)]
    assert found[0].probability == pytest.approx(0.05)


@pytest.fixture
def leaky(tmp_path):
    """A model and rows where one word stands in all texts of one label; the model answers with it."""
    artifact = make(("neg", "pos"), pooling="max", temperature=0.1)
    row = artifact.text_inputs().tokenizer.types().index("plot")
    wide, keys = artifact.model.wide, artifact.text_inputs().wide.keys
    wide.table.weight.data.zero_()
    wide.table.weight.data[int(np.searchsorted(keys, row))] = artifact.model.wide.table.weight.new_tensor(
        [-200.0, 200.0]
    )
    artifact.save(tmp_path / "model")
    texts = [f"a film number {k} {'plot' if k % 2 else 'good'}" for k in range(40)]
    return tmp_path / "model", texts, [("pos",) if k % 2 else ("neg",) for k in range(40)]


def test_a_word_that_gives_the_label_away_is_found(leaky):
    folder, texts, truth = leaky
    found = find_shortcuts(Predictor.load(folder), texts, truth)
    first = found[0]
    assert (first.text, first.label, first.support, first.purity, first.coverage) == ("plot", "pos", 20, 1, 1)
    assert first.probability > 0.99
    assert not [shortcut for shortcut in found if "film" in shortcut.text.split(" ")[:1] and shortcut.support == 40]
    assert not [shortcut for shortcut in found if "plot" in shortcut.text.split(" ")[:-1]]
    assert [s.text for s in find_shortcuts(Predictor.load(folder), texts, truth, min_support=21)] == []
    torch = find_shortcuts(Predictor.load(folder, runtime="torch"), texts, truth)
    assert [s.text for s in torch] == [s.text for s in found]


def test_all_of_it_at_once_and_only_for_the_rows_of_the_model(leaky):
    folder, texts, truth = leaky
    examples = read_examples((texts, [row[0] for row in truth]), DataConfig())
    found = audit(folder, examples, [texts[3].upper(), "nothing like them"])
    assert found.suspects is None
    assert "trained without --folds K" in found.reason
    assert [(pair.row, pair.test_row, pair.similarity) for pair in found.near_duplicates] == [(3, 0, 1.0)]
    probs = np.full((40, 2), 0.5, np.float32)
    probs[7] = [0.99, 0.01]
    OutOfFold(probs, (np.arange(40) // 2 % 2).astype(np.int32)).write(folder / "folds.safetensors")
    assert "not the rows that the model was trained on" in audit(folder, examples).reason
    training = json.loads((folder / "training.json").read_text())
    named = {"fingerprint": digest(examples.texts, examples.labels)}
    (folder / "training.json").write_text(json.dumps({**training, "data": named}))
    found = audit(folder, examples)
    assert found.suspects[0].row == 7
    assert found.second_opinion
    told = found.to_dict(examples.texts, 3)
    assert told["label_errors"]["top"][0]["text"] == texts[7]
    assert told["label_errors"]["suspects"] >= 1
    assert told["near_duplicates"] == {"test_rows": None, "found": 0, "top": []}
    assert len(json.dumps(told)) > 100
    assert "not the rows" in audit(folder, examples.subset(np.arange(39))).reason
