"""`textcnn phrases`, `audit` and `classify --evidence`: what they print, write and refuse."""

from __future__ import annotations

import json
import re

import pytest
from commands import invoke
from typer.testing import CliRunner

import textcnn
from textcnn.errors import ArtifactError, ConfigError
from textcnn_cli.main import app

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 2, "threads": 1}
ROWS = [(f"a {'good' if k % 2 else 'bad'} film number {k}", "pos" if k % 2 else "neg") for k in range(24)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reasons")
    lines = "".join(f"{text},{label}\n" for text, label in ROWS)
    (folder / "train.csv").write_text("text,label\n" + lines)
    (folder / "test.csv").write_text("text,label\nA bad  film number 4,neg\nquite another,pos\n")
    train = ["train", str(folder / "train.csv"), "-o", str(folder / "model"), "--folds", "2", "--evidence"]
    sets = [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]
    assert CliRunner().invoke(app, [*train, *sets]).exit_code == 0
    textcnn.train(ROWS, output=folder / "other", seed=1, **TINY)
    return folder


@pytest.fixture
def call(place):
    def run(*args):
        return invoke(*(place / a if a in ("model", "other") else a for a in args))

    return run


def last_line(found):
    return json.loads(found.stdout.splitlines()[-1])


def test_a_phrase_book_as_tables_and_as_json(call):
    shown = call("phrases", "model", "--top", 3).stdout
    for title in ("neg: n-grams of the filters", "pos: words of the mean", "pos: n-grams of the wide branch"):
        assert title in shown
    told = last_line(call("phrases", "model", "--label", "pos", "--top", 2, "--json"))
    assert [page["label"] for page in told["labels"]] == ["pos"]
    page = told["labels"][0]
    assert all(set(page[name]) == {"for", "against"} for name in ("filters", "mean", "wide"))
    assert len(page["wide"]["for"]) == 2
    assert page["wide"]["for"][0]["contribution"] > 0 > page["wide"]["against"][0]["contribution"]


def test_phrases_seen_in_data(call, place):
    told = last_line(call("phrases", "model", "--data", place / "train.csv", "--json"))
    assert told["rows"] == 24
    found = [phrase for page in told["labels"] for side in ("for", "against") for phrase in page[side]]
    assert found
    assert all(phrase["support"] >= 2 for phrase in found)
    shown = call("phrases", "model", "--data", place / "train.csv", "--label", "pos").stdout
    assert "for pos" in shown


def test_two_models_side_by_side(call):
    told = last_line(call("phrases", "model", "other", "--json"))
    assert {page["label"] for page in told["labels"]} == {"neg", "pos"}
    assert "first" in call("phrases", "model", "other").stdout


def test_a_blinded_model_is_written_and_answers_alike(call, place, tmp_path):
    (tmp_path / "words.txt").write_text("good\nbad\n")
    written = call(
        "phrases", "model", "--blind", tmp_path / "words.txt", "--veto", "film number", "-o", tmp_path / "m", "--json"
    )
    assert last_line(written)["blinded"] == ["bad", "film number", "good"]
    found = call("classify", tmp_path / "m", "a good film", "a bad film").stdout.splitlines()
    one, other = (json.loads(line) for line in found)
    assert one["probability"] == other["probability"]
    shown = call("phrases", tmp_path / "m").stdout
    assert not re.search(r"\b(good|bad)\b", shown)


def test_options_of_phrases_that_do_not_go_together(call, place, tmp_path):
    with pytest.raises(ConfigError, match="leave out OTHER and --data"):
        call("phrases", "model", "other", "--veto", "a film", "-o", tmp_path / "m")
    with pytest.raises(ConfigError, match="--output FOLDER go together"):
        call("phrases", "model", "--veto", "a film")
    with pytest.raises(ConfigError, match="--output FOLDER go together"):
        call("phrases", "model", "-o", tmp_path / "m")
    with pytest.raises(ConfigError, match="two models are compared without data"):
        call("phrases", "model", "other", "--data", place / "train.csv")


def test_an_audit_as_tables_as_json_and_as_a_file(call, place, tmp_path):
    found = call("audit", "model", place / "train.csv", "--test", place / "test.csv", "--output", tmp_path / "r.jsonl")
    assert "suspected label errors" in found.stdout
    assert "test texts that are in the data, or nearly: 1 of 2" in found.stdout
    ranked = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert sorted(row["row"] for row in ranked) == list(range(24))
    assert [row["probability"] for row in ranked] == sorted(row["probability"] for row in ranked)
    assert all(row["text"] == ROWS[row["row"]][0] and row["given"] == ROWS[row["row"]][1] for row in ranked)
    told = last_line(call("audit", "model", place / "train.csv", "--test", place / "test.csv", "--json"))
    assert told["label_errors"]["ranked"]
    assert told["near_duplicates"]["top"][0]["row"] == 4
    assert told["rows"] == 24


def test_an_audit_without_folds_says_so(call, place, tmp_path):
    found = call("audit", "other", place / "train.csv")
    assert "trained without --folds K" in found.stderr
    with pytest.raises(ConfigError, match=re.escape("--output lists the rows by how probable their labels are, but")):
        call("audit", "other", place / "train.csv", "--output", tmp_path / "r.jsonl")


def test_answers_with_evidence_and_without(call):
    asked = ["a good film number 3", "zig zag"]
    found = [json.loads(line) for line in call("classify", "model", *asked, "--evidence").stdout.splitlines()]
    assert found[0]["evidence"]["share"] > 0
    assert [row["flags"] for row in found] == [[], ["no_evidence"]]
    found = [json.loads(line) for line in call("classify", "model", *asked, "--abstain-label", "?").stdout.splitlines()]
    assert found[0]["label"] in ("neg", "pos")
    assert found[1]["label"] == "?"
    assert found[1]["label_without_evidence"] in ("neg", "pos")
    with pytest.raises(ArtifactError, match=re.escape("expected evidence.safetensors in")):
        call("classify", "other", "a film", "--evidence")
