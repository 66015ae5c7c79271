"""Ordered grades: probabilities from one score, their fit, metrics, and a model of them by every command."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from textcnn.config import Config
from textcnn.errors import ConfigError, DataError
from textcnn.grades import Grades, grade_scores
from textcnn.labels import Labels, Target
from textcnn.models.base import Branches
from textcnn.prediction.predictor import Predictor
from textcnn.progress import Silent
from textcnn.reading.rows import read_examples
from textcnn.runs import train_text
from textcnn.training.losses import BranchLoss

SMALL = {"embedding_dim": 16, "num_filters": 16, "seed": 1, "threads": 1}
WORDS = {"awful": -2, "bad": -1, "fair": 0, "good": 1, "great": 2}


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.integers(2, 7))
def test_probabilities_sum_to_1_and_higher_scores_never_make_lower_grades(scores, count):
    grades = Grades.of([str(number) for number in range(count)])
    found = grades.probabilities(np.sort(np.array(scores)))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    assert (np.diff(found.argmax(axis=1)) >= 0).all()
    above = 1 - np.cumsum(found, axis=1)
    assert (np.diff(above, axis=0) >= -1e-12).all()  # stochastically larger


def test_a_fit_finds_the_slope_and_the_cuts_that_made_the_grades():
    random = np.random.default_rng(0)
    true = Grades(("1", "2", "3"), (1.0, 2.0, 3.0), 3.0, (1.2, 2.6))
    scores = random.uniform(0, 4, 20_000)
    truth = (random.random((len(scores), 1)) > np.cumsum(true.probabilities(scores), axis=1)[:, :-1]).sum(axis=1)
    found = Grades.of(["1,2,3"]).fitted(scores, truth)
    assert found.slope == pytest.approx(3, rel=0.05)
    assert found.cuts == pytest.approx(true.cuts, abs=0.03)


def test_a_grade_without_a_row_keeps_its_place():
    found = Grades.of(["1", "2", "3"]).fitted(np.array([1.0, 3.0] * 50), np.array([0, 2] * 50))
    assert 1 < found.cuts[0] < found.cuts[1] < 3
    assert np.isfinite(found.probabilities(np.array([1.0, 2.0, 3.0]))).all()


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30))
def test_kappa_is_that_of_scikit_learn(pairs):
    truth, found = map(np.array, zip(*pairs, strict=True))
    scores = grade_scores(truth, found, 5)
    assert scores["accuracy"] == pytest.approx((truth == found).mean())
    assert scores["within_one_accuracy"] == pytest.approx((abs(truth - found) <= 1).mean())
    if len({*truth, *found}) > 1:
        expected = cohen_kappa_score(truth, found, labels=range(5), weights="quadratic")
        assert scores["quadratic_kappa"] == pytest.approx(expected)


@pytest.mark.parametrize("names", [["1"], ["1,1"], ["3,2,1"], ["1", ""]])
def test_grades_that_are_no_scale_are_refused(names):
    with pytest.raises(ConfigError, match="ordinal must be"):
        Grades.of(names)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grades")
    for name, size, seed in (("train", 900, 0), ("test", 300, 1)):
        random = np.random.default_rng(seed)
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            for _ in range(size):
                chosen = random.choice(list(WORDS), 3)
                mean = np.mean([WORDS[word] for word in chosen]) * 1.5 + random.normal(0, 0.3)
                rows.writerow([" ".join(f"a {word} film" for word in chosen), int(np.clip(round(mean), -2, 2)) + 3])
    return folder


def test_a_model_of_grades_by_the_commands(data, tmp_path):
    model = tmp_path / "m"
    small = ["--set", "embedding_dim=16", "--set", "num_filters=16", "--threads", "1", "--seed", "1"]
    invoke("train", data / "train.csv", "--ordinal", "1,2,3,4,5", "-o", model, "--test", data / "test.csv", *small)
    assert "| test | 300 |" in (model / "README.md").read_text()
    found = json.loads(invoke("evaluate", model, data / "test.csv", "--json").stdout)
    assert found["accuracy"] > 0.6
    assert found["within_one_accuracy"] > 0.95
    assert found["quadratic_kappa"] > 0.8
    row = json.loads(invoke("classify", model, "a great film a great film a good film").stdout)
    assert list(row) == ["text", "label", "probability", "score", "probabilities", "flags"]
    assert row["label"] in ("4", "5")
    assert row["probabilities"][row["label"]] == row["probability"] == max(row["probabilities"].values())
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    predictor = Predictor.load(model)
    assert predictor.classes_ == ["1", "2", "3", "4", "5"]
    examples = read_examples(data / "test.csv", like=predictor.schema)
    probs = predictor.predict_proba(examples.texts)
    assert [predictor.classes_[k] for k in probs.argmax(axis=1)] == predictor.predict(examples.texts)
    truth = np.array([int(float(name)) - 1 for (name,) in examples.labels])
    assert probs[np.arange(len(truth)), truth].mean() > 0.5
    (why,) = predictor.explain(["a great film"])
    total = why["bias"] + sum(e["contribution"] for e in why["words"]) + sum(t["contribution"] for t in why["other"])
    assert total == pytest.approx(why["logit"])


def test_words_are_grades_by_their_place(data, tmp_path):
    rows = [
        {"text": f"{word} {n}", "label": grade} for n in range(9) for word, grade in (("bad", "low"), ("good", "high"))
    ]
    settings = {**SMALL, "epochs": 5, "ordinal": ("low", "high")}
    predictor = train_text(rows, settings, Silent()).predictor
    assert predictor.labels.grades.values == (1.0, 2.0)
    assert Predictor.load(predictor.save(tmp_path / "m")).predict(["bad", "good"]) == ["low", "high"]
    with pytest.raises(DataError, match="expected a grade of low, medium in column 'label', found 'high'; correct it"):
        read_examples(rows, Config.from_flat({"ordinal": "low,medium"}).data)


@given(
    st.lists(st.floats(-9, 9), min_size=1, max_size=20),
    st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True).map(sorted),
    st.floats(0.1, 9),
)
def test_the_loss_is_that_of_the_grades_probabilities(scores, values, std):
    grades, target = Grades.of([str(value) for value in values]), Target(1.5, std, -50.0, 50.0)
    labels = Labels(("score",), targets=(target,), grades=grades)
    truth = np.arange(len(scores)) % len(values)
    numbers = (np.array(values, np.float64)[truth, None] - target.mean) / std
    found = BranchLoss(labels)(Branches(torch.tensor(scores)[:, None].double()), torch.from_numpy(numbers))
    likely = grades.probabilities(target.mean + std * np.array(scores))[np.arange(len(scores)), truth]
    if likely.min() > 1e-9:  # the difference of two probabilities near 1 has lost its digits
        assert found.item() == pytest.approx(-np.log(likely).mean(), rel=1e-4, abs=1e-5)


def test_grades_are_learned_by_cumulative_logits_unless_another_loss_is_given(data):
    def of(**more):
        return train_text(
            data / "train.csv", {**SMALL, "epochs": 3, "ordinal": "1,2,3,4,5", **more}, Silent()
        ).predictor

    texts = ["a great film", "a bad film"]
    found = [of(**more).predict_proba(texts) for more in ({}, {"loss": "cumulative"}, {"loss": "squared"})]
    assert np.array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2], atol=1e-4)
    with pytest.raises(ConfigError, match="loss 'cumulative' is of grades; name them by --ordinal"):
        train_text(data / "train.csv", {**SMALL, "regression": True, "loss": "cumulative"}, Silent())
