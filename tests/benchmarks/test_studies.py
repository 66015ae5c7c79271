"""The studies at tiny size: spoiled rows, imbalance and noise, Kim 2014's protocol."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter

import pytest

from benchmarks.imbalance import SMOOTHINGS, run_imbalance
from benchmarks.imbalance import to_markdown as imbalance_table
from benchmarks.kim2014 import run_kim2014
from benchmarks.kim2014 import to_markdown as kim_table
from benchmarks.spoiling import flip, thin
from textcnn.errors import ConfigError
from textcnn.progress import Silent
from textcnn.reading.rows import Examples

WORDS = {"pos": "good", "neg": "bad", "meh": "fair"}
EXAMPLES = Examples([f"text {i}" for i in range(300)], [(label,) for label in WORDS for _ in range(100)], False)
TINY = {"epochs": 1, "embedding_dim": 6, "num_filters": 4, "threads": 1}


def test_thinning_leaves_all_of_the_others_and_a_drawn_few():
    thinned = thin(EXAMPLES, "neg", 50, seed=1)
    assert Counter(thinned.labels) == {("pos",): 100, ("neg",): 4, ("meh",): 100}
    rare = {text for text, label in zip(thinned.texts, thinned.labels, strict=True) if label == ("neg",)}
    assert rare <= set(EXAMPLES.texts[100:200])
    other = thin(EXAMPLES, "neg", 50, seed=2)
    assert thin(EXAMPLES, "neg", 50, seed=1).texts == thinned.texts != other.texts


def test_thinning_never_leaves_none():
    assert Counter(thin(EXAMPLES, "neg", 10_000, seed=1).labels)[("neg",)] == 1


def test_flipped_rows_have_another_label_and_all_others_stay():
    flipped = flip(EXAMPLES, 0.2, seed=1)
    changed = [i for i in range(300) if flipped.labels[i] != EXAMPLES.labels[i]]
    assert len(changed) == 60
    assert flipped.texts == EXAMPLES.texts
    assert {name for i in changed for name in flipped.labels[i]} == set(WORDS)
    assert flip(EXAMPLES, 0.2, seed=1).labels == flipped.labels != flip(EXAMPLES, 0.2, seed=2).labels
    assert len(EXAMPLES.labels) == 300
    assert EXAMPLES.labels[0] == ("pos",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sets")
    for name, labels in {"sst2": ("neg", "pos"), "trec": ("meh", "neg", "pos")}.items():
        (place / name).mkdir()
        for file, rows in {"train": 60, "test": 8}.items():
            with gzip.open(place / name / f"{file}.csv.gz", "wt", encoding="utf-8", newline="") as out:
                writer = csv.writer(out)
                writer.writerow(["text", "label"])
                writer.writerows((f"{WORDS[label]} film {i}", label) for i in range(rows) for label in labels)
    return place


@pytest.fixture(scope="module")
def imbalance(folder):
    return run_imbalance(folder, Silent(), seeds=[1, 2], settings=TINY)


@pytest.mark.slow
def test_the_rare_label_is_measured_under_every_remedy(imbalance):
    study = imbalance["studies"]["imbalanced-sst2"]
    assert study["train_counts"] == {"neg": 60, "pos": 1}
    assert [found["model"] for found in study["results"]] == [
        "default",
        "class_weight balanced",
        "focal",
        "balanced + focal",
        "default, probabilities divided by the labels' shares",
        "svm",
        "svm, class_weight balanced",
    ]
    for found in study["results"]:
        assert [run["seed"] for run in found["runs"]] == [1, 2]
        assert set(found["mean"]) == {"accuracy", "macro_f1", "rare_recall"}
    assert study["results"][3]["settings"]["class_weight"] == "balanced"


def test_what_is_chosen_is_the_best_on_dev_rows(imbalance):
    choices = [choice for study in imbalance["studies"].values() for choice in study["choices"].values()]
    assert [choice["setting"] for choice in choices] == [*["focal_gamma"] * 2, *["label_smoothing"] * 2]
    for choice in choices:
        assert choice["dev"][f"{choice['chosen']:g}"] == max(choice["dev"].values())
    noisy = imbalance["studies"]["flipped-trec"]
    assert noisy["results"][2]["settings"] == {"label_smoothing": noisy["choices"]["more smoothing"]["chosen"]}


def test_the_table_shows_every_study(imbalance):
    table = imbalance_table(json.loads(json.dumps(imbalance)))
    assert "## sst2, labels 1 : 50" in table
    assert "60 rows of 'neg', 1 rows of 'pos'" in table
    assert table.count("20% of the training labels wrong") == 2
    assert table.count("| clean labels: svm | ") == 2
    assert f"{SMOOTHINGS[0]:g} (" in table


def test_a_stopped_study_goes_on(folder, tmp_path, monkeypatch):
    output = tmp_path / "imbalance.json"

    def measure(settings=TINY):
        return run_imbalance(folder, Silent(), studies=["flipped-sst2"], seeds=[1], settings=settings, output=output)

    from benchmarks import bench as module

    monkeypatch.setattr(module, "run_baseline", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        measure()
    monkeypatch.undo()
    monkeypatch.setattr(module, "run_text", lambda *_, **__: pytest.fail("measured again"))
    assert measure() == json.loads(output.read_text())


def test_unknown_studies_and_variants_are_told(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"studies must be of imbalanced-sst2, .*, got 'flipped-mr'"):
        run_imbalance(folder, Silent(), studies=["flipped-mr"])
    with pytest.raises(ConfigError, match=r"variants must be of static, .*, got 'frozen'"):
        run_kim2014(str(folder / "sst2" / "train.csv.gz"), tmp_path / "v.txt", Silent(), variants=["frozen"])


def test_kim_2014_measures_every_fold_once(folder, tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("good 1 0 0.5\nbad -1 0 0.5\nfilm 0 1 0\n", encoding="utf-8")
    document = run_kim2014(
        str(folder / "sst2" / "train.csv.gz"),
        vectors,
        Silent(),
        variants=["static", "multichannel"],
        num_folds=2,
        settings={"epochs": 3, "threads": 1},
    )
    assert [found["paper"] for found in document["results"]] == [81.0, 81.1]
    for found in document["results"]:
        assert [fold["rows"] for fold in found["folds"]] == [{"train": 54, "dev": 6, "test": 60}] * 2
        accuracies = [fold["test"] for fold in found["folds"]]
        assert found["mean"] == pytest.approx(sum(accuracies) / 2)
        assert found["mean"] > 0.9
    table = kim_table(json.loads(json.dumps(document)))
    assert "| CNN-static (`embedding_channels=static`) | 81.0 |" in table
    assert "GloVe 6B vectors of 100 numbers, not word2vec of 300" in table
