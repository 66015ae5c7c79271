"""The accuracy benchmark on a tiny task: runs, parts and baselines."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from textcnn.benchmark.accuracy import accuracy_benchmark
from textcnn.benchmark.baselines import BASELINES, COSTS, NGRAMS, run_baseline, tf_idf
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.progress import Silent

TEXTS = [f"{word} film number {i}" for i in range(30) for word in ("good", "bad")]
LABELS = ["pos", "neg"] * 30
TINY = {"epochs": 2, "embedding_dim": 8}
SHOWN = ((TEXTS, LABELS), (TEXTS[:10], LABELS[:10]))


@pytest.fixture(scope="module")
def document():
    return accuracy_benchmark(
        (TEXTS, LABELS),
        (TEXTS[:10], LABELS[:10]),
        TINY,
        ["kim", "bag"],
        [1, 2],
        Silent(),
        baselines=["svm", "logistic"],
        arguments=["textcnn", "benchmark", "accuracy"],
    )


@pytest.mark.slow
def test_every_model_has_a_run_for_every_seed(document):
    models = {result["model"]: len(result["runs"]) for result in document["results"]}
    assert models == {
        "kim": 2,
        "kim, main branch alone": 2,
        "kim, wide branch alone": 2,
        "bag": 2,
        "svm": 1,
        "logistic": 1,
    }
    assert document["num_test"] == 10
    assert document["command"] == "textcnn benchmark accuracy"


def test_means_are_those_of_the_runs(document):
    for result in document["results"]:
        values = [run["test"]["accuracy"] for run in result["runs"]]
        assert result["mean"]["accuracy"] == pytest.approx(sum(values) / len(values))
    assert document["results"][-1]["std"]["accuracy"] == 0


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_baseline_learns_a_word_that_decides(name, multi_label):
    truth = [(label,) for label in LABELS]
    labels = Labels.collect(truth, multi_label=multi_label)
    found = run_baseline(name, TEXTS, truth, TEXTS[:10], truth[:10], labels)
    assert found["test"]["accuracy"] == 1
    features, kind = BASELINES[name]
    assert found["cost"] in COSTS[kind]
    assert found["features"] == {part: list(NGRAMS[part]) for part in features}
    assert ("own_decisions" in found) == multi_label


@pytest.mark.parametrize("name", ["svm", "logistic"])
def test_a_multi_label_baseline_has_thresholds_from_rows_held_out_of_training(name):
    """Labels that are rare and hard to tell: a linear model's own decisions give too few of them."""
    random = np.random.default_rng(0)
    words, labels = [f"word{i}" for i in range(30)], Labels(("a", "b"), multi_label=True)
    texts, truth = [], []
    for row in random.integers(0, 30, (1500, 4)):
        texts.append(" ".join(words[i] for i in row))
        chances = (0.35 * (row.min() < 2), 0.35 * (row.max() > 27))
        truth.append(tuple(np.array(labels.names)[random.random(2) < chances].tolist()))
    found = run_baseline(name, texts[:1000], truth[:1000], texts[1000:], truth[1000:], labels)
    assert found["test"]["micro_f1"] > found["own_decisions"]["micro_f1"] + 0.1
    # Dev rows that all have every label say: give every label.
    dev = texts[:100], [labels.names] * 100
    everything = run_baseline(name, texts[:1000], truth[:1000], texts[1000:], truth[1000:], labels, dev=dev)["test"]
    assert [label["recall"] for label in everything["per_label"].values()] == pytest.approx([1, 1], abs=0.02)


