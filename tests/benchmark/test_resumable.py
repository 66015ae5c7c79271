"""Long measurements in pieces: what is kept, what is refused."""

from __future__ import annotations

import json

import pytest

from textcnn.benchmark.document import FinishedRuns
from textcnn.errors import DataError


def test_a_second_start_does_not_measure_again(tmp_path):
    output, measured = tmp_path / "a.json", []

    def measure(value):
        measured.append(value)
        return {"value": value}

    first = FinishedRuns(output, {"seeds": (1, 2)})
    assert first.run("one", measure, 1) == {"value": 1}
    second = FinishedRuns(output, {"seeds": (1, 2)})
    assert [second.run("one", measure, 7), second.run("two", measure, 2)] == [{"value": 1}, {"value": 2}]
    assert measured == [1, 2]
    second.write({"done": True})
    assert json.loads(output.read_text()) == {"done": True}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert FinishedRuns(output, {"seeds": (1, 2)}).run("one", measure, 3) == {"value": 3}


def test_without_an_output_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = FinishedRuns(None, {})
    assert runs.run("one", lambda: 1) == runs.run("one", lambda: 2) == 1
    runs.write({})
    assert not list(tmp_path.iterdir())


def test_runs_of_other_settings_are_refused(tmp_path):
    FinishedRuns(tmp_path / "a.json", {"epochs": 1}).run("one", lambda: 1)
    with pytest.raises(DataError, match=r"a\.json\.partial: expected finished runs of these settings, found those of"):
        FinishedRuns(tmp_path / "a.json", {"epochs": 2})


@pytest.mark.parametrize("content", ["{", "[]", '{"runs": {}}', '{"settings": {}, "runs": 3}'])
def test_a_damaged_file_is_told(tmp_path, content):
    (tmp_path / "a.json.partial").write_text(content, encoding="utf-8")
    with pytest.raises(
        DataError, match=r"a\.json\.partial: expected the finished runs of this benchmark, found .*; remove"
    ):
        FinishedRuns(tmp_path / "a.json", {})
