"""The commands and the Python of the README run as they stand, and print what it shows."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from page_reader import matches

from benchmarks import summary

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of a language, each with the text block that shows what it prints (empty where none follows)."""
    return re.findall(rf"^```{language}\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the README's reader, with a file of reviews."""
    place = tmp_path_factory.mktemp("reader")
    words = {"good": "what a wonderful film , great and warm", "bad": "never again , a dull and awful film"}
    rows = [f'"{text} number {i}",{label}\n' for i in range(20) for label, text in words.items()]
    (place / "reviews.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return place


def test_the_file_of_reviews_is_the_one_shown(folder):
    ((shown, _),) = blocks("csv")
    assert (folder / "reviews.csv").read_text(encoding="utf-8").startswith(shown)


def test_the_commands_run_and_print_what_is_shown(folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shown = blocks("bash")
    assert shown
    for block, output in shown:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        assert output
        assert matches(output, done.stdout), f"{block}\n{done.stdout}"
    with (folder / "labelled.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert [row["label"] for row in rows] == [row["input_label"] for row in rows]


def test_the_python_runs_and_prints_what_is_shown(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    shown = blocks("python")
    assert shown
    for block, output in shown:
        capsys.readouterr()
        exec(block, {})
        assert output
        assert capsys.readouterr().out == output


def test_the_readme_fits_two_screens():
    assert len(README.splitlines()) < 120


def test_the_first_screen_names_both_commands():
    first = README.split("##")[0]
    assert "make demo" in first
    assert "make test" in first


def test_links_lead_somewhere():
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", README) if not t.startswith("http")]
    assert [t for t in targets if not (ROOT / t).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "docs/benchmarks.md"])
def test_tables_are_those_of_the_committed_files(page):
    tables = re.findall(r"<!-- (docs/\S+\.md) -->\n(.*?)<!-- end -->", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert tables
    for source, shown in tables:
        assert shown.strip() == (ROOT / source).read_text(encoding="utf-8").strip(), f"paste {source} into {page}"


def test_the_table_of_results_is_made_from_the_documents(capsys):
    summary.main()
    assert capsys.readouterr().out == (ROOT / "docs/benchmarks/summary.md").read_text(encoding="utf-8")


def test_tables_are_made_from_the_json_beside_them():
    robustness = {
        **{"guards": "guards.tables", "faults": "faults.run", "rows": "faults.rows", "ray-rows": "faults.ray_rows"},
        **{"fuzz": "fuzzing.fuzz", "bombs": "fuzzing.bombs"},
    }
    makers = {  # otherwise the module of benchmarks/ that is named as the benchmark
        **{name: f"tools.robustness.{module}" for name, module in robustness.items()},
        **{name: f"benchmarks.{name}_table" for name in ("peers", "soak", "scale")},
        **dict.fromkeys(("train", "classify", "filter"), "benchmarks.train_result"),
        **{"speed": "textcnn.benchmark.tables", "accuracy": "textcnn.benchmark.pareto"},
        **{"fuzz-core": "tools.fuzz_core", "wheels": "tools.wheels"},
    }
    for source in sorted((ROOT / "docs/benchmarks").glob("*.json")):
        document = json.loads(source.read_text(encoding="utf-8"))
        name = document["benchmark"]
        made = import_module(makers.get(name, f"benchmarks.{name}")).to_markdown(document)
        assert source.with_suffix(".md").read_text(encoding="utf-8") == made, source.name