def test_the_features_are_words_and_characters_inside_words_by_their_sublinear_counts():
    texts = ["to be, or not to be", "to do is to be"]
    vectorizer = tf_idf(("words", "char_wb"))
    matrix = vectorizer.fit_transform(texts).toarray()
    parts = [getattr(part, "steps", [(None, part)])[-1][1] for _, part in vectorizer.transformer_list]
    named = [list(part.get_feature_names_out()) for part in parts]
    names = [name for part in named for name in part]
    words = re.findall(r"\w+|,", texts[0])
    padded = [f" {word} " for word in texts[0].split()]
    counted = [
        [*words, *map(" ".join, itertools.pairwise(words))],
        [word[i : i + n] for word in padded for n in (2, 3, 4, 5) for i in range(len(word) - n + 1)],
    ]
    start = 0
    for grams, part in zip(counted, named, strict=True):
        size = len(part)
        row = dict(zip(names[start : start + size], matrix[0, start : start + size], strict=True))
        assert {gram for gram, value in row.items() if value} == set(grams)
        # idf of a feature in both texts is 1, and of one in one of two texts is 1 + ln(3 / 2)
        weights = {
            gram: (1 + np.log(grams.count(gram))) * (1 + np.log(1.5) * (matrix[1, names.index(gram, start)] == 0))
            for gram in set(grams)
        }
        norm = np.sqrt(sum(value**2 for value in weights.values()))
        assert {gram: row[gram] for gram in weights} == pytest.approx({g: w / norm for g, w in weights.items()})
        start += size


@pytest.mark.parametrize(
    ("architectures", "seeds", "baselines", "message"),
    [
        ([], [1], [], r"expected an architecture and a seed at least, got \[\] and \[1\]"),
        (["kim"], [1], ["forest"], "baselines must be of svm, .*, got 'forest'"),
    ],
)
def test_wrong_requests_are_told(architectures, seeds, baselines, message):
    with pytest.raises(ConfigError, match=message):
        accuracy_benchmark((TEXTS, LABELS), (TEXTS, LABELS), TINY, architectures, seeds, Silent(), baselines=baselines)


# ----------------------------------------------------------------------------------------------- fastText

# Stands where fastText stands in its own process: answers by the words of the training texts.
FAKE_FASTTEXT = """
import json, sys
class Model:
    def __init__(self, path, **settings):
        json.dump(settings, open({log!r}, "w"))
        self.lines = [line.split() for line in open(path, encoding="utf-8")]
        json.dump([label for label, *_ in self.lines], open({log!r} + ".order", "w"))
    def predict(self, texts, k, threshold):
        assert (k, threshold) == (-1, 0.0)
        by_word = {{word: label for label, word, *_ in self.lines}}
        return [[by_word[text.split()[0]]] for text in texts], [[0.9] for _ in texts]
def train_supervised(path, **settings):
    return Model(path, **settings)
"""


