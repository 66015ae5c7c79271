"""Drift: false alarms at the stated rate, shifts found, and what the command says of real and of drawn texts."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from commands import invoke
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact, ttest_ind

import textcnn
from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.two_samples import LEAST_EFFECT, compare_means, compare_shares
from textcnn.folder.model_folder import DRIFT
from textcnn.folder.training_rows import NgramCounts
from textcnn.prediction import drift
from textcnn.prediction.drift import count_ngrams, count_training_ngrams, measure_drift, names_of
from textcnn.progress import Silent
from textcnn.reading.rows import Examples, read_examples
from textcnn.runs import train_text

TINY = {"epochs": 3, "embedding_dim": 16, "num_filters": 16, "ngram_buckets": 1000}


# ------------------------------------------------------------------------------------------------------ the tests


@settings(deadline=None, max_examples=60)
@given(data=st.data(), sizes=st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_one_tail_of_fishers_test_is_scipys(data, sizes):
    old, new = (data.draw(st.integers(0, size)) for size in sizes)
    table = [[new, sizes[1] - new], [old, sizes[0] - old]]
    chance = 2 * min(fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))
    for error in (0.2, 0.01):
        (found,) = compare_shares(["x"], np.array([old]), np.array([new]), sizes, error)
        assert found.moved == (min(chance, 1) <= error) or chance == pytest.approx(error)
        assert found.low - 1e-9 <= found.after - found.before <= found.high + 1e-9


def test_shares_raise_no_more_false_alarms_than_stated():
    random, alarms = np.random.default_rng(0), 0
    shares = random.dirichlet(np.full(60, 0.3))
    for _ in range(400):
        old, new = random.binomial(800, shares), random.binomial(500, shares)
        alarms += any(c.moved for c in compare_shares([*map(str, range(60))], old, new, (800, 500), 0.05))
    assert alarms <= 30  # 20 are expected at most; 30 or more have a probability of 0.02


def test_intervals_of_shares_hold_together():
    random, missed = np.random.default_rng(1), 0
    shares = random.uniform(0.05, 0.6, 20), random.uniform(0.05, 0.6, 20)
    for _ in range(300):
        old, new = random.binomial(400, shares[0]), random.binomial(300, shares[1])
        found = compare_shares([*map(str, range(20))], old, new, (400, 300), 0.05)
        missed += any(not c.low <= shares[1][i] - shares[0][i] <= c.high for i, c in enumerate(found))
    assert missed <= 27  # 15 are expected


def test_the_changes_that_are_least_chance_come_first():
    found = compare_shares(
        ["same", "more", "less"], np.array([50, 50, 50]), np.array([51, 90, 20]), (100, 100), 0.05, most=2
    )
    assert [(change.name, change.moved) for change in found] == [("more", True), ("less", True)]
    assert compare_shares([], np.zeros(0, np.int64), np.zeros(0, np.int64), (3, 3), 0.05) == []


def test_means_have_welchs_interval():
    random = np.random.default_rng(2)
    old, new = random.normal(0, 1, 2_000), random.normal(0.8, 2, 900)
    (found,) = compare_means({"x": old}, {"x": new}, 0.05)
    expected = ttest_ind(new, old, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=2e-3)  # normal, not t
    assert found.moved
    assert compare_means({"x": old[:10]}, {"x": new}, 0.05) == []


@pytest.mark.parametrize(("shift", "moved"), [(LEAST_EFFECT / 2, False), (3 * LEAST_EFFECT, True)])
def test_a_mean_has_moved_beyond_the_least_effect_alone(shift, moved):
    random = np.random.default_rng(3)
    (found,) = compare_means({"x": random.normal(0, 1, 50_000)}, {"x": random.normal(shift, 1, 50_000)}, 0.05)
    assert found.moved == moved
    assert found.low > 0  # even where the difference is surely not 0


def test_a_rise_may_have_a_margin_of_its_own():
    random = np.random.default_rng(4)
    old, up, down = (random.normal(shift, 1, 5_000) for shift in (0, 0.5, -0.5))
    assert [compare_means({"x": old}, {"x": new}, 0.05, 1.0)[0].moved for new in (up, down)] == [False, True]
    assert [compare_means({"x": old}, {"x": new}, 0.05)[0].moved for new in (up, down)] == [True, True]


# ---------------------------------------------------------------------------------------------------- drawn texts


def drawn(number, seed, words=range(300), labels=(0.5, 0.3, 0.2)):
    random = np.random.default_rng(seed)
    shares = 1 / (1 + np.arange(len(words)))
    found = []
    for _ in range(number):
        own = int(random.choice(3, p=labels))
        text = [f"w{words[k]}" for k in random.choice(len(words), 8, p=shares / shares.sum())]
        found.append((" ".join([*text[:4], f"sign{own}_{random.integers(3)}", *text[4:]]), f"label{own}"))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of drawn texts."""
    place = tmp_path_factory.mktemp("drift") / "model"
    return train_text(drawn(1_500, 0), TINY, Silent()).predictor.save(place)


