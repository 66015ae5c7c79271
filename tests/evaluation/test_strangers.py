"""Texts of none of the labels: the score, its threshold, what outliers teach, and every road that flags them."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from commands import invoke
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import textcnn
from benchmarks.strangers import refused_share, run_strangers, to_markdown
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.estimator import TextCNNClassifier
from textcnn.evaluation import strangers
from textcnn.evaluation.promises import HeldOutAnswers
from textcnn.evaluation.strangers import WEIGHTS, StrangerScore, auroc, statistics
from textcnn.folder.model_folder import HELD_OUT
from textcnn.folder.training_rows import read_held_out, write_held_out
from textcnn.prediction.answers import classify_rows
from textcnn.prediction.predictor import Predictor
from textcnn.prediction.strangers import StrangerModel
from textcnn.progress import Silent
from textcnn.reading.rows import open_rows
from textcnn.runs import train_text
from textcnn.runs.calibrate import add_outliers
from textcnn.serve.models import Models, Question
from textcnn.serve.settings import ModelSource

WORDS = [f"word{i}" for i in range(40)]


def answers(own, outliers=None):
    """Held-out answers with these statistics."""
    empty = np.zeros(len(own), np.float32)
    return HeldOutAnswers(empty.astype(np.int32), empty, empty > 0, empty, statistics=own, outliers=outliers)


def drawn(number, seed, shift=0.0):
    random = np.random.default_rng(seed)
    return (random.normal(0, 1, (number, len(WEIGHTS))) * np.arange(1, len(WEIGHTS) + 1) + shift).astype(np.float32)


# -------------------------------------------------------------------------------------------------- the statistics


def test_statistics_are_what_their_names_say():
    network, ngrams = np.array([[1.0, 3.0, 0.0], [0.5, 0.5, 0.5]]), np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]])
    found = dict(zip(WEIGHTS, statistics([network, ngrams], np.array([[4, 3, 5], [0, 0, 0]])).T, strict=True))
    likely = np.exp(network + ngrams) / np.exp(network + ngrams).sum(axis=1, keepdims=True)
    assert found["certainty"] == pytest.approx((likely * np.log(likely)).sum(axis=1))
    assert found["largest"] == pytest.approx([4, 0.5])
    assert found["network"] == pytest.approx([3, 0.5])
    assert found["n-grams"] == pytest.approx([2, 0])
    one = np.exp(network[0]) / np.exp(network[0]).sum(), np.exp(ngrams[0]) / np.exp(ngrams[0]).sum()
    assert found["agreement"] == pytest.approx([(one[0] * one[1]).max(), 1 / 9])
    assert found["length"] == pytest.approx([np.log(5), 0])
    assert found["known words"] == pytest.approx([3 / 4, 0])
    assert found["known n-grams"] == pytest.approx([5 / 7, 0])


def test_a_label_that_the_model_did_not_know_does_not_count():
    counts = np.array([[4, 4, 4]])
    known = statistics([np.array([[1.0, 3.0]]), np.array([[0.5, 1.0]])], counts)
    more = statistics([np.array([[1.0, 3.0, -np.inf]]), np.array([[0.5, 1.0, 0.0]])], counts)
    assert np.isfinite(more).all()
    assert more == pytest.approx(known)


@settings(deadline=None, max_examples=30)
@given(kept=st.floats(0.5, 0.99), seed=st.integers(0, 100))
def test_the_threshold_keeps_the_share_of_further_rows(kept, seed):
    score = StrangerScore.of(answers(drawn(4_000, seed)))
    further = score(drawn(4_000, seed + 1_000))
    assert (further >= score.least(kept)).mean() == pytest.approx(kept, abs=0.04)


def test_few_held_out_rows_flag_nothing():
    score = StrangerScore.of(answers(drawn(10, 0)))
    assert score.least(0.95) == -np.inf
    assert score.least(0.9) == score.held_out[0]


@pytest.mark.parametrize("kept", [0, 1, -0.5, 2, float("nan")])
def test_a_share_outside_0_to_1_is_refused(kept):
    with pytest.raises(ConfigError, match="must be between 0 and 1"):
        StrangerScore.of(answers(drawn(10, 0))).least(kept)


def test_weights_of_outliers_are_those_of_scikit_learn(monkeypatch):
    own, outliers = drawn(300, 0), drawn(100, 1, shift=1.5)
    monkeypatch.setattr(strangers, "WEIGHTS", dict.fromkeys(WEIGHTS, 0.0))  # without the prior's direction
    score = StrangerScore.of(answers(own, outliers))
    scaled = (np.concatenate([own, outliers]) - own.mean(axis=0)) / own.std(axis=0)
    model = LogisticRegression(C=1 / strangers.PRIOR_STRENGTH, max_iter=10_000, tol=1e-10)
    shares = np.repeat([100 / 300, 1], [300, 100])
    model.fit(scaled, np.repeat([1, 0], [300, 100]), sample_weight=shares)
    assert score.factors * own.std(axis=0) == pytest.approx(model.coef_[0], abs=1e-4)


def test_outliers_teach_what_tells_them():
    own, outliers = drawn(400, 0), drawn(200, 1)
    words = list(WEIGHTS).index("known words")  # has no weight by itself
    outliers[:, words] -= 4 * own[:, words].std()
    plain, taught = StrangerScore.of(answers(own)), StrangerScore.of(answers(own, outliers[:100]))
    further = drawn(400, 2)
    assert auroc(plain(further), plain(outliers[100:])) == pytest.approx(0.5, abs=0.05)
    assert auroc(taught(further), taught(outliers[100:])) > 0.95


@settings(deadline=None, max_examples=50)
@given(
    own=st.lists(st.integers(0, 5), min_size=1, max_size=30),
    others=st.lists(st.integers(0, 5), min_size=1, max_size=30),
)
def test_auroc_is_that_of_scikit_learn(own, others):
    expected = roc_auc_score([1] * len(own) + [0] * len(others), own + others)
    assert auroc(np.array(own), np.array(others)) == pytest.approx(expected)


def test_the_refused_share_keeps_enough_of_the_own():
    own = np.arange(100.0)
    assert refused_share(own, np.array([4.0, 5.0, 6.0, 4.9]), 0.95) == 0.5
    assert (own >= 5).mean() == 0.95


# ------------------------------------------------------------------------------------------------------ the roads


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model of four labels, one without calibration, one of several labels, and texts."""
    folder, random = tmp_path_factory.mktemp("strangers"), np.random.default_rng(0)

    def rows(number, labels):
        for _ in range(number):
            own = int(random.choice(labels))
            topic = [f"topic{own}_{i}" for i in random.integers(0, 4, 3)]
            yield " ".join(random.permutation([*random.choice(WORDS, 4), *topic])), f"label{own}"

    small = {"epochs": 6, "embedding_dim": 16, "num_filters": 16, "ngram_buckets": 1000}
    train = list(rows(800, range(4)))
    train_text(train, small, Silent()).predictor.save(folder / "model")
    train_text(train, {**small, "calibrate": "none"}, Silent()).predictor.save(folder / "plain")
    lstm = {"architecture": "lstm", "epochs": 3, "embedding_dim": 16, "settings": {"hidden_size": 16}}
    train_text(train, lstm, Silent()).predictor.save(folder / "lstm")
    train_text([(t, [name, "z"]) for t, name in train[:300]], small, Silent()).predictor.save(folder / "many")
    for name, labels in {"own": range(4), "strange": range(4, 7)}.items():
        lines = [{"text": text, "label": label} for text, label in rows(400, labels)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def texts_of(place, name):
    return [row.text for row in open_rows(str(place / f"{name}.jsonl"), labels="ignored")]


@pytest.mark.parametrize("model", ["model", "lstm"])
def test_texts_of_other_labels_are_flagged(place, model):
    predictor = textcnn.load(place / model)
    own, others = (predictor.none_of_these(texts_of(place, name)) for name in ("own", "strange"))
    assert own.mean() < 0.09
    assert others.mean() > (0.8 if model == "model" else 0.3)
    less = predictor.none_of_these(texts_of(place, "own"), kept=0.5)
    assert (less >= own).all()
    assert less.sum() > own.sum()


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("core", ["default", "none"])
def test_the_branches_add_up_to_the_logits(place, precision, core, monkeypatch):
    if core == "none":
        monkeypatch.setenv("TEXTCNN_CORE", "none")
    predictor = Predictor.load(place / "model", precision=precision)
    encoded = predictor.inputs.encode(["topic1_0 word1", "", "unseen"])
    network, ngrams = predictor.branches(encoded)
    assert network + ngrams == pytest.approx(predictor.logits(encoded) / predictor.temperature, abs=1e-9)
    artifact = Predictor.load(place / "model", runtime="torch")
    expected = artifact.branches(encoded)
    assert network == pytest.approx(expected[0], abs=1e-4 if precision == "float32" else 0.3)
    assert ngrams == pytest.approx(expected[1], abs=1e-4)


def test_int8_and_torch_flag_nearly_the_same_rows(place):
    texts = texts_of(place, "own") + texts_of(place, "strange")
    plain = textcnn.load(place / "model").none_of_these(texts)
    for how in ({"precision": "int8"}, {"runtime": "torch"}):
        assert (Predictor.load(place / "model", **how).none_of_these(texts) == plain).mean() > 0.98


def read(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).to_pylist()
    return [{**row, "flags": json.loads(row["flags"])} for row in rows]


@pytest.mark.parametrize(
    ("suffix", "options"),
    [("jsonl", ()), ("csv", ()), ("parquet", ()), ("jsonl", ("--workers", 2)), ("jsonl", ("--explain", "--top-k", 2))],
)
def test_classify_flags_and_abstains(place, suffix, options, tmp_path):
    output, how = tmp_path / f"out.{suffix}", ("--none-of-these", "0.9", "--abstain-label", "other")
    invoke("classify", place / "model", "--input", place / "strange.jsonl", "--output", output, *how, *options)
    predictor, found = textcnn.load(place / "model"), read(output)
    texts = texts_of(place, "strange")
    expected = predictor.none_of_these(texts, kept=0.9)
    assert [("none_of_these" in row["flags"]) for row in found] == expected.tolist()
    assert [row["nearest_label"] for row in found] == predictor.predict(texts)
    assert [row["label"] == "other" for row in found] == expected.tolist()


def test_without_the_option_nothing_is_flagged(place):
    plain = invoke("classify", place / "model", "quite another text", "topic1_0 topic1_1").stdout
    found = [json.loads(line) for line in plain.splitlines()]
    assert all(set(row) == {"text", "label", "probability", "flags"} and not row["flags"] for row in found)


def test_a_text_gets_the_flag_that_it_gets_alone(place):
    predictor = textcnn.load(place / "model")
    texts = texts_of(place, "strange")[:40] + texts_of(place, "own")[:40]
    together = StrangerModel(predictor).scores(texts)
    assert np.array_equal(together, [StrangerModel(predictor).scores([text])[0] for text in texts])


def test_python_and_the_server_flag_alike(place):
    predictor, texts = textcnn.load(place / "model"), texts_of(place, "strange")[:30] + texts_of(place, "own")[:30]
    expected = predictor.none_of_these(texts).tolist()
    rows = list(classify_rows(predictor, open_rows(texts, labels="ignored"), none_of_these=0.95, abstain="other"))
    assert [("none_of_these" in row["flags"]) for row in rows] == expected
    assert [row["label"] == "other" for row in rows] == expected
    models = Models([ModelSource("m", place / "model"), ModelSource("plain", place / "plain")])
    models.load()
    served, question = models.get("m"), Question(none_of_these=0.95)
    assert served is not None
    served.check(question)
    assert [("none_of_these" in row["flags"]) for row in served.rows(texts, question)] == expected
    plain = models.get("plain")
    assert plain is not None
    with pytest.raises(ConfigError, match="needs statistics of held-out rows"):
        plain.check(question)


def test_the_estimator_flags(place):
    rows = [json.loads(line) for line in (place / "own.jsonl").read_text(encoding="utf-8").splitlines()]
    model = TextCNNClassifier(epochs=5, embedding_dim=16, num_filters=16, ngram_buckets=1000)
    model.fit([row["text"] for row in rows], [row["label"] for row in rows])
    assert model.none_of_these([row["text"] for row in rows]).mean() < 0.09
    assert model.none_of_these(texts_of(place, "strange")).mean() > 0.6


def test_evaluate_measures_both_kinds(place, tmp_path):
    both = tmp_path / "both.jsonl"
    both.write_text("".join((place / f"{name}.jsonl").read_text() for name in ("own", "strange")), encoding="utf-8")
    found = json.loads(invoke("evaluate", place / "model", both, "--none-of-these", 0.95, "--json").stdout)
    assert found["none_of_these"]["flagged_own"] < 0.09
    assert found["none_of_these"]["flagged_strangers"] > 0.8
    assert found["none_of_these"]["auroc"] > 0.95
    assert (
        "of the rows of unknown labels, AUROC"
        in invoke("evaluate", place / "model", both, "--none-of-these", 0.95).stdout
    )


@pytest.mark.parametrize(
    ("model", "share", "message"),
    [
        ("plain", "0.95", "none_of_these needs statistics of held-out rows, and the model has none"),
        ("many", "0.95", "none_of_these is for models with one label a row"),
        ("model", "1.5", "must be between 0 and 1, got 1.5"),
    ],
)
def test_what_cannot_be_told_is_one_line(place, model, share, message):
    with pytest.raises((ConfigError, AssertionError), match=message):
        invoke("classify", place / model, "a text", "--none-of-these", share)


def test_a_model_of_before_is_refused(place, tmp_path):
    folder = textcnn.load(place / "model").save(tmp_path / "before")
    write_held_out(replace(read_held_out(folder / HELD_OUT, 4), statistics=None), folder / HELD_OUT)
    with pytest.raises((ConfigError, AssertionError), match="run `textcnn calibrate` with rows"):
        invoke("classify", folder, "a text", "--none-of-these", 0.95)
    invoke("calibrate", folder, place / "own.jsonl")
    assert "none_of_these" in invoke("classify", folder, "an odd text", "--none-of-these", 0.95).stdout


def test_outliers_are_learnt_from_by_command(place, tmp_path):
    texts, random = tmp_path / "outliers.txt", np.random.default_rng(3)
    texts.write_text("".join(f"{' '.join(random.choice(WORDS, 7))}\n" for _ in range(60)), encoding="utf-8")
    folder = textcnn.load(place / "model").save(tmp_path / "taught")
    shown = invoke("calibrate", folder, "--outliers", texts).stdout
    assert "60 texts of no label" in shown
    assert read_held_out(folder / HELD_OUT, 4).outliers.shape == (60, len(WEIGHTS))
    both = invoke("calibrate", folder, place / "own.jsonl", "--outliers", texts, "--json").stdout
    assert json.loads(both)["outliers"] == 60
    further = [" ".join(random.choice(WORDS, 7)) for _ in range(100)]
    assert textcnn.load(folder).none_of_these(further).mean() > 0.8
    assert textcnn.load(folder).none_of_these(texts_of(place, "own")).mean() < 0.1


def test_outliers_that_cannot_be_used_are_refused(place, tmp_path):
    with pytest.raises(DataError, match="expected 10 texts of no label at least, found 1"):
        add_outliers(textcnn.load(place / "model").artifact, ["a text"])
    with pytest.raises(ConfigError, match="no statistics of held-out rows"):
        add_outliers(textcnn.load(place / "plain").artifact, ["a text"] * 20)
    with pytest.raises((ConfigError, AssertionError), match="calibrate expects DATA, --outliers, or both"):
        invoke("calibrate", place / "model")


def test_damaged_statistics_are_refused(place, tmp_path):
    found = read_held_out(place / "model" / HELD_OUT, 4)
    for change in ({"statistics": found.statistics[:-1]}, {"outliers": found.statistics[:, :3]}):
        write_held_out(replace(found, **change), tmp_path / HELD_OUT)
        with pytest.raises(ArtifactError, match="expected"):
            read_held_out(tmp_path / HELD_OUT, 4)


def test_the_benchmark_holds_labels_out(tmp_path, place):
    random = np.random.default_rng(5)
    folder = tmp_path / "banking77"
    folder.mkdir()
    for name, number in {"train": 400, "test": 200}.items():
        labels = random.integers(0, 6, number)
        lines = [f"{' '.join(random.choice(WORDS, 3))} topic{k} sign{k},label{k}\n" for k in labels]
        with gzip.open(folder / f"{name}.csv.gz", "wt", encoding="utf-8") as file:
            file.write("text,label\n" + "".join(lines))
    tiny = {"epochs": 5, "embedding_dim": 8, "num_filters": 8, "ngram_buckets": 100}
    document = run_strangers(tmp_path, Silent(), draws=[1, 2], num_strange=2, settings=tiny)
    assert all(draw["own"]["auroc"] > 0.9 for draw in document["draws"])
    assert all(len(draw["strangers"]) == 2 for draw in document["draws"])
    assert to_markdown(json.loads(json.dumps(document))).count("\n| ") == 5
    with pytest.raises(DataError, match="expected 8 labels at least, found 6"):
        run_strangers(tmp_path, Silent(), num_strange=6)