@pytest.fixture
def fake_fasttext(tmp_path, monkeypatch):
    (tmp_path / "fasttext.py").write_text(FAKE_FASTTEXT.format(log=str(tmp_path / "settings.json")), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TEXTCNN_PEERS_PYTHON", sys.executable)
    return tmp_path


@pytest.mark.parametrize("multi_label", [False, True])
def test_fasttext_answers_from_its_own_process(fake_fasttext, multi_label):
    truth = [(label,) for label in LABELS]
    texts = [text.replace(" film", "\nFILM") for text in TEXTS]
    found = run_baseline(
        "fasttext", texts, truth, texts[:10], truth[:10], Labels.collect(truth, multi_label=multi_label)
    )
    assert found["test"]["accuracy"] == 1
    assert found["settings"] == {"wordNgrams": 2, "epoch": 25, "dim": 100, "seed": 0, "lr": 0.1}
    given = json.loads((fake_fasttext / "settings.json").read_text())
    assert given == {
        **found["settings"],
        "loss": "ova" if multi_label else "softmax",
        "thread": 1,
        "verbose": 0,
    }


def test_fasttext_is_given_sorted_rows_in_mixed_order(fake_fasttext):
    texts, truth = sorted(TEXTS), [(label,) for label in sorted(LABELS)]
    run_baseline("fasttext", texts, truth, texts[:10], truth[:10], Labels.collect(truth, multi_label=False))
    order = json.loads((fake_fasttext / "settings.json.order").read_text())
    assert len(order) == len(texts)
    assert sum(a != b for a, b in itertools.pairwise(order)) > 10


@pytest.mark.skipif("TEXTCNN_PEERS_PYTHON" not in os.environ and not find_spec("fasttext"), reason="needs fastText")
def test_fasttext_itself_learns_a_word_that_decides():
    truth = [(label,) for label in LABELS]
    found = run_baseline("fasttext", TEXTS, truth, TEXTS[:10], truth[:10], Labels.collect(truth, multi_label=False))
    assert found["test"]["accuracy"] == 1


def test_fasttext_that_is_not_there_is_left_out_with_a_note(monkeypatch):
    monkeypatch.delenv("TEXTCNN_PEERS_PYTHON", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = []
    listening = Silent()
    listening.say = said.append
    found = accuracy_benchmark(*SHOWN, {**TINY, "epochs": 1}, ["bag"], [1], listening, baselines=["fasttext", "svm"])
    assert [result["model"] for result in found["results"]] == ["bag", "svm"]
    assert found["left_out"] == ["fasttext"]
    note = next(line for line in said if line.startswith("note: fasttext is left out"))
    assert re.search(r"pip install 'textcnn\[peers\]', or .* TEXTCNN_PEERS_PYTHON=PATH$", note)


@pytest.mark.parametrize("python", ["/nowhere/python", sys.executable])
def test_an_interpreter_without_fasttext_is_told(tmp_path, monkeypatch, python):
    (tmp_path / "fasttext.py").write_text("raise ImportError('half of it is missing')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TEXTCNN_PEERS_PYTHON", python)
    message = (
        "TEXTCNN_PEERS_PYTHON must be a Python interpreter that has fastText, got '.*python.*': .*(No such|missing)"
    )
    with pytest.raises(ConfigError, match=message):
        run_baseline("fasttext", TEXTS, [("a",)] * 60, TEXTS, [("a",)] * 60, Labels(("a",)))


def test_fasttext_that_fails_is_told(fake_fasttext):
    (fake_fasttext / "fasttext.py").write_text("def train_supervised(*_, **__): raise MemoryError('too big')")
    truth = [(label,) for label in LABELS]
    with pytest.raises(ConfigError, match=r"fastText failed with exit 1: (.|\n)*MemoryError: too big"):
        run_baseline("fasttext", TEXTS, truth, TEXTS, truth, Labels(("neg", "pos")))


def test_balanced_linear_models_answer_the_rare_label_more_often():
    """Nothing in the texts tells the labels apart: the plain model never says the rare one."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdefgh"), 4)) for _ in range(400)]
    truth = [("rare",) if i % 10 == 0 else ("usual",) for i in range(400)]
    labels = Labels.collect(truth, multi_label=False)
    recall = [
        run_baseline("logistic", texts, truth, texts, truth, labels, balanced=balanced, metric="macro_f1")["test"][
            "per_label"
        ]["rare"]["recall"]
        for balanced in (False, True)
    ]
    assert recall[0] < 0.3 < recall[1]


@pytest.mark.parametrize("name", ["svm", "logistic"])
@pytest.mark.parametrize(("start", "good", "bad"), [("这部电影我觉得", "好", "坏"), ("この映画は", "良い", "悪い")])
def test_linear_models_see_the_words_of_a_chinese_or_japanese_clause(name, start, good, bad):
    others = "一二三四五六七八九十"

    def rows(prefix, suffix):
        texts = [f"{prefix}{start}{a}{word}{b}{suffix}" for a in others for b in others[:5] for word in (good, bad)]
        return texts, [("good",), ("bad",)] * (len(texts) // 2)

    train, test = rows("", ""), rows("他说", "了")  # no clause of the one is in the other
    assert run_baseline(name, *train, *test, Labels(("bad", "good")))["test"]["accuracy"] == 1