def moved(folder, rows, *, labelled=True, **how):
    texts, labels = [text for text, _ in rows], [(label,) for _, label in rows]
    found = measure_drift(folder, textcnn.load(folder), texts, labels if labelled else None, **how)
    return found.comparison.moved(), found


@pytest.mark.parametrize("labelled", [True, False])
def test_texts_like_those_of_training_have_not_moved(folder, labelled):
    alarms = [moved(folder, drawn(700, seed), labelled=labelled)[0] for seed in range(1, 21)]
    assert sum(map(bool, alarms)) <= 4, alarms  # 1 is expected at most; 5 or more have a probability of 0.003


def test_a_word_that_appears_and_one_that_goes_are_named(folder):
    rows = [(re.sub(r"\bw3\b", "w250", text), label) for text, label in drawn(700, 1)]
    parts, found = moved(folder, rows)
    assert parts == ["words"]
    changes = {change.name: change for change in found.comparison.words}
    assert changes["w3"].after == 0 < changes["w3"].before
    assert changes["w250"].before < 0.05 < changes["w250"].after
    assert changes["w250"].low > 0 > changes["w3"].high


@pytest.mark.parametrize("labelled", [True, False])
def test_another_mix_of_labels_is_found(folder, labelled):
    parts, found = moved(folder, drawn(700, 1, labels=(0.2, 0.3, 0.5)), labelled=labelled)
    assert "labels" in parts
    changes = {change.name: change for change in found.comparison.labels}
    assert changes["label0"].high < 0 < changes["label2"].low
    assert not changes["label1"].moved
    assert found.comparison.kind == ("true" if labelled else "given")


def test_a_label_that_training_lacks_has_moved(folder):
    rows = drawn(600, 1) + [(text, "new") for text, _ in drawn(100, 2)]
    assert any(change.name == "new" and change.moved for change in moved(folder, rows)[1].comparison.labels)


def test_texts_of_unknown_words_move_all_but_labels(folder):
    rows = [(" ".join("жуёцщ"[len(word) % 5] * 4 for word in text.split()), label) for text, label in drawn(300, 1)]
    parts, found = moved(folder, rows)
    assert {"words", "confidence", "evidence"} <= set(parts)
    assert {"known words", "known n-grams"} <= {c.name for c in found.comparison.evidence if c.moved}
    assert found.unknown_words
    assert set(found.unknown_words[0][0]) <= set("жуёцщ")


def test_the_error_decides(folder):
    rows = drawn(700, 1, labels=(0.44, 0.33, 0.23))
    assert moved(folder, rows, error=0.5)[0] == ["labels"]
    assert moved(folder, rows, error=1e-6)[0] == []
    with pytest.raises(ConfigError, match="must be between 0 and 1"):
        moved(folder, rows, error=0)


def test_a_single_text_and_no_text_move_nothing(folder):
    assert moved(folder, drawn(1, 1))[0] == []
    assert moved(folder, [])[0] == []


def test_counts_are_those_of_the_texts(folder):
    predictor = textcnn.load(folder)
    texts = ["w1 w2 w1 w2", "w2 w1", "unseen w1"]
    found = count_ngrams(predictor.inputs, predictor.inputs.encode(texts))
    names = dict(zip(names_of(predictor.inputs, found.keys), found.rows_with.tolist(), strict=True))
    assert names == {"w1": 3, "w2": 2, "w1 w2": 1, "w2 w1": 2}
    assert found.sizes.tolist() == [3, 0]


def test_counts_follow_from_document_frequencies(folder, monkeypatch):
    inputs = textcnn.load(folder).inputs
    tokens = inputs.encode([text for text, _ in drawn(1_500, 0)])
    for most in (20, 100_000):
        monkeypatch.setattr(drift, "MOST_WORDS", most)
        monkeypatch.setattr(drift, "MOST_PAIRS", most)
        counted, derived = (count_training_ngrams(inputs, tokens, has_features=own) for own in (False, True))
        assert np.array_equal(counted.keys, derived.keys)
        assert np.array_equal(counted.rows_with, derived.rows_with)
        assert np.array_equal(counted.sizes, derived.sizes)


def test_many_training_texts_are_sampled_and_their_labels_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(drift, "MOST_TOKENS", 2_000)
    rows = [(text, [label, "also"]) for text, label in drawn(1_500, 0)]
    predictor = textcnn.train(rows, epochs=1, wide=False, embedding_dim=8, num_filters=8, threads=1)
    place = predictor.save(tmp_path / "model")
    found = measure_drift(place, textcnn.load(place), *zip(*rows, strict=True))
    assert predictor.artifact.ngrams.sizes[0] < 750
    assert found.comparison.moved() == []
    assert [(change.before, change.after) for change in found.comparison.labels if change.name == "also"] == [(1, 1)]


