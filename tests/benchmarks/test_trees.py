"""The study of trees of labels at tiny size, and what its committed document shows."""

from __future__ import annotations

import csv
import gzip
import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.trees import run_trees, to_markdown
from textcnn.errors import DataError
from textcnn.progress import Silent

WORDS = {"noun.dog": "barks", "noun.cat": "purrs", "verb.run": "quickly", "verb.eat": "hungry"}
TINY = {"epochs": 2, "embedding_dim": 6, "num_filters": 4, "threads": 1}
DATA = os.environ.get("TEXTCNN_DATA")
RESULTS = Path(__file__).parents[2] / "docs" / "benchmarks"


def write(folder, sizes):
    (folder / "wordnet-gloss-45").mkdir()
    for file, size in sizes.items():
        with gzip.open(folder / "wordnet-gloss-45" / f"{file}.csv.gz", "wt", encoding="utf-8", newline="") as out:
            rows = [(f"it {word} {n} {file}", label) for n in range(size) for label, word in WORDS.items()]
            csv.writer(out).writerows([("text", "label"), *rows])


def test_both_kinds_are_measured_on_the_same_rows(tmp_path):
    write(tmp_path, {"train": 60, "test": 10})
    document = json.loads(json.dumps(run_trees(tmp_path, Silent(), seeds=[1, 2], accuracy=0.8, settings=TINY)))
    assert document["rows"] == {"train": 240, "test": 40}
    for run in document["runs"]:
        assert run["flat"]["accuracy"] == run["tree"]["accuracy"]  # the same weights
        assert run["tree"]["sure"]["share"] >= run["flat"]["sure"]["share"]
        assert sum(run["tree"]["sure"]["levels"]) == pytest.approx(run["tree"]["sure"]["share"])
    table = to_markdown(document)
    assert "| seed | accuracy, flat | accuracy, tree | at level 1 | hierarchical F1 | answered, flat |" in table
    assert table.count("\n| ") == 5


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="TEXTCNN_DATA names no folder of data sets")
def test_glosses_of_wordnet_are_answered_more_often_by_the_tree(tmp_path):
    source = Path(DATA) / "wordnet-gloss-45"
    (tmp_path / "wordnet-gloss-45").mkdir()
    for file, size in {"train": 12_000, "test": 3_000}.items():
        with gzip.open(source / f"{file}.csv.gz", "rt", encoding="utf-8", newline="") as rows:
            head = list(islice(csv.reader(rows), size + 1))
        with gzip.open(tmp_path / "wordnet-gloss-45" / f"{file}.csv.gz", "wt", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(head)
    (run,) = run_trees(tmp_path, Silent(), seeds=[1], settings={"epochs": 3, "threads": 1})["runs"]
    assert run["tree"]["accuracy"] == run["flat"]["accuracy"]
    assert run["tree"]["sure"]["share"] > run["flat"]["sure"]["share"] + 0.10
    assert all(run[kind]["sure"]["accuracy"] == pytest.approx(0.95, abs=0.025) for kind in run if kind != "seed")


def test_rows_too_few_to_hold_some_out_are_told(tmp_path):
    write(tmp_path, {"train": 10, "test": 2})
    with pytest.raises(DataError, match="expected rows enough to hold some out, found 40"):
        run_trees(tmp_path, Silent(), seeds=[1], settings=TINY)


def test_the_committed_table_is_of_the_committed_document_and_shows_what_the_tree_brings():
    document = json.loads((RESULTS / "trees.json").read_text(encoding="utf-8"))
    assert (RESULTS / "trees.md").read_text(encoding="utf-8") == to_markdown(document)
    runs = document["runs"]
    assert all(run["tree"]["accuracy"] >= run["flat"]["accuracy"] for run in runs)
    gain = np.mean([run["tree"]["sure"]["share"] - run["flat"]["sure"]["share"] for run in runs])
    assert gain >= 0.10
