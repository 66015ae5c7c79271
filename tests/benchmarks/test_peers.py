"""The benchmark beside the peers: every part is measured, kept, and told; without fastText its parts are left out."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from importlib.util import find_spec

import pytest
import torch

from benchmarks import lookup, peers, peers_files, peers_training, process_memory, roofline
from benchmarks.peers import run_peers
from benchmarks.peers_table import to_markdown
from textcnn.errors import ConfigError, DataError
from textcnn.progress import Silent
from textcnn.tokenization.batch import Batch

TINY = {"epochs": 1, "num_filters": 4, "embedding_dim": 8, "threads": 1}
HAS_FASTTEXT = "TEXTCNN_PEERS_PYTHON" in os.environ or find_spec("fasttext")


@pytest.fixture
def rows(tmp_path, monkeypatch):
    drawn = random.Random(0)
    for name, count in (("train", 200), ("test", 40)):
        lines = ["text,label"]
        for _ in range(count):
            label = drawn.choice(["pos", "neg"])
            words = drawn.choices(["a", "film", "plot", "actor", "is", "the"], k=12)
            lines.append(f"{' '.join([*words, 'good' if label == 'pos' else 'bad'])},{label}")
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, value in {"CALLS": 3, "STARTS": 1}.items():
        monkeypatch.setattr(lookup, name, value)
    for name, value in {"MEGABYTES": 4, "SIDE": 64, "PASSES": 1}.items():
        monkeypatch.setattr(roofline, name, value)
    monkeypatch.setattr(peers_files, "WARM_UP", 0)
    monkeypatch.setattr(peers_training, "OURS", {"default": {}})
    monkeypatch.setattr(peers_training, "RACERS", ({"epochs": 1}, {"epochs": 12}))
    return tmp_path


def run(folder, **options):
    return run_peers(
        str(folder / "train.csv"),
        str(folder / "test.csv"),
        Silent(),
        folder=folder / "work",
        passes=1,
        settings=TINY,
        **options,
    )


def check_ours(document):
    json.dumps(document, allow_nan=False)
    ours = [entry for entry in document["training"]["runs"] if entry["contestant"] == "default"]
    assert ours[0]["whole_tokens_per_second"] < ours[0]["loop_tokens_per_second"]
    assert document["training"]["words"] == 200 * 13
    assert document["files"]["words"] == 40 * 13
    assert document["one_sentence"]["cold_start_seconds"] > 0
    assert 0 < document["training_share"]["share"] < 10
    narrow, wide = document["lookup_share"][1], document["lookup_share"][0]
    assert narrow["bytes_per_token"] < wide["bytes_per_token"]


@pytest.mark.slow
def test_without_fasttext_its_parts_are_left_out_and_the_rest_is_kept(rows, monkeypatch):
    monkeypatch.setattr(peers, "fasttext_python", lambda: None)
    output = rows / "peers.json"
    monkeypatch.setattr(peers, "training_share", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(rows, output=output)
    monkeypatch.setattr(peers, "training_share", roofline.training_share)
    monkeypatch.setattr(peers, "classify_files", lambda *_: 1 / 0)  # it was measured before
    document = run(rows, output=output)
    check_ours(document)
    assert document["race"] is None
    assert json.loads(output.read_text()) == json.loads(json.dumps(document))
    assert {entry["contestant"] for entry in document["files"]["runs"]} == {
        "textcnn, 1 worker",
        "textcnn, 2 workers",
        "textcnn int8, 1 worker",
        "textcnn int8, 2 workers",
        "TF-IDF + LinearSVC",
    }
    table = to_markdown(document)
    assert "fastText is not installed here" in table
    assert "| fastText" not in table
    assert len((rows / "work" / "rows.jsonl").read_text().splitlines()) == 40


@pytest.mark.skipif(not HAS_FASTTEXT, reason="needs fastText")
def test_with_fasttext_both_are_measured(rows, monkeypatch):
    # this one has no fastText in it
    monkeypatch.setattr(peers, "one_sentence", lambda *_: {"words": 20, "medians": [], "cold_start_seconds": 1.0})
    document = run(rows)
    json.dumps(document, allow_nan=False)
    assert [entry["contestant"] for entry in document["training"]["runs"]] == ["fasttext", "default"]
    race = document["race"]
    assert race["fasttext"]["seconds"] > 0
    assert 0 <= race["fasttext"]["accuracy"] <= 1
    assert all(entry["dev_accuracy"] < race["fasttext_dev"]["accuracy"] for entry in race["tried"][:-1])
    assert "fasttext, words cut before" in {entry["contestant"] for entry in document["files"]["runs"]}
    assert "| training, default, texts to model |" in to_markdown(document)


def test_several_labels_are_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"expected texts of one label each, got '.*rows\.jsonl' with several"):
        run_peers(str(path), str(path), Silent(), folder=tmp_path / "work")


def test_parts_of_other_settings_are_refused(rows, monkeypatch):
    monkeypatch.setattr(peers, "fasttext_python", lambda: None)
    (rows / "a.json.partial").write_text('{"settings": {}, "runs": {}}', encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json\.partial: expected finished runs of these settings"):
        run(rows, output=rows / "a.json")


def test_a_peer_that_fails_is_told():
    with pytest.raises(ConfigError, match=r"-c failed with exit 1: (.|\n)*too big"):
        peers_training.call([sys.executable, "-c", "raise MemoryError('too big')"])


def test_memory_of_a_child_is_counted():
    child = "b = bytearray(80_000_000); import time; time.sleep(1.2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = process_memory.watched_run([sys.executable, "-c", parent])
    assert 80 < found["peak_mb"] < 200
    assert process_memory.anonymous_bytes(2**22 + 1) == 0


def test_memory_of_a_process_that_fails():
    with pytest.raises(subprocess.CalledProcessError):
        process_memory.watched_run([sys.executable, "-c", "raise SystemExit(3)"])


def test_costs_of_a_step_are_those_of_the_formulas():
    ids = torch.tensor([0, 1, 1])
    batch = Batch(
        offsets=torch.tensor([0, 3]),
        unique=torch.tensor([4, 7]),
        inverse=ids,
        bag_rows=torch.tensor([5, 6, 6]),
        wide_rows=torch.tensor([1, 2]),
    )
    costs = roofline.step_costs(batch, dim=10, sizes=(2, 3), nested=True, filters=4, num_labels=2, dropout=0.5)
    assert costs == {
        "tokens": 3,
        "forward_bytes": 4 * ((2 + 3 + 2) * 10 + (2 * 10 + 12 * 10 + 2 * 12) + 2 * 4),
        "looked_up_bytes": 4 * 3 * 12,
        "winner_bytes": 4 * 20 * 10,
        "backward_bytes": 4 * ((2 + 2) * 10 + 3 * 10),
        "update_bytes": 4 * (4 * (3 * 10 + 2) + 2 * 2 * 3),
        "multiply_adds": 2 * 12 * 10 + 20 * 10,
    }


def test_a_copy_is_counted_twice(monkeypatch):
    monkeypatch.setattr(roofline, "_best", lambda call: 0.5)
    rates = roofline.machine_rates()
    assert rates == {
        "bytes_per_second": 2 * roofline.MEGABYTES * 2**20 / 0.5,
        "multiply_adds_per_second": roofline.SIDE**3 / 0.5,
    }
