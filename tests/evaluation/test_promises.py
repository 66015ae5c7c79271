"""Promises of held-out rows: coverage of sets, accuracy above a confidence, and what they are refused for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import invoke
from hypothesis import given, settings
from hypothesis import strategies as st

import textcnn
from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.promises import HeldOutAnswers, Promise, answered_curve, coverage_of, set_scores
from textcnn.folder.model_folder import HELD_OUT
from textcnn.folder.training_rows import read_held_out, write_held_out
from textcnn.labels import Labels
from textcnn.progress import Silent
from textcnn.runs import train_text

ABC = Labels(("a", "b", "c", "d"))


def drawn(number, seed, sure=1.5):
    """Probabilities, and true labels that are drawn from them."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, sure, (number, 4))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (random.random((number, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    return probs, [(ABC.names[i],) for i in targets]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 30))
def test_the_score_of_a_label_is_the_sum_of_those_before_it(seed, number):
    probs, _ = drawn(number, seed)
    scores = set_scores(probs)
    for row, found in zip(probs, scores, strict=True):
        for label in range(4):
            assert found[label] == pytest.approx(row[row > row[label]].sum(), abs=1e-6)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("by_label", [False, True])
def test_sets_hold_the_true_label_as_often_as_promised(coverage, by_label):
    held_out = HeldOutAnswers.of(*drawn(20_000, 0), ABC)
    quantiles, few = held_out.quantiles(coverage, ABC, by_label=by_label)
    assert not few
    probs, truth = drawn(20_000, 1)
    sets = Promise(quantiles=quantiles).sets(probs)
    assert sets.any(axis=1).all()
    assert coverage_of(sets, truth, ABC).reached == pytest.approx(coverage, abs=0.01)
    if by_label:
        for name in ABC.names:
            own = [i for i, row in enumerate(truth) if row == (name,)]
            reached = coverage_of(sets[own], [truth[i] for i in own], ABC).reached
            assert reached == pytest.approx(coverage, abs=0.015)


def test_one_of_two_labels_or_both_as_often_as_needed():
    random = np.random.default_rng(0)
    labels, likely = Labels(("no", "yes")), random.uniform(0.5, 1, 20_000)
    probs = np.column_stack([likely, 1 - likely])
    truth = [("no",) if inside else ("yes",) for inside in random.random(20_000) < likely]
    held_out = HeldOutAnswers.of(probs[:10_000], truth[:10_000], labels)
    sets = Promise(quantiles=held_out.quantiles(0.9, labels)[0]).sets(probs[10_000:])
    found = coverage_of(sets, truth[10_000:], labels)
    assert found.reached == pytest.approx(0.9, abs=0.01)
    assert 1.2 < found.mean_size < 1.6


def test_sets_are_the_most_probable_labels_and_no_larger_than_needed():
    probs, _ = drawn(500, 2)
    quantiles, _ = HeldOutAnswers.of(*drawn(2000, 0), ABC).quantiles(0.9, ABC)
    for row, inside in zip(probs, Promise(quantiles=quantiles).sets(probs), strict=True):
        assert row[inside].min() >= row[~inside].max(initial=0)


def test_a_sure_model_gives_single_labels():
    probs = np.full((1000, 4), 0.001)
    probs[:, 0] = 0.997
    held_out = HeldOutAnswers.of(probs, [("a",)] * 990 + [("b",)] * 10, ABC)
    sets = Promise(quantiles=held_out.quantiles(0.95, ABC)[0]).sets(probs)
    assert sets.sum() == 1000


def test_labels_of_few_rows_take_the_quantile_of_all():
    probs, truth = drawn(2000, 0)
    truth = [("a",) if row == ("d",) and i > 30 else row for i, row in enumerate(truth)]
    held_out = HeldOutAnswers.of(probs, truth, ABC)
    own, few = held_out.quantiles(0.9, ABC, by_label=True)
    assert few == ["d"]
    assert own[3] == held_out.quantiles(0.9, ABC)[0][3]


def test_too_few_rows_for_a_coverage_give_all_labels():
    held_out = HeldOutAnswers.of(*drawn(9, 0), ABC)
    assert np.isinf(held_out.quantiles(0.95, ABC)[0]).all()


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), accuracy=st.floats(0.3, 1), number=st.integers(1, 200))
def test_the_least_confidence_keeps_its_promise_on_its_own_rows(seed, accuracy, number):
    probs, truth = drawn(number, seed)
    held_out = HeldOutAnswers.of(probs, truth, ABC)
    least = held_out.least_confidence(accuracy)
    sure = held_out.confidence >= np.float32(least)
    if sure.any():
        assert held_out.correct[sure].mean() >= accuracy
    for lower in held_out.confidence[held_out.confidence < least]:  # no lower one does
        assert held_out.correct[held_out.confidence >= lower].mean() < accuracy


def test_the_curve_is_that_of_the_most_confident_rows():
    probs = np.array([[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0], [0.7, 0.3, 0, 0], [0.6, 0.4, 0, 0]])
    curve = answered_curve([("a",), ("a",), ("b",), ("a",)], probs, ABC, (1.0, 0.75, 0.5))
    assert [(entry.share, entry.min_probability) for entry in curve] == [(1.0, 0.6), (0.75, 0.7), (0.5, 0.8)]
    assert [entry.accuracy for entry in curve] == pytest.approx([3 / 4, 2 / 3, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda held: held.least_confidence(0), "min_accuracy must be above 0 and at most 1, got 0"),
        (lambda held: held.least_confidence(1.5), "min_accuracy must be above 0"),
        (lambda held: held.quantiles(1.0, ABC), "coverage must be between 0 and 1, got 1"),
    ],
)
def test_numbers_that_promise_nothing_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call(HeldOutAnswers.of(*drawn(20, 0), ABC))


