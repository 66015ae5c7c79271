"""`documents map` in several processes and `documents reduce`: what classify says of the whole texts."""

from __future__ import annotations

import csv
import json
import random

import pytest
from typer.testing import CliRunner

import textcnn
from textcnn.errors import DataError
from textcnn_cli.main import app

TEXTS = {
    "first": [f"a good film number {n} and so on" for n in range(9)],
    "second": ["bad", "", "very bad indeed , a waste of film"],
    "third": ["good"],
}


def run(*arguments):
    found = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pure") / "model"
    rows = [(f"{word} film {n}", label) for n in range(12) for word, label in (("good", "pos"), ("bad", "neg"))]
    textcnn.train(rows, preset="pure", embedding_dim=8, num_filters=4, epochs=2).save(folder)
    return folder


def test_shards_in_any_order_are_the_whole_texts(model, tmp_path):
    parts = [(name, number, text) for name, rows in TEXTS.items() for number, text in enumerate(rows)]
    random.Random(3).shuffle(parts)
    for shard in range(3):
        with (tmp_path / f"{shard}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["document", "part", "text"])
            writer.writerows(parts[shard::3])
        said = run("documents", "map", model, tmp_path / f"{shard}.csv", "-o", tmp_path / f"{shard}.state")
        assert f"read {len(parts[shard::3])} parts of" in said.stderr
    run("documents", "reduce", model, tmp_path / "2.state", tmp_path / "0.state", "-o", tmp_path / "some.state")
    found = run("documents", "reduce", model, tmp_path / "some.state", tmp_path / "1.state", "--top-k", "2")
    assert "joined 2 states of 3 documents" in found.stderr
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    expected = run("classify", model, *(" ".join(rows) for rows in TEXTS.values()), "--top-k", "2")
    for (name, rows), answer, line in zip(TEXTS.items(), answers, expected.stdout.splitlines(), strict=True):
        whole = json.loads(line)
        del whole["text"]
        assert answer == {"document": name, "parts": len(rows), **whole}
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,,good", r"p\.csv:2: expected a document's name and a number, found none in 'part'"),
        ("a,two,good", r"p\.csv:2: expected a whole number from 0 in column 'part', found 'two'"),
        ("a,-1,good", r"p\.csv:2: expected a whole number from 0 in column 'part', found '-1'"),
    ],
)
def test_rows_that_are_no_parts(model, tmp_path, row, message):
    (tmp_path / "p.csv").write_text(f"document,part,text\n{row}\n")
    with pytest.raises(DataError, match=message):
        run("documents", "map", model, tmp_path / "p.csv", "-o", tmp_path / "p.state")
    assert not (tmp_path / "p.state").exists()


def test_states_that_are_not_there_or_cannot_be_written(model, tmp_path):
    with pytest.raises(DataError, match=r"none\.state: cannot read a state: No such file"):
        run("documents", "reduce", model, tmp_path / "none.state")
    (tmp_path / "p.csv").write_text("document,part,text\na,1,good\n")
    with pytest.raises(DataError, match=r"p\.state: cannot write a state: No such file"):
        run("documents", "map", model, tmp_path / "p.csv", "-o", tmp_path / "no" / "p.state")
