"""The study of very many labels: WordNet's file to rows, their split, and the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.hypernyms import (
    RUNS,
    TOP,
    WORDNET,
    accuracies,
    glosses,
    read_rows,
    run_centroids,
    to_markdown,
    write_set,
)
from textcnn.errors import DataError

NOUNS = """  1 This software and database is being provided to you, the LICENSEE.
00000001 03 n 01 entity 0 001 ~ 00000002 n 0000 | that which is perceived
00000002 03 n 02 thing 0 object 1 002 @ 00000001 n 0000 ~ 00000003 n 0000 | a separate entity; "it was a thing"
00000003 03 n 01 tool 0 002 #p 00000001 n 0000 @ 00000002 n 0000 | an implement; used in work
00000004 03 n 01 Rome 0 001 @i 00000002 n 0000 | a city
"""


def test_a_gloss_has_the_first_hypernym_and_no_examples(tmp_path):
    (tmp_path / "data.noun").write_text(NOUNS, encoding="utf-8")
    assert glosses(tmp_path) == [
        ("a separate entity", "entity.00000001"),
        ("an implement; used in work", "thing.00000002"),
    ]
    with pytest.raises(DataError, match="wordnet-base"):
        glosses(tmp_path / "nowhere")


def test_sets_hold_out_a_tenth_and_no_label_of_one_row(tmp_path):
    rows = [(f"gloss {row} of {label}", f"l{label}") for label in range(30) for row in range(label % 3 + 1)]
    assert write_set(rows, tmp_path, 1, None) == {"labels": 30, "train": 54, "test": 6}
    test = {label for _, label in read_rows(tmp_path / "test.csv")}
    assert not test & {f"l{label}" for label in range(0, 30, 3)}
    assert write_set(rows, tmp_path, 2, 5)["labels"] == 5


def test_centroids_find_the_label_of_a_word(tmp_path):
    rows = [(f"common key{label} {word}", f"l{label}") for label in range(20) for word in ("a1", "b2", "c3")]
    write_set(rows, tmp_path, 1, None)
    assert run_centroids(tmp_path)["accuracy_1"] == 1
    assert accuracies([["x", "y"], ["y", "x"]], [("", "x"), ("", "x")]) == {"accuracy_1": 0.5, f"accuracy_{TOP}": 1.0}


def test_the_table_has_a_line_for_each_contestant():
    run = {"accuracy_1": 0.4, f"accuracy_{TOP}": 0.6, "seconds": 2.0, "train_seconds": 1.0}
    own = {**run, "peak_mb": 900.0, "rows_per_second": 8_000.0}
    sets = [{"rows": {"labels": 7, "train": 9, "test": 1}, "ours": own, "fasttext": run, "centroids": run}]
    table = to_markdown({"sets": sets, "machine": {"cpus": 2}})
    assert all(name in table for name in RUNS.values())
    assert "| 7 | 9 | 1 | textcnn | 40.0 | 60.0 | 1.0 | 2.0 | 900 | 8,000 |" in table


def test_wordnet_has_the_labels_that_the_documents_tell():
    if not Path(WORDNET, "data.noun").is_file():
        pytest.skip("wordnet-base is not installed")
    rows = glosses(Path(WORDNET))
    assert (len(rows), len({label for _, label in rows})) == (74_389, 16_470)