def test_held_out_answers_are_written_and_checked(tmp_path):
    held_out = HeldOutAnswers.of(*drawn(50, 0), ABC)
    write_held_out(held_out, tmp_path / HELD_OUT)
    again = read_held_out(tmp_path / HELD_OUT, 4)
    assert all(np.array_equal(getattr(again, name), getattr(held_out, name)) for name in vars(held_out))
    with pytest.raises(ArtifactError, match="expected answers to rows of 2 labels"):
        read_held_out(tmp_path / HELD_OUT, 2)


# ------------------------------------------------------------------------------------------------- the commands


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a calibrated model, one without calibration, one of several labels, and labelled rows."""
    folder = tmp_path_factory.mktemp("promises")
    random = np.random.default_rng(0)
    words = [f"word{i}" for i in range(40)]

    def rows(number):
        for _ in range(number):
            own = int(random.integers(4))
            sign, share = ("clear", 0.95) if random.random() < 0.5 else ("vague", 0.5)
            given = own if random.random() < share else int(random.integers(4))
            yield " ".join([*random.choice(words, 6), f"{sign}{own}"]), ABC.names[given]

    small = {"epochs": 6, "embedding_dim": 16, "num_filters": 16, "ngram_buckets": 1000}
    train, test = list(rows(800)), list(rows(1000))
    train_text(train, small, Silent()).predictor.save(folder / "model")
    train_text(train, {**small, "calibrate": "none"}, Silent()).predictor.save(folder / "plain")
    many = [(text, [label, "z"]) for text, label in train[:300]]
    train_text(many, small, Silent()).predictor.save(folder / "many")
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in test)
    (folder / "test.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_classify_writes_sets_and_flags(place, suffix, tmp_path):
    output = tmp_path / f"out.{suffix}"
    options = ("--coverage", "0.95", "--min-accuracy", "0.9")
    found = invoke("classify", place / "model", "--input", place / "test.jsonl", "--output", output, *options)
    assert "sets that hold the true label of 95% of rows like the 800 held-out ones" in found.stderr
    assert "accuracy 0.9 from probability 0." in found.stderr
    answers = answers_in(output)
    assert len(answers) == 1000
    assert all(answer["set"][0] == answer["label"] for answer in answers)
    reached = np.mean([answer["input_label"] in answer["set"] for answer in answers])
    assert 0.92 <= reached <= 0.98
    sure = [answer for answer in answers if "unsure" not in answer["flags"]]
    assert 0 < len(sure) < 1000
    assert np.mean([answer["label"] == answer["input_label"] for answer in sure]) > 0.85


def answers_in(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".csv":
        import csv

        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).to_pylist()
    for row in rows:
        row |= {name: json.loads(row[name]) for name in ("set", "flags") if isinstance(row[name], str)}
    return rows


def test_evaluate_says_how_far_the_promises_were_kept(place):
    options = ("--coverage", "0.9", "--coverage-by", "label", "--min-probability", "0.8")
    scores = json.loads(invoke("evaluate", place / "model", place / "test.jsonl", "--json", *options).stdout)
    assert scores["coverage"]["reached"] == pytest.approx(0.9, abs=0.035)
    assert 1 <= scores["coverage"]["mean_size"] <= 4
    assert scores["sure"]["accuracy"] > scores["accuracy"]
    accuracies = [entry["accuracy"] for entry in scores["answered"]]
    assert accuracies[0] == scores["accuracy"] <= accuracies[-1]
    shown = invoke("evaluate", place / "model", place / "test.jsonl", *options).stdout
    assert "accuracy of the most confident rows: 100% 0." in shown
    assert "hold the true label" in shown
    assert "sure: " in shown


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("plain", ("--coverage", "0.9"), "--coverage needs answers to held-out rows"),
        ("plain", ("--min-accuracy", "0.9"), "--min-accuracy needs answers to held-out rows"),
        ("many", ("--coverage", "0.9"), "is for models with one label a row, and this one is multi-label"),
        ("model", ("--coverage-by", "label"), "give --coverage"),
        ("model", ("--coverage", "0.9", "--coverage-by", "row"), "--coverage-by expects label, got 'row'"),
        ("model", ("--coverage", "2"), "coverage must be between 0 and 1, got 2"),
        ("model", ("--min-probability", "2"), r"min_probability must be in \[0, 1\], got 2"),
        ("model", ("--min-probability", "0.5", "--min-accuracy", "0.9"), "leave one out"),
    ],
)
def test_what_cannot_be_promised_is_one_line(place, model, options, message):
    with pytest.raises((ConfigError, AssertionError), match=message):
        invoke("classify", place / model, "a text", *options)


def test_a_probability_alone_needs_no_held_out_rows(place):
    found = invoke("classify", place / "plain", "word1 clear2", "unseen", "--min-probability", "0.99999")
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert all("unsure" in answer["flags"] for answer in answers)


def test_a_saved_model_keeps_its_held_out_answers(place, tmp_path):
    again = textcnn.load(place / "model").save(tmp_path / "copy")
    assert (again / HELD_OUT).read_bytes() == (place / "model" / HELD_OUT).read_bytes()
