"""From data to a predictor, as a user of the library has it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from api_runs import LABELS, PAIRS, TEXTS, TINY, Heard, heard, weights

import textcnn
from textcnn.config import Config
from textcnn.errors import ArtifactError, DataError
from textcnn.folder.model_folder import CONFIG, DRIFT, FILES, TRAINING
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Silent
from textcnn.runs import run_text


@pytest.fixture(scope="module")
def reference():
    return textcnn.train((TEXTS, LABELS), **TINY)


# ---------------------------------------------------------------------------------------------- forms of data


def _pandas(columns):
    import pandas

    return pandas.DataFrame(columns)


def _arrow(columns):
    import pyarrow

    return pyarrow.table(columns)


def _dataset(columns):
    import datasets

    return datasets.Dataset.from_dict(columns)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries themselves
@pytest.mark.parametrize(
    "make",
    [
        lambda columns: PAIRS,
        lambda columns: [{"text": text, "label": label} for text, label in PAIRS],
        dict,
        _pandas,
        _arrow,
        _dataset,
    ],
    ids=["pairs", "dicts", "columns", "pandas", "arrow", "dataset"],
)
def test_the_form_of_the_data_does_not_matter(reference, make):
    found = textcnn.train(make({"text": TEXTS, "label": LABELS}), **TINY)
    assert weights(found) == weights(reference)
    assert found.classes_ == ["neg", "pos"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "ft"])
def test_a_file_is_the_same_as_its_rows(reference, tmp_path, ending):
    path = tmp_path / f"train.{ending}"
    lines = {
        "csv": ["text,label", *(f"{text},{label}" for text, label in PAIRS)],
        "jsonl": [json.dumps({"text": text, "label": label}) for text, label in PAIRS],
        "ft": [f"__label__{label} {text}" for text, label in PAIRS],
    }[ending]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for source in (path, str(path)):
        assert weights(textcnn.train(source, **TINY)) == weights(reference)


# ---------------------------------------------------------------------------------------------- reproducible


def test_the_same_seed_gives_the_same_weights_another_seed_others(reference):
    torch.rand(7)  # the state of the global generator does not matter
    assert weights(textcnn.train(PAIRS, **TINY)) == weights(reference)
    assert weights(textcnn.train(PAIRS, **TINY, seed=1)) != weights(reference)


def test_another_process_trains_the_same_model(tmp_path):
    """Whatever the order of its sets and hash tables."""
    code = (
        "import json, sys, textcnn; from pathlib import Path\n"
        "for kind in ('word', 'wordpiece'):\n"
        "    folder = Path(sys.argv[1]) / kind\n"
        "    textcnn.train(json.load(open(sys.argv[2])), tokenizer=kind, output=folder, **json.loads(sys.argv[3]))"
    )
    settings = {**TINY, "threads": 1}
    rows = [{"text": f"{text} unrelated understanding", "label": label} for text, label in PAIRS]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    command = [sys.executable, "-c", code, str(tmp_path / "there"), str(tmp_path / "rows.json"), json.dumps(settings)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "12345"})
    for kind in ("word", "wordpiece"):
        textcnn.train(rows, tokenizer=kind, output=tmp_path / "here" / kind, **settings)
        for name in set(FILES) - {"timing.json"}:
            here, there = ((tmp_path / place / kind / name).read_bytes() for place in ("here", "there"))
            assert here == there, f"{kind}: {name}"


def test_dev_and_test_rows_do_not_move_a_weight(reference):
    """Unless they choose another epoch than the last: vocabulary and order come from the training rows alone."""
    found = textcnn.train(PAIRS, test=[("never seen words", "pos")], **TINY)
    assert weights(found) == weights(reference)
    run, _ = heard(PAIRS, dev=[("never seen words", "pos")], epochs=1)
    assert weights(run.predictor) == weights(textcnn.train(PAIRS, **{**TINY, "epochs": 1}))


def test_a_trained_model_knows_its_texts():
    predictor = textcnn.train(PAIRS, **{**TINY, "epochs": 15})
    assert predictor.predict(TEXTS) == LABELS


# ----------------------------------------------------------------------------------------- what is written


def test_output_is_a_folder_that_loads(tmp_path):
    predictor = textcnn.train(PAIRS, output=tmp_path / "model", **TINY)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {*FILES, DRIFT}
    loaded = textcnn.load(tmp_path / "model")
    assert weights(loaded) == weights(predictor)
    assert loaded.predict_proba(TEXTS).tobytes() == predictor.predict_proba(TEXTS).tobytes()
    by_torch = Predictor.load(tmp_path / "model", runtime="torch")
    np.testing.assert_allclose(by_torch.predict_proba(TEXTS), predictor.predict_proba(TEXTS), atol=1e-6)
    assert textcnn.load(str(tmp_path / "model")).classes_ == ["neg", "pos"]


def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path):
    (tmp_path / "file").touch()
    reporter = Heard()
    with pytest.raises(ArtifactError, match=r"found a file at '.*file'"):
        textcnn.train(PAIRS, output=tmp_path / "file", reporter=reporter, **TINY)
    assert reporter.said == []


def test_training_json_tells_the_run(tmp_path):
    settings = {**TINY, "architecture": "bag", "dropout": 0.25, "seed": 3}
    del settings["num_filters"]
    textcnn.train(PAIRS, dev=PAIRS[:6], test=PAIRS[:4], output=tmp_path / "model", **settings)
    written = json.loads((tmp_path / "model" / TRAINING).read_text(encoding="utf-8"))
    config = Config.from_dict(written["config"])
    assert (config.training.seed, config.training.epochs, config.model.settings) == (3, 2, {"dropout": 0.25})
    assert [entry["epoch"] for entry in written["history"]] == [1, 2]
    assert set(written["history"][0]) == {"epoch", "loss", "dev_accuracy", "dev_macro_f1", "dev_micro_f1"}
    assert written["examples"] == {"train": 24, "dev": 6, "test": 4}
    assert (written["architecture"], written["num_labels"], written["stopped"]) == ("bag", 2, "done")
    assert written["data"]["name"] == "<list>"
    assert len(written["data"]["fingerprint"]) == 64
    for part, rows in (("dev", 6), ("test", 4)):
        assert set(written[part]) == {"n", "accuracy", "macro_f1", "micro_f1", "ece", "per_label"}
        assert written[part]["n"] == rows
    assert set(written["calibration"]) == {
        *("kind", "rows", "weights", "ece_before", "ece_after", "log_loss_before", "log_loss_after"),
    }
    assert not {"train_seconds", "tokens_per_second"} & set(written)
    timing = json.loads((tmp_path / "model" / "timing.json").read_text(encoding="utf-8"))
    assert set(timing) == {"train_seconds", "tokens_per_second"}
    assert timing["train_seconds"] > 0
    again = json.loads((tmp_path / "model" / CONFIG).read_text(encoding="utf-8"))
    assert (again["architecture"], again["embedding_dim"], again["labels"]) == ("bag", 8, ["neg", "pos"])


def test_open_epochs_are_written_as_the_number_they_became():
    run, _ = heard(PAIRS)
    assert run.predictor.artifact.training["config"]["training"]["epochs"] == 2
    settings = {name: value for name, value in TINY.items() if name != "epochs"}
    run = run_text(PAIRS, Config.from_flat(settings), Silent())
    assert run.predictor.artifact.training["config"]["training"]["epochs"] == 10 == run.summary["epochs"]


def test_the_fingerprint_is_that_of_texts_and_labels(reference):
    def fingerprint(pairs):
        return textcnn.train(pairs, **TINY).artifact.training["data"]["fingerprint"]

    first = reference.artifact.training["data"]["fingerprint"]
    assert fingerprint(PAIRS) == first
    assert fingerprint([("x", "pos"), *PAIRS[1:]]) != first
    assert fingerprint([(TEXTS[0], "neg"), *PAIRS[1:]]) != first


# ------------------------------------------------------------------------------------------------- dev rows


def test_without_dev_rows_nothing_is_calibrated(reference):
    artifact = reference.artifact
    assert (artifact.temperature, artifact.thresholds) == (1.0, [0.5, 0.5])
    assert artifact.training["dev"] is None
    assert artifact.training["test"] is None
    assert artifact.training["calibration"] is None
    assert artifact.training["examples"] == {"train": 24, "dev": 0, "test": 0}


def test_a_fraction_is_held_out_of_every_label():
    run, said = heard(PAIRS, dev_fraction=0.25)
    training = run.predictor.artifact.training
    assert training["examples"] == {"train": 18, "dev": 6, "test": 0}
    assert {name: entry["support"] for name, entry in training["dev"]["per_label"].items()} == {"neg": 3, "pos": 3}
    assert "no dev rows" not in said
    assert run.summary["dev"]["n"] == 6


def test_dev_rows_and_a_fraction_are_one_too_many():
    with pytest.raises(
        DataError, match=r"expected dev rows or dev_fraction, got both \(dev_fraction is 0.2\); leave one out"
    ):
        textcnn.train(PAIRS, dev=PAIRS, dev_fraction=0.2, **TINY)


def test_a_fraction_of_too_few_rows():
    with pytest.raises(
        DataError, match=r"dev_fraction 0.01 of 24 rows is no row; raise it, or give dev rows of your own"
    ):
        textcnn.train(PAIRS, dev_fraction=0.01, **TINY)


def test_a_dev_label_unseen_in_training_is_told_and_counted_as_wrong():
    run, said = heard(PAIRS, dev=[("good film", "pos"), ("odd film", "odd")], test=[("odd film", "odd")])
    assert "dev labels unseen in training count as wrong: 'odd'" in said
    assert "test labels unseen in training count as wrong: 'odd'" in said
    assert run.summary["dev"]["per_label"]["odd"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert run.summary["dev"]["accuracy"] <= 0.5
    assert run.summary["test"]["accuracy"] == 0
    assert run.predictor.classes_ == ["neg", "pos"]


def test_only_unseen_dev_labels_leave_the_temperature_alone():
    run, _ = heard(PAIRS, dev=[("odd film", "odd")])
    assert run.predictor.artifact.temperature == 1.0
    assert run.summary["dev"]["accuracy"] == 0


def test_what_looks_wrong_in_the_data_is_told():
    twice = [("good film number 0", "neg"), ("same", "Pos"), *PAIRS]
    _, said = heard(twice, dev=[("SAME", "pos")], max_length=3, test=[("a b c d", "pos"), ("", "pos")])
    assert "warning: the labels 'Pos' and 'pos' differ only by case or blanks" in said
    assert "warning: 1 text occurs with different labels in the training data" in said
    assert "warning: 1 dev text is a training text too" in said
    assert "note: 25 of 26 texts are cut after 3 tokens" in said
    assert "note: 1 of 2 texts are cut after 3 tokens" in said
    assert "1 text is empty" in said


def test_patience_stops_when_the_dev_metric_does_not_rise():
    dev = [("good film", "pos"), ("bad film", "neg")]
    run, _ = heard(PAIRS, dev=dev, epochs=30, patience=2, learning_rate=0.01)
    history = run.predictor.artifact.training["history"]
    assert run.stopped == "patience"
    assert len(history) < 30
    best = run.summary["best_epoch"]
    assert len(history) == best + 2
    assert history[best - 1]["dev_accuracy"] == max(entry["dev_accuracy"] for entry in history)
    assert all(entry["dev_accuracy"] < history[best - 1]["dev_accuracy"] for entry in history[: best - 1])
