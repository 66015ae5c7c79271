"""Reporters as callbacks: the examples of docs/callbacks.md run as they stand."""

import re
from pathlib import Path

import pytest

from textcnn.progress import Silent, StopTraining, Together

PAGE = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text(encoding="utf-8")


def test_the_examples_do_what_they_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)
    enough, history = names["enough"], names["model"].artifact.training
    assert 1 <= enough.epochs < 8
    assert (history["stopped"], len(history["history"])) == ("stopped", enough.epochs)
    assert f"stopped after {enough.epochs} of 8" in capsys.readouterr().out
    rows = Path("history.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == [str(n) for n in range(1, 9)]
    assert len(Path("short.csv").read_text().splitlines()) == 8


class Noted(Silent):
    def __init__(self, notes, stops=False):
        self.notes, self.stops = notes, stops

    def step(self, epoch, loss, tokens_per_second):
        self.notes.append(epoch)
        if self.stops:
            raise StopTraining


def test_all_are_told_before_one_of_them_stops_training():
    notes = []
    with pytest.raises(StopTraining):
        Together(Noted(notes, stops=True), Noted(notes)).step(3, 0.5, 1.0)
    assert notes == [3, 3]
