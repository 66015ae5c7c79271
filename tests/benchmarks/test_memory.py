"""The peak of a big file is measured on whole processes, and the file is gone afterwards."""

from __future__ import annotations

import json

from one_layer_models import make
from typer.testing import CliRunner

from benchmarks.command import application
from benchmarks.memory import memory as memory_study


def test_the_command(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\na good film,pos\nbad,neg\n")
    model = make().save(tmp_path / "model")
    command = [str(model), str(tmp_path / "t.csv"), "--megabytes", "0.05"]
    files = [
        "--folder",
        str(tmp_path / "work"),
        "--output",
        str(tmp_path / "m.json"),
        "--table",
        str(tmp_path / "m.md"),
    ]
    found = CliRunner().invoke(application(memory_study), [*command, *files], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    document = json.loads((tmp_path / "m.json").read_text())
    assert [run["workers"] for run in document["runs"]] == [1, 2]
    assert all(20 < run["peak_mb"] < 5000 for run in document["runs"])
    assert all(max(run["peak_mb_by_quarter"]) == run["peak_mb"] for run in document["runs"])
    assert "| 1 | " in (tmp_path / "m.md").read_text()
    assert not list((tmp_path / "work").iterdir())
    assert str(tmp_path) not in (tmp_path / "m.json").read_text()