def test_rare_words_are_bounded(folder, monkeypatch):
    """What is not stored occurs in few rows: it can have come, but not gone."""
    monkeypatch.setattr(drift, "MOST_WORDS", 20)
    monkeypatch.setattr(drift, "MOST_PAIRS", 20)
    predictor, rows = textcnn.load(folder), drawn(1_500, 0)
    found = count_ngrams(predictor.inputs, predictor.inputs.encode([text for text, _ in rows]))
    assert len(found.keys) == 40
    assert 0 < found.sizes[1] < found.rows_with.max()
    again = shutil.copytree(folder, folder.parent / "few")
    found.write(again / DRIFT)
    alarms = [moved(again, drawn(700, seed))[0] for seed in range(1, 6)]
    assert sum(map(bool, alarms)) <= 1
    rows = [(re.sub(r"\bw3\b", "w250", text), label) for text, label in drawn(700, 1)]
    assert "w250" in {change.name for change in moved(again, rows)[1].comparison.words}


def test_the_command_tells_and_exits_well(folder, tmp_path):
    file = tmp_path / "later.jsonl"
    lines = [json.dumps({"text": text}) for text, _ in drawn(500, 1, labels=(0.1, 0.3, 0.6))]
    file.write_text("\n".join(lines), encoding="utf-8")
    shown = invoke("drift", folder, file).stdout
    assert "500 texts against 1,500: moved: " in shown
    assert "labels that the model gives, share of the texts:" in shown
    found = json.loads(invoke("drift", folder, file, "--json").stdout)
    assert "labels" in found["moved"]
    assert found["labels_are"] == "given"
    assert found["rows"] == {"before": 1500, "after": 500}
    assert set(found["evidence"][0]) == {"name", "before", "after", "low", "high", "moved"}


def test_a_folder_of_before_is_refused_or_compared_with_a_file(folder, tmp_path):
    older = shutil.copytree(folder, tmp_path / "older")
    (older / DRIFT).unlink()
    later, training = tmp_path / "later.jsonl", tmp_path / "training.jsonl"
    for file, rows in {later: drawn(500, 1, labels=(0.1, 0.3, 0.6)), training: drawn(1_500, 0)}.items():
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises((ConfigError, AssertionError), match="train it again, or compare with a file"):
        invoke("drift", older, later)
    assert "labels" in json.loads(invoke("drift", older, later, "--against", training, "--json").stdout)["moved"]


def test_several_labels_a_row_compare_words_and_labels(tmp_path):
    rows = [(text, [label, "all"]) for text, label in drawn(600, 0)]
    folder = train_text(rows, TINY, Silent()).predictor.save(tmp_path / "many")
    later = drawn(500, 1, labels=(0.1, 0.3, 0.6))
    labels = [(label, "all") for _, label in later]
    found = measure_drift(folder, textcnn.load(folder), [text for text, _ in later], labels).comparison
    assert "labels" in found.moved()
    assert not found.confidence
    assert not next(change for change in found.labels if change.name == "all").moved


def test_what_is_stored_survives_saving_and_is_checked(folder, tmp_path):
    again = textcnn.load(folder).save(tmp_path / "copy")
    assert (again / DRIFT).read_bytes() == (folder / DRIFT).read_bytes()
    with pytest.raises(ArtifactError, match="expected counts of n-grams of 5 words"):
        NgramCounts.read(folder / DRIFT, 5)
    (again / DRIFT).write_bytes(b"odd")
    with pytest.raises((ArtifactError, AssertionError), match="counts of n-grams, but the file is damaged"):
        invoke("drift", again, again / "README.md")


# ----------------------------------------------------------------------------------------------------- real texts


def test_rows_of_the_same_set_have_not_moved_and_those_of_another_have(data_folder, tmp_path):
    examples = read_examples(str(data_folder / "sst2/train.csv.gz"))
    quick, alarms = {"num_filters": 24, "embedding_dim": 48, "epochs": 3}, []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(examples))
        later, train = examples.subset(order[:1_500]), examples.subset(np.sort(order[1_500:]))
        folder = train_text(train, {**quick, "seed": seed}, Silent()).predictor.save(tmp_path / str(seed))
        predictor = textcnn.load(folder)
        alarms.append(measure_drift(folder, predictor, list(later.texts), later.labels).comparison.moved())
        alarms.append(measure_drift(folder, predictor, list(later.texts), None).comparison.moved())
    assert sum(map(bool, alarms)) <= 1, alarms
    files = sum((folder / name).stat().st_size for name in (DRIFT, "held-out.safetensors"))
    assert files < 2**20
    others: dict[str, Examples] = {
        "mr": read_examples(str(data_folder / "mr/all.csv.gz")).subset(np.arange(0, 10_000, 5)),
        "trec": read_examples(str(data_folder / "trec/train.csv.gz")).subset(np.arange(1_000)),
        "imdb": read_examples(str(data_folder / "imdb/test.csv.gz")).subset(np.arange(0, 25_000, 25)),
    }
    for name, other in others.items():
        found = measure_drift(folder, predictor, list(other.texts), None).comparison
        assert "words" in found.moved(), name
        assert name == "mr" or "evidence" in found.moved(), name
    mix = later.subset(np.array([i for i, row in enumerate(later.labels) if row == later.labels[0] or i % 3]))
    assert measure_drift(folder, predictor, list(mix.texts), mix.labels).comparison.moved() == ["labels"]
    assert "labels" in measure_drift(folder, predictor, list(mix.texts), None).comparison.moved()
