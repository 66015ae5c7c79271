"""Regression from files to answers, by every road: scores, several targets, weights, mistakes."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from commands import invoke
from one_layer_models import make

from textcnn.config import Config
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.evaluation.numbers import NUMBER_METRICS
from textcnn.labels import Target
from textcnn.prediction.artifact import load_artifact
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Silent
from textcnn.reading.rows import read_examples
from textcnn.runs import run_text, train_text

WORDS = {"awful": -2.0, "bad": -1.0, "weak": -0.5, "fair": 0.5, "good": 1.0, "great": 2.0}
FILLERS = ("the film", "a plot", "its cast", "this book", "my seat", "one ending")
SMALL = {"embedding_dim": 16, "num_filters": 16, "seed": 1, "threads": 1}


def rows_of(number, seed=0):
    """Texts of some words with weights, and the sum of the weights with a little noise, in units of 100 around 500."""
    random = np.random.default_rng(seed)
    texts, scores = [], []
    for _ in range(number):
        chosen = random.choice(list(WORDS), random.integers(1, 5))
        texts.append(" ".join(f"{random.choice(FILLERS)} {word}" for word in chosen))
        total = sum(WORDS[word] for word in chosen)
        scores.append(500 + 100 * total + random.normal(0, 10))
    return texts, np.array(scores)


def write(path, texts, **columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", *columns])
        writer.writerows(zip(texts, *columns.values(), strict=True))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    for name, size, seed in (("train", 900, 0), ("test", 300, 1)):
        texts, scores = rows_of(size, seed)
        write(folder / f"{name}.csv", texts, score=scores, half=scores / -2)
    return folder


@pytest.fixture(scope="module")
def trained(data):
    return train_text(data / "train.csv", {**SMALL, "regression": True}, Silent(), test=data / "test.csv")


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    return trained.predictor.save(tmp_path_factory.mktemp("model") / "model")


def test_a_sum_of_words_is_learned_and_measured(trained):
    scores = trained.summary["test"]
    assert {"n", *NUMBER_METRICS} == set(scores)
    assert scores["r2"] > 0.9
    assert scores["spearman"] > 0.9
    assert trained.summary["calibration"]["mae_after"] <= trained.summary["calibration"]["mae_before"] * 1.05


@pytest.mark.parametrize("how", [{}, {"precision": "int8"}, {"runtime": "torch"}], ids=str)
def test_every_runtime_gives_the_number_in_its_unit(folder, data, how):
    examples = read_examples(data / "test.csv", like=Predictor.load(folder).schema)
    found = np.array(Predictor.load(folder, **how).predict(examples.texts))
    truth = np.array([float(row[0]) for row in examples.labels])
    assert np.abs(found - truth).mean() < 60
    assert Predictor.load(folder, **how).predict(examples.texts[:1]) == pytest.approx(found[:1], rel=1e-6)
    usual = np.array(Predictor.load(folder).predict(examples.texts))
    np.testing.assert_allclose(found, usual, atol=2 if how.get("precision") else 1e-2)


def test_the_core_and_torch_learn_the_same(data, monkeypatch, trained):
    monkeypatch.setattr("textcnn.training.core_trainer._refusal", lambda *_: "it is compared")
    by_torch = train_text(data / "train.csv", {**SMALL, "regression": True}, Silent(), test=data / "test.csv")
    assert by_torch.summary["road"] == "torch"
    assert by_torch.summary["test"]["rmse"] == pytest.approx(trained.summary["test"]["rmse"], rel=0.2)


def test_reasons_add_up_to_the_score(folder):
    predictor = Predictor.load(folder)
    texts = ["the film great", "a plot awful this book bad", "", "zzz unseen words"]
    for text, why in zip(texts, predictor.explain(texts), strict=True):
        score = predictor.predict([text])[0]
        other = sum(term["contribution"] for term in why["other"])
        for entries in ("ngrams", "words"):
            total = why["bias"] + sum(entry["contribution"] for entry in why[entries]) + other
            assert total == pytest.approx(why["logit"], abs=1e-6)
        assert why["logit"] == pytest.approx(score, abs=1e-3)
        for term in why["other"]:
            assert sum(entry["contribution"] for entry in term["terms"]) == pytest.approx(
                term["contribution"], abs=1e-6
            )


@pytest.mark.parametrize(("mean", "std"), [(250_000.0, 1e5), (1e-6, 1e-7), (-3e8, 2.0)])
def test_a_number_of_any_size_is_the_same_by_every_runtime(tmp_path, mean, std):
    targets = (Target(mean, std, mean - std, mean + std), Target(0.5, 1e-6, 0.0, 1.0))
    folder = make(("price", "share"), targets=targets).save(tmp_path / "m")
    texts = ["a good film", "", "bad bad plot", "unseen words here"]
    found = np.array(Predictor.load(folder, runtime="look-up").predict(texts))
    scale = np.array([std, 1e-6])
    np.testing.assert_allclose(Predictor.load(folder, runtime="torch").predict(texts) / scale, found / scale, atol=1e-4)
    assert Predictor.load(folder, precision="int8").answer(texts).certified is None
    for text, numbers, both in zip(texts, found, Predictor.load(folder).explain(texts), strict=True):
        for number, one, size in zip(numbers, both, scale, strict=True):
            total = one["bias"] + sum(e["contribution"] for e in one["words"])
            total += sum(term["contribution"] for term in one["other"])
            assert total / size == pytest.approx(number / size, abs=1e-4, rel=1e-9), text


def test_several_targets_share_one_model(data, tmp_path):
    settings = {**SMALL, "regression": True, "label_column": ("score", "half")}
    run_ = train_text(data / "train.csv", settings, Silent(), test=data / "test.csv")
    assert run_.summary["test"]["per_target"].keys() == {"score", "half"}
    assert run_.summary["test"]["r2"] > 0.85
    predictor = Predictor.load(run_.predictor.save(tmp_path / "m"))
    (score, half), *_ = predictor.predict(["the film great", "a plot bad"])
    assert score > 600
    assert half == pytest.approx(score / -2, rel=0.15)
    found = predictor.explain(["the film great"])
    assert [one["label"] for one in found[0]] == ["score", "half"]


@pytest.mark.parametrize(
    "settings", [{"loss": "huber"}, {"calibrate": "none"}, {"pooling": "average"}, {"ensemble": 2}], ids=str
)
def test_other_settings_learn_too(data, settings):
    found = train_text(data / "train.csv", {**SMALL, "regression": True, **settings}, Silent(), test=data / "test.csv")
    assert found.summary["test"]["r2"] > 0.7
    if "calibrate" in settings:  # the mean of the branches
        assert found.summary["temperature"] == 2
        assert found.summary["calibration"] is None


def test_dev_rows_choose_the_epoch_and_the_weights(data):
    found = train_text(data / "train.csv", {**SMALL, "regression": True}, Silent(), dev=data / "test.csv")
    assert found.summary["calibration"]["kind"] == "dev"
    best = max(found.predictor.artifact.training["history"], key=lambda entry: entry["dev_r2"])
    assert best["epoch"] == found.summary["best_epoch"]


def test_row_weights_pull_the_answer(tmp_path):
    texts = ["the film"] * 400
    path = write(tmp_path / "t.csv", texts, score=[0, 10] * 200, w=[1, 9] * 200)
    settings = {**SMALL, "regression": True, "calibrate": "none", "epochs": 20}
    even = train_text(path, settings, Silent()).predictor.predict(["the film"])[0]
    heavy = train_text(path, {**settings, "weight_column": "w"}, Silent()).predictor.predict(["the film"])[0]
    assert even == pytest.approx(5, abs=0.7)
    assert heavy == pytest.approx(9, abs=0.7)


def test_a_model_goes_on_from_another(folder, data):
    start = load_artifact(folder)
    found = train_text(data / "train.csv", {"epochs": 1}, Silent(), start_from=start, test=data / "test.csv")
    assert found.predictor.labels == start.labels
    assert found.summary["test"]["r2"] > 0.8


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"rating": [1, 2.5], "score": ["good", "bad"]}, "rating"),
        ({"stars": [1, 2], "y": [3, 4]}, "stars"),
        ({"Value": [1, 2], "label": ["a", "b"]}, "Value"),
        ({"anything": [1, 2]}, "anything"),
    ],
)
def test_the_target_is_the_first_usual_column_with_numbers(tmp_path, columns, target):
    path = write(tmp_path / "t.csv", ["one", "two"], **columns)
    found = read_examples(path, Config.from_flat({"regression": True}).data)
    assert found.label_columns == (target,)
    assert found.labels == [(repr(float(value)),) for value in columns[target]]
    assert found.targets[0].mean == np.mean(columns[target])


@pytest.mark.parametrize("cell", ["good", "1,5", "nan", "inf", "1_000", "True x"])
def test_a_cell_that_is_no_number_is_one_line(tmp_path, cell):
    path = write(tmp_path / "t.csv", ["one", "two", "three"], label=[1, 2, cell])
    with pytest.raises(
        DataError, match=r"t.csv:4: expected a number in column 'label', found .*without it the cells are"
    ):
        read_examples(path, Config.from_flat({"regression": True, "label_column": "label"}).data)


def test_rows_without_a_number_are_left_out(tmp_path):
    path = write(tmp_path / "t.csv", ["one", "two", "three"], score=[1, "", 3])
    found = read_examples(path, Config.from_flat({"regression": True}).data)
    assert found.labels == [("1.0",), ("3.0",)]
    assert any("without a label" in notice for notice in found.notices)


def test_numbers_as_labels_propose_regression(tmp_path):
    random = np.random.default_rng(0)
    path = write(tmp_path / "t.csv", [f"text {n}" for n in range(400)], label=random.integers(0, 60, 400))
    assert any("--regression predicts them" in notice for notice in read_examples(path).notices)
    different = write(tmp_path / "u.csv", [f"text {n}" for n in range(400)], label=random.random(400))
    with pytest.raises(DataError, match="--regression predicts"):
        read_examples(different)
    with pytest.raises(DataError, match="expected a column with a usual name of a number"):
        read_examples(
            write(tmp_path / "v.csv", ["a"], one=["b"], two=["c"]), Config.from_flat({"regression": True}).data
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weight": "balanced"}, "class_weight is for labels, and regression predicts numbers; leave it out"),
        ({"focal_gamma": 2.0}, "focal_gamma is for labels"),
        ({"multi_label": True}, "multi_label is for labels"),
        ({"regression": False, "loss": "huber"}, "loss 'huber' is of regression, .*; add --regression"),
    ],
)
def test_settings_of_labels_are_refused(data, settings, message):
    with pytest.raises(ConfigError, match=message):
        train_text(data / "train.csv", {"regression": True, **settings}, Silent())


def test_a_model_of_labels_does_not_go_on_with_numbers_nor_the_reverse(folder, data, tmp_path):
    labelled = write(tmp_path / "l.csv", ["good film", "bad film"] * 10, label=["pos", "neg"] * 10)
    with pytest.raises(DataError, match="expected a number in column 'label', found 'pos'"):
        train_text(labelled, {"label_column": ("label",)}, Silent(), start_from=load_artifact(folder))
    start = run_text(labelled, Config.from_flat({**SMALL, "epochs": 1}), Silent()).predictor.artifact
    numbers = Config.from_flat({**SMALL, "regression": True})
    examples = read_examples(data / "test.csv", numbers.data)
    with pytest.raises(DataError, match="expected labels, as the model gives, found numbers"):
        run_text(examples, numbers, Silent(), start=start)


def test_what_is_for_labels_says_so(folder):
    predictor = Predictor.load(folder)
    for ask in (lambda: predictor.predict_proba(["a"]), lambda: predictor.none_of_these(["a"])):
        with pytest.raises(ConfigError, match=r"is for models of labels, and this one predicts numbers \(score\)"):
            ask()


def test_a_folder_from_before_numbers_is_read_as_it_was(tmp_path):
    rows = [("good film", "pos"), ("bad film", "neg")] * 10
    folder = train_text(rows, {**SMALL, "epochs": 1}, Silent()).predictor.save(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    for name in ("numbers", "grades"):
        del config["reading"]["labels"][name]
    expected = Predictor.load(folder).predict_proba(["good", "bad"])
    (folder / "config.json").write_text(json.dumps(config))
    predictor = Predictor.load(folder, runtime="look-up")
    assert np.array_equal(predictor.predict_proba(["good", "bad"]), expected)
    assert not predictor.schema.form.numbers
    config["reading"]["labels"]["other"] = True
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="damaged or written by something else: reading is"):
        Predictor.load(folder, runtime="look-up")


def test_the_commands(data, tmp_path):
    model = tmp_path / "m"
    small = ["--set", "embedding_dim=16", "--set", "num_filters=16", "--threads", "1", "--seed", "1"]
    result = invoke("train", data / "train.csv", "--regression", "-o", model, *small)
    assert "numbers from" in result.stderr
    config = json.loads((model / "config.json").read_text())
    assert config["problem_type"] == "regression"
    assert config["targets"][0].keys() == {"mean", "std", "low", "high"}
    rows = [
        json.loads(line)
        for line in invoke("classify", model, "the film great", "", "--coverage", "0.9").stdout.splitlines()
    ]
    assert rows[0].keys() == {"text", "score", "interval", "flags"}
    assert rows[0]["interval"][0] < rows[0]["score"] < rows[0]["interval"][1]
    assert rows[1]["flags"] == ["empty"]
    found = json.loads(invoke("evaluate", model, data / "test.csv", "--coverage", "0.8", "--json").stdout)
    assert {"n", "mae", "rmse", "r2", "pearson", "spearman", "intervals", "coverage"} == set(found)
    assert found["intervals"]["mae"][0] < found["mae"] < found["intervals"]["mae"][1]
    assert found["coverage"]["reached"] == pytest.approx(0.8, abs=0.1)
    assert "MAE" in invoke("evaluate", model, data / "test.csv").stdout
    assert "sum" in invoke("explain", model, "the film great").stdout
    out = tmp_path / "answers.csv"
    invoke("classify", model, "--input", data / "test.csv", "--output", out)
    with out.open() as file:
        answers = list(csv.DictReader(file))
    assert (
        np.corrcoef([float(row["score"]) for row in answers], [float(row["input_score"]) for row in answers])[0, 1]
        > 0.9
    )
    invoke("calibrate", model, data / "test.csv", "-o", tmp_path / "again")
    for option in (["--top-k", "2"], ["--threshold", "0.5"], ["--min-probability", "0.5"], ["--none-of-these", "0.9"]):
        with pytest.raises(ConfigError, match=r"regression|predicts numbers"):
            invoke("classify", model, "a text", *option)
