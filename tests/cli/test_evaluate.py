"""`textcnn evaluate`: the metrics of a model, as a table and as JSON."""

import json

import pytest
import torch
from commands import invoke

import textcnn
from textcnn.errors import ArtifactError, DataError

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 1, "threads": 1}
ODD = ("[/x]", "[bold]:smile:")  # rich would take these for markup


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder, threads = tmp_path_factory.mktemp("models"), torch.get_num_threads()
    textcnn.train([("good", ODD[0]), ("bad", ODD[1])] * 16, output=folder / "single", max_length=4, **TINY)
    rows = [("good film", ["glad", "film"]), ("bad film", ["film"]), ("good", ["glad"]), ("bad", [])] * 4
    textcnn.train(rows, dev=rows, output=folder / "multi", **TINY)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def evaluate(models, tmp_path):
    def run(content, *args, model="single", name="data.csv"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return invoke("evaluate", models / model, path, *args)

    return run


def test_json_has_these_keys(evaluate, models):
    found = evaluate(f"text,label\ngood,{ODD[0]}\nbad,{ODD[0]}\n", "--json")
    scores = json.loads(found.stdout, parse_constant=pytest.fail)
    assert list(scores) == ["n", "accuracy", "macro_f1", "micro_f1", "ece", "per_label", "answered"]
    assert scores["n"] == 2
    for entry in scores["per_label"].values():
        assert list(entry) == ["precision", "recall", "f1", "support"]
    right = textcnn.load(models / "single").predict(["good", "bad"])
    assert scores["accuracy"] == right.count(ODD[0]) / 2


def test_a_table_shows_every_label_as_it_is(evaluate):
    found = evaluate(f"text,label\ngood,{ODD[0]}\nbad,{ODD[1]}\n")
    assert found.stdout.startswith("accuracy ")
    for label in ODD:
        assert label in found.stdout
    assert "read 2 rows: text='text', label='label', 2 labels" in found.stderr


def test_labels_unseen_in_training_are_told_and_count_as_wrong(evaluate):
    found = evaluate("text,label\ngood,new\n", "--json")
    assert "warning: labels unseen in training count as wrong: 'new'" in found.stderr
    scores = json.loads(found.stdout)
    assert scores["accuracy"] == 0
    assert scores["per_label"]["new"]["support"] == 1


def test_rows_without_a_label_are_not_scored_and_counted(evaluate):
    found = evaluate(f"text,label\ngood,{ODD[0]}\nbad,\n", "--json")
    assert json.loads(found.stdout)["n"] == 1
    assert "note: 1 row without a label was dropped" in found.stderr


def test_texts_that_are_cut_are_counted(evaluate):
    found = evaluate(f"text,label\na b c d e,{ODD[0]}\na b c d,{ODD[0]}\n", "--json")
    assert "note: 1 of 2 texts are cut after 4 tokens" in found.stderr


def test_a_multi_label_model_reads_several_labels_a_row(evaluate):
    found = evaluate("text,label\ngood film,glad|film\nbad film,film\n", "--json", model="multi")
    scores = json.loads(found.stdout)
    assert {name: entry["support"] for name, entry in scores["per_label"].items()} == {"film": 2, "glad": 1}
    other = evaluate(
        "text,label\ngood film,glad+film\nbad film,film\n", "--json", "--label-separator", "+", model="multi"
    )
    assert json.loads(other.stdout) == scores
    columns = ["--label-column", "film", "--label-column", "glad", "--json"]
    table = evaluate("text,film,glad\ngood film,1,1\nbad film,1,0\n", *columns, model="multi")
    assert json.loads(table.stdout) == scores


def test_options_of_reading(evaluate):
    found = evaluate(f"a;b\ngood;{ODD[0]}\n", "--text-column", "a", "--label-column", "b", "--json")
    assert json.loads(found.stdout)["n"] == 1
    with pytest.raises(DataError, match="expected a column 'c'"):
        evaluate("a,b\ngood,x\n", "--text-column", "c")
    with pytest.raises(DataError, match="expected rows with a label, found none in 1 row"):
        evaluate("text,label\ngood,\n")


def test_texts_unlike_those_of_training_are_told(evaluate, models):
    own = "".join(f"{text},{label}\n" for text, label in zip(("good", "bad"), ODD, strict=True))
    assert "warning" not in evaluate("text,label\n" + own * 100).stderr
    found = evaluate("text,label\n" + f"good unheard words,{ODD[0]}\n" * 1000, "--json")
    assert "warning: 66.7% of the words are unknown, 0.0% were to be expected" in found.stderr
    assert f"warning: the mix of labels has moved since training, by 50.0%: '{ODD[0]}' 50.0% -> 100.0%" in found.stderr
    assert json.loads(found.stdout)["n"] == 1000


def test_no_model(evaluate):
    with pytest.raises(ArtifactError, match=r"expected a model folder at '.*nowhere', found none"):
        evaluate("text,label\ngood,x\n", model="nowhere")
