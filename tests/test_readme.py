"""The README is a promise: its commands and its Python run as they stand."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the README's reader stands: beside a file of reviews."""
    place = tmp_path_factory.mktemp("reader")
    words = {"good": "what a wonderful film , great and warm", "bad": "never again , a dull and awful film"}
    with (place / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([[f"{text} number {i}", label] for i in range(20) for label, text in words.items()])
    return place


def test_the_commands_run(folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks("bash"):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
    with (folder / "labelled.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert {row["label"] for row in rows} <= {"good", "bad"}


def test_the_python_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    scope: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, scope)
    assert scope["predictor"].classes_ == ["bad", "good"]  # type: ignore[attr-defined]


def test_the_first_screen_names_both_commands():
    first = README.split("##")[0]
    assert "make demo" in first
    assert "make test" in first


def test_links_lead_somewhere():
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", README) if not t.startswith("http")]
    assert [t for t in targets if not (ROOT / t).exists()] == []


def test_figures_are_those_of_the_committed_files():
    tables = re.findall(r"<!-- (docs/\S+\.md) -->\n(.*?)<!-- end -->", README, re.DOTALL)
    assert len(tables) == 4
    for source, shown in tables:
        assert shown.strip() == (ROOT / source).read_text(encoding="utf-8").strip(), f"paste {source} into the README"


def test_tables_are_made_from_the_json_beside_them():
    import json
    from importlib import import_module

    robustness = {
        **{"guards": "guards.tables", "faults": "faults.run", "rows": "faults.rows", "ray-rows": "faults.ray_rows"},
        **{"fuzz": "fuzzing.fuzz", "bombs": "fuzzing.bombs"},
    }
    makers = {  # otherwise the module of benchmarks/ that is named as the benchmark
        **{name: f"tools.robustness.{module}" for name, module in robustness.items()},
        **{name: f"benchmarks.{name}_table" for name in ("peers", "soak", "scale")},
        **dict.fromkeys(("train", "classify"), "benchmarks.train_result"),
        **{"speed": "textcnn.benchmark.tables", "accuracy": "textcnn.benchmark.pareto"},
        **{"fuzz-core": "tools.fuzz_core", "wheels": "tools.wheels"},
    }
    for source in sorted((ROOT / "docs/benchmarks").glob("*.json")):
        document = json.loads(source.read_text(encoding="utf-8"))
        name = document["benchmark"]
        made = import_module(makers.get(name, f"benchmarks.{name}")).to_markdown(document)
        assert source.with_suffix(".md").read_text(encoding="utf-8") == made, source.name
