"""The scripts that do harm count what is lost; they themselves are run by `make faults`."""

from __future__ import annotations

import csv
import json

import pytest

from tools.robustness.faults import rows, run
from tools.robustness.faults.rig import Loss


class NoRig:
    num_texts = 3

    def __init__(self, folder, seed):
        self.seed = seed


def spare(rig, place):
    (place / "file").write_text("left behind")


def lose(rig, place):
    raise Loss("a row is gone")


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.setattr(run, "Rig", NoRig)
    monkeypatch.setattr(run, "FAULTS", {"training: spared": spare, "classifying: lost": lose})


def test_what_is_lost_is_counted_and_is_exit_1(faults, monkeypatch, tmp_path, capsys):
    output = tmp_path / "faults.json"
    monkeypatch.setattr("sys.argv", ["run", "--rounds", "5", "--output", str(output)])
    assert run.main() == 1
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["faults"] == {
        "training: spared": {"rounds": 3, "lost": 0},
        "classifying: lost": {"rounds": 2, "lost": 2},
    }
    assert document["lost"][0] == "round 1, classifying: lost: a row is gone"
    assert output.with_suffix(".md").read_text(encoding="utf-8") in capsys.readouterr().out


def test_nothing_lost_is_exit_0(faults, monkeypatch):
    monkeypatch.setattr("sys.argv", ["run", "--rounds", "2", "--only", "spared"])
    assert run.main() == 0


def test_every_part_of_the_product_is_harmed():
    assert {name.partition(":")[0] for name in run.FAULTS} == {"training", "classifying", "serving"}
    assert len(run.FAULTS) == 14


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (lambda lines: lines, {"rows_out": 100, "equal": 100, "labelled": 100}),
        (lambda lines: lines[:50] + lines[51:], {"rows_out": 99, "equal": 50, "labelled": 99}),
        (lambda lines: [*lines, lines[-1]], {"rows_out": 101, "equal": 100, "labelled": 101}),
        (lambda lines: [[*lines[0][:2], ""], *lines[1:]], {"rows_out": 100, "equal": 100, "labelled": 99}),
    ],
)
def test_rows_that_are_gone_twice_or_unlabelled_are_seen(harm, expected, tmp_path):
    answered = [[number, text, "pos"] for number, text in enumerate(rows.texts(100))]
    with (tmp_path / "out.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["number", "text", "label"], *harm(answered)])
    assert rows.compare(tmp_path / "out.csv", 100) == expected
