"""The study of predicted ratings at tiny size."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scores import RIDGE, SETS, folds_of, run_scores, to_markdown
from textcnn.errors import DataError
from textcnn.progress import Silent

TINY = {"embedding_dim": 8, "num_filters": 8, "epochs": 3, "threads": 1}
STARS = {"great": 2.0, "good": 1.0, "fair": 0.0, "bad": -1.5}
RESULTS = Path(__file__).parents[2] / "docs" / "benchmarks" / "scores.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sets")
    (place / "some").mkdir()
    for name, size in (("train", 24), ("test", 6)):
        with (place / "some" / f"{name}.csv").open("w", newline="") as file:
            rows = [(f"a {word} film {name} {n}", "label", stars) for n in range(size) for word, stars in STARS.items()]
            csv.writer(file).writerows([("text", "label", "rating"), *rows])
    return place


def test_every_model_predicts_every_fold_and_the_table_says_how_well(folder, tmp_path):
    document = run_scores(folder, Silent(), sets=["some"], settings=TINY, output=tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text()) == document
    found = document["sets"]["some"]
    assert [one["model"] for one in found["results"]] == ["textcnn", *RIDGE]
    assert all(sum(run["n"] for run in one["runs"]) == found["rows"] == 120 for one in found["results"])
    assert found["results"][1]["mean"]["spearman"] > 0.9  # words decide
    assert "Against the best of the others: Spearman better by" in to_markdown(document)


def test_equal_texts_are_in_one_fold_and_folds_are_alike():
    texts = [f"text {n % 50}" for n in range(100)]
    fold = folds_of(texts)
    assert (fold[:50] == fold[50:]).all()
    assert set(np.bincount(fold)) == {20}


def test_a_set_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"expected train.csv, as `textcnn data get some` writes it, found none"):
        run_scores(tmp_path, Silent(), sets=["some"])


def test_the_committed_document_has_both_sets_and_is_better_on_both():
    document = json.loads(RESULTS.read_text())
    for name in SETS:
        ours, *others = document["sets"][name]["results"]
        assert ours["mean"]["spearman"] > max(one["mean"]["spearman"] for one in others)
        assert ours["mean"]["mae"] < min(one["mean"]["mae"] for one in others)
