"""The benchmark of reasons, small: models of some real questions, nothing may be wrong; and its committed figures."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import textcnn
from benchmarks.command import application
from benchmarks.reasons import reasons as reasons_study
from benchmarks.reasons import to_markdown
from textcnn.reading.rows import read_examples
from textcnn_cli import console

DATA = os.environ.get("TEXTCNN_DATA")
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "benchmarks" / "reasons.json"


@pytest.fixture(autouse=True)
def as_before():
    yield
    console.set_level(0)


def check(document):
    for kinds in document["sets"].values():
        for kind in ("default", "pure"):
            part = kinds[kind]
            assert part["sums"]["largest_residual"] <= 1e-9
            assert part["sums"]["largest_difference_to_classify"] <= 1e-5
            wrong = [part[name]["mismatches"] for name in ("deletion", "replacement", "smallest")]
            assert [*wrong, part.get("sufficient", {"mismatches": 0})["mismatches"]] == [0, 0, 0, 0]
        assert "sufficient" in kinds["pure"]


@pytest.mark.skipif(DATA is None, reason="TEXTCNN_DATA names no folder of data sets")
@pytest.mark.parametrize("name", ["trec", "goemotions"])
def test_nothing_is_wrong_on_some_real_texts(name, tmp_path):
    examples = read_examples(str(Path(DATA) / name / "train.csv.gz"))
    some = examples.subset(list(range(0, 600)))
    rows = list(zip(some.texts, some.labels, strict=True))
    if not examples.multi_label:
        rows = [(text, labels[0]) for text, labels in rows]
    settings = {"epochs": 1, "num_filters": 16, "embedding_dim": 16, "threads": 1, "dev_fraction": 0.1}
    for preset in ("default", "pure"):
        textcnn.train(rows, preset=preset, output=tmp_path / f"{name}-{preset}", **settings)
    arguments = [DATA, str(tmp_path), "--sets", name, "--texts", "12", "--speed", "none"]
    found = CliRunner().invoke(
        application(reasons_study), [*arguments, "--output", str(tmp_path / "out.json")], catch_exceptions=False
    )
    assert found.exit_code == 0, found.output
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    check(document)
    assert f"| {name}, pure | 12 |" in found.output
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.skipif(not DOCUMENT.exists(), reason="`make reasons` has not been run")
def test_the_committed_figures_have_nothing_wrong_and_are_those_of_the_table():
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    check(document)
    assert DOCUMENT.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(document)
