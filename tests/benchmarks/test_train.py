"""The benchmark of training on small made-up rows: what it measures, keeps and shows."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace

import pytest

from benchmarks import steps
from benchmarks.editions import checkout
from benchmarks.fasttext_runs import Fasttext
from benchmarks.runner import parts, read_document, run
from benchmarks.train import TRAIN
from benchmarks.train_parts import PARTS, Plan
from benchmarks.train_result import Row, to_markdown
from textcnn.errors import ConfigError, DataError, MissingExtraError

WORDS = ("fine", "good", "bad", "poor")


@pytest.fixture
def plan(tmp_path):
    """The quick plan on a set of 64 rows; the checkout stands for the first edition, too."""
    (tmp_path / "data" / "trec").mkdir(parents=True)
    for split in ("train", "test"):
        with gzip.open(tmp_path / "data" / "trec" / f"{split}.csv.gz", "wt", newline="") as file:
            rows = [(f"a {WORDS[n % 4]} film\nnumber {n}", "a plus" if n % 4 < 2 else "minus") for n in range(64)]
            csv.writer(file).writerows([("text", "label"), *rows])
    (tmp_path / "work").mkdir()
    return Plan(tmp_path / "data", tmp_path / "work", checkout(), checkout, repetitions=1, quick=True)


def test_parts_are_chosen_by_their_letters():
    assert parts(TRAIN, "c, a") == ["c", "a"]
    with pytest.raises(ConfigError, match=r"--only must name some of a, b, .*, got z"):
        parts(TRAIN, "a,z")


def test_a_row_meets_what_it_must_reach():
    reached = Row("x", 1.5, 1.2, 2.0).to_dict()
    assert (reached["floor_met"], reached["aim_met"]) == (True, False)
    assert Row("x", 1.1, 1.2).reaches(1.2) is False
    assert Row("x", 0.3, 0.33, 0.2, less=True).reaches(0.33) is True
    assert Row("x", 0.3, 0.33, 0.2, less=True).reaches(0.2) is False
    assert Row("x", 9.0, 1.2, condition=False).reaches(1.2) is False
    assert Row("x", 9.0).reaches(None) is None


@pytest.mark.slow
def test_a_part_is_measured_and_the_others_stay(plan, tmp_path):
    output, table = tmp_path / "train.json", tmp_path / "train.md"
    machine = {"commit": "0" * 40, "cpu": "a processor", "cores": 2, "other_work": 0.0, "versions": {"numpy": "2"}}
    rows = [Row("an earlier figure", 3.0, 2.5, 2.0, less=True).to_dict()]
    earlier = {"title": "earlier", "date": "2000-01-01", "machine": machine, "repetitions": 3, "quick": False}
    parts = {"f": {**earlier, "rows": rows, "measured": {}}, "g": {}}
    output.write_text(json.dumps({"benchmark": "train", "format_version": 1, "parts": parts}))
    document = run(TRAIN, ["g"], plan, output, table)
    assert document == read_document(TRAIN, output)
    assert document["parts"]["f"] == parts["f"]
    (row,) = document["parts"]["g"]["rows"]
    assert row["floor"] == 0.95
    (runs,) = document["parts"]["g"]["measured"].values()
    assert row["value"] == runs["2"][0]["tokens_per_second"] / runs["1"][0]["tokens_per_second"]
    assert all(run["seconds"] > run["loop_seconds"] > 0 for (run,) in runs.values())
    assert table.read_text() == to_markdown(document)
    assert "| f | an earlier figure | 3.00 | at most 2.5 | at most 2 | no | |" in table.read_text().replace("  ", " ")
    assert "| g | loop, trec: two threads / one |" in table.read_text()


def test_a_document_of_something_else_is_not_touched(tmp_path):
    path = tmp_path / "train.json"
    path.write_text('{"benchmark": "speed", "format_version": 1, "parts": {}}')
    with pytest.raises(DataError, match="expected benchmark 'train' of format 1, found"):
        read_document(TRAIN, path)
    path.write_text("[]")
    with pytest.raises(DataError, match="expected what `python -m benchmarks"):
        read_document(TRAIN, path)


@pytest.mark.slow  # the first run of each compiles
def test_the_first_edition_is_compared_with(plan):
    part = PARTS["a"][1](replace(plan, first=lambda: replace(plan.ours, name="another")))
    (row,) = part.rows
    seconds = {name: found["seconds"]["median"] for name, found in part.measured["trec"].items()}
    assert row.value == seconds["checkout"] / seconds["another"]


@pytest.mark.slow
def test_what_calibration_costs_is_compared_too(plan):
    part = PARTS["i"][1](replace(plan, first=lambda: replace(plan.ours, name="another")))
    seconds = {name: found["median"] for name, found in part.measured["trec"].items()}
    assert [row.value for row in part.rows] == [
        seconds["default"] / seconds["calibrate none"],
        seconds["default"] / seconds["another"],
    ]


def test_rows_of_a_step_have_one_length(tmp_path):
    steps.write_rows(tmp_path / "rows.csv", 20, 45)
    ids, labels, types = steps.encode(tmp_path / "rows.csv")
    assert tuple(ids.shape) == (20, 45)
    assert types == len(ids.unique()) + 2
    assert set(labels.tolist()) == {0, 1}


@pytest.mark.parametrize("model", steps.PLAIN)
def test_a_plain_step_is_timed(model, tmp_path):
    steps.write_rows(tmp_path / "rows.csv", 20, 45)
    assert 0 < steps.time_plain(model, tmp_path / "rows.csv", 1, 2, 8) < 10


def test_fasttext_from_file_to_model(plan):
    try:
        peer = Fasttext(plan.rows("trec"), plan.folder)
    except MissingExtraError as err:
        pytest.skip(str(err))
    found = peer.train(epoch=25, lr=1.0)
    assert found["words"] == 64 * 5
    assert found["whole"] > found["seconds"] > 0
    assert peer.accuracy(plan.rows("trec", "test")) == 1
