"""Calibration without dev rows: by answers to rows held out from other models, for a model of all rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import invoke
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_softmax

import textcnn
from textcnn.config import Config, TrainingConfig
from textcnn.errors import ConfigError, DataError
from textcnn.evaluation.branch_weights import fit_weights
from textcnn.evaluation.metrics import log_loss
from textcnn.export.tables import write_tables
from textcnn.labels import Labels
from textcnn.prediction.artifact import load_artifact
from textcnn.progress import Silent
from textcnn.reading.rows import Examples
from textcnn.runs import train_text
from textcnn.runs.calibrate import (
    FEWEST_ROWS,
    MOST_HELD_OUT,
    SPLIT_ROWS,
    calibration_kind,
    held_out_folds,
)
from textcnn.runs.prepare import prepare_text
from textcnn.runs.text import run_text, train_prepared
from textcnn.training.checkpoints import Checkpoints
from textcnn.training.resource_limits import Watch

THREE = Labels(("a", "b", "c"))
SMALL = {"epochs": 8, "batch_size": 32, "embedding_dim": 16, "num_filters": 16, "threads": 1, "ngram_buckets": 1000}


def noisy_rows(number, *, seed=0, multi_label=False):
    """Rows of words by chance and one telling word; one label in four is drawn by chance."""
    random = np.random.default_rng(seed)
    words = [f"word{i}" for i in range(60)]
    rows = []
    for _ in range(number):
        own = int(random.integers(3))
        text = " ".join([*random.choice(words, 8), f"sign{own}"])
        given = own if random.random() < 0.75 else int(random.integers(3))
        label = THREE.names[given]
        rows.append(
            (text, [label, "z"] if multi_label and random.random() < 0.3 else [label] if multi_label else label)
        )
    return rows


@pytest.fixture(scope="module")
def rows():
    return noisy_rows(400)


@pytest.fixture(scope="module")
def run(rows):
    return train_text(rows, SMALL, Silent(), test=noisy_rows(3000, seed=1))


class Killed(BaseException):
    """No part of the library catches it."""


class Counting(Silent):
    def __init__(self, killed_at=0, error=Killed):
        self.steps, self.killed_at, self.error = 0, killed_at, error
        self.said = []

    def say(self, message):
        self.said.append(message)

    def step(self, epoch, loss, tokens_per_second):
        self.steps += 1
        if self.steps == self.killed_at:
            raise self.error


# ------------------------------------------------------------------------------------------------- the weights


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    number=st.integers(30, 200),
    size=st.floats(0.3, 4),
    strength=st.sampled_from([0.0, 10.0]),
    multi_label=st.booleans(),
)
@example(seed=6, number=30, size=0.3, strength=0.0, multi_label=True)  # one weight is pulled over its bound
@example(seed=13, number=60, size=0.3, strength=10.0, multi_label=False)  # and here over the upper one
@example(seed=22, number=60, size=4.0, strength=10.0, multi_label=False)  # a weight of 0.001 is not 0
def test_the_weights_are_those_of_scipy(seed, number, size, strength, multi_label):
    random = np.random.default_rng(seed)
    targets = random.integers(3, size=number)
    branches = [random.normal(0, size, (number, 3)) + share * np.eye(3)[targets] for share in (1.0, 0.5)]
    labels = Labels(THREE.names, multi_label)
    truth = [(THREE.names[i],) for i in targets]
    prior = (1.0, 0.5)

    def loss(weights):
        z = weights[0] * branches[0] + weights[1] * branches[1]
        gap = weights[1] / prior[1] - weights[0] / prior[0]
        if multi_label:
            rows = (np.logaddexp(0, z) - z * np.eye(3)[targets]).sum()
        else:
            rows = -log_softmax(z, axis=1)[np.arange(number), targets].sum()
        return rows + strength * gap * gap / 2

    found = fit_weights(branches, truth, labels, prior=prior, strength=strength)
    expected = minimize(loss, prior, bounds=[(0.05, 20), (0, 20)], options={"ftol": 1e-14, "gtol": 1e-9})
    assert loss(found) <= expected.fun * (1 + 1e-6) + 1e-9
    assert 0.05 <= found[0] <= 20
    assert 0 <= found[1] <= 20


@pytest.mark.parametrize("multi_label", [False, True])
def test_labels_that_a_model_does_not_know_do_not_count(multi_label):
    random = np.random.default_rng(0)
    labels = Labels(("a", "b", "c", "d"), multi_label)
    targets = random.integers(3, size=300)
    branches = [random.normal(0, 2, (300, 3)) + np.eye(3)[targets] for _ in range(2)]
    truth = [(THREE.names[i],) for i in targets]
    expected = fit_weights(branches, truth, Labels(THREE.names, multi_label), prior=(1, 1))
    wider = [np.column_stack([branch, np.full(300, fill)]) for branch, fill in zip(branches, (-np.inf, 0), strict=True)]
    np.testing.assert_allclose(fit_weights(wider, truth, labels, prior=(1, 1)), expected, rtol=1e-4)
    if not multi_label:  # a row of that label says nothing either
        further = [np.vstack([branch, branch[:1]]) for branch in wider]
        np.testing.assert_allclose(fit_weights(further, [*truth, ("d",)], labels, prior=(1, 1)), expected, rtol=1e-4)


def test_a_branch_that_knows_nothing_gets_no_weight():
    random = np.random.default_rng(0)
    targets = random.integers(3, size=2000)
    branches = [2 * np.eye(3)[targets] + random.normal(0, 1, (2000, 3)), random.normal(0, 1, (2000, 3))]
    weights = fit_weights(branches, [(THREE.names[i],) for i in targets], THREE, prior=(1, 1))
    assert weights[1] < 0.1 < weights[0]


# ------------------------------------------------------------------------------------------------- held-out rows


@pytest.mark.parametrize(
    ("number", "kind"),
    [(FEWEST_ROWS - 1, "none"), (FEWEST_ROWS, "folds"), (SPLIT_ROWS - 1, "folds"), (SPLIT_ROWS, "split")],
)
def test_the_number_of_rows_alone_decides(number, kind):
    assert calibration_kind(number, Config()) == kind
    for name in ("none", "split", "folds"):
        assert calibration_kind(number, Config.from_flat({"calibrate": name})) == name


def test_a_fifth_is_held_out_but_no_more_than_is_of_use():
    examples = Examples(["x"] * 1000, [("a",), ("b",)] * 500, False)
    folds = held_out_folds(examples, "split", 0)
    assert (folds == 0).sum() == 200
    assert (folds == -1).sum() == 800
    assert np.bincount(held_out_folds(examples, "folds", 0)).tolist() == [200] * 5
    many = Examples(range(10 * MOST_HELD_OUT), [("a",), ("b",)] * 5 * MOST_HELD_OUT, False)
    assert (held_out_folds(many, "split", 0) == 0).sum() == MOST_HELD_OUT


def test_an_unknown_way_is_refused():
    with pytest.raises(ConfigError, match="calibrate must be auto, none, split, folds"):
        Config.from_flat({"calibrate": "dev"})


# ------------------------------------------------------------------------------------------------- whole runs


def test_probabilities_are_truer_on_further_rows(rows, run):
    plain = train_text(rows, {**SMALL, "calibrate": "none"}, Silent(), test=noisy_rows(3000, seed=1))
    further, labels = noisy_rows(3000, seed=1), run.predictor.labels
    texts, truth = [text for text, _ in further], [(label,) for _, label in further]
    before, after = (log_loss(truth, each.predictor.predict_proba(texts), labels) for each in (plain, run))
    assert after < 0.95 * before
    assert run.summary["test"]["ece"] < plain.summary["test"]["ece"]
    facts = run.summary["calibration"]
    assert (facts["kind"], facts["rows"]) == ("folds", 400)
    assert facts["ece_after"] < facts["ece_before"]
    assert facts["log_loss_after"] < facts["log_loss_before"]


def test_the_weights_of_the_branches_are_as_without_calibration(rows, run):
    plain = train_text(rows, {**SMALL, "calibrate": "none"}, Silent())
    assert plain.predictor.artifact.temperature == 1
    before, after = plain.predictor.artifact.weights, run.predictor.artifact.weights
    assert all(np.array_equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("runtime", ["look-up", "torch"])
def test_every_runtime_answers_by_the_weights_in_the_folder(tmp_path, rows, run, runtime):
    folder = run.predictor.save(tmp_path / "model")
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    texts = [text for text, _ in rows[:40]]
    network, ngrams = run.branches(run.predictor.text_inputs().encode(texts))
    logits = (network + saved["wide_scale"] * ngrams) / saved["temperature"]
    expected = np.exp(log_softmax(logits.astype(np.float64), axis=1))
    predictor = textcnn.load(folder, runtime=runtime)
    np.testing.assert_allclose(predictor.predict_proba(texts), expected, atol=2e-6)
    weights = load_artifact(folder).branch_weights
    assert weights == pytest.approx(
        {"network": 1 / saved["temperature"], "n-grams": saved["wide_scale"] / saved["temperature"]}
    )
    assert weights == pytest.approx(run.summary["calibration"]["weights"])


def test_the_same_settings_give_the_same_calibration(rows, run):
    again = textcnn.train(rows, **flat(run.predictor.artifact.training["config"]))
    assert again.artifact.temperature == run.predictor.artifact.temperature
    assert again.artifact.config == run.predictor.artifact.config


def flat(config):
    sections = Config.from_dict(config).to_dict()
    model = sections["model"]
    return {**sections["training"], **{k: v for k, v in model.items() if k != "settings"}, **model["settings"]}


def test_a_factor_that_was_given_stays(rows):
    run = train_text(rows, {**SMALL, "wide_scale": 0.25, "calibrate": "split"}, Silent())
    assert run.predictor.artifact.config.wide_scale == 0.25
    assert run.predictor.artifact.temperature != 1
    assert run.predictor.artifact.training["config"]["model"]["wide_scale"] == 0.25


def test_settings_that_are_tried_may_give_the_factor(rows):
    prepared = prepare_text(rows, Config.from_flat({**SMALL, "dev_fraction": 0.3}), Silent())
    factors = {
        given: train_prepared(prepared.with_config(Config.from_flat({**SMALL, "wide_scale": given})), Silent())
        for given in (None, 0.25)
    }
    assert factors[0.25].predictor.artifact.config.wide_scale == 0.25
    assert factors[None].predictor.artifact.config.wide_scale not in (0.25, 1.0)


def test_another_architecture_has_a_temperature(rows):
    settings_ = {**SMALL, "architecture": "lstm", "calibrate": "split"}
    del settings_["num_filters"]
    run = train_text(rows, settings_, Silent())
    assert run.summary["road"] == "torch"
    assert run.predictor.artifact.temperature != 1
    assert list(run.summary["calibration"]["weights"]) == ["network"]


def test_thresholds_are_fitted_and_all_rows_train():
    run = train_text(noisy_rows(400, multi_label=True), SMALL, Silent())
    assert run.summary["examples"]["train"] == 400
    assert run.predictor.artifact.thresholds != [0.5] * 4
    plain = train_text(noisy_rows(400, multi_label=True), {**SMALL, "calibrate": "none"}, Silent())
    assert plain.summary["examples"] == {"train": 360, "dev": 40, "test": 0}


def test_a_label_of_few_rows_may_be_missing_from_a_fold(rows):
    run = train_text([*rows, ("a text of its own", "rare")], {**SMALL, "calibrate": "folds"}, Silent())
    assert run.predictor.labels.names == ("a", "b", "c", "rare")
    assert np.isfinite(run.summary["calibration"]["log_loss_after"])


def test_dev_rows_fit_the_weights(rows):
    run = train_text(rows, SMALL, Silent(), dev=noisy_rows(200, seed=2))
    assert run.summary["calibration"]["rows"] == 200
    assert run.predictor.artifact.config.wide_scale != 1


def test_folds_calibrate_the_model_that_is_kept(rows):
    counting = Counting()
    run = train_text(rows, {**SMALL, "calibrate": "none"}, counting, folds=5)
    assert run.predictor.artifact.temperature == 1
    again = Counting()
    run = train_text(rows, SMALL, again, folds=5)
    assert again.steps == counting.steps  # nothing is trained for the calibration alone
    assert run.summary["calibration"]["rows"] == 400
    truth = [(label,) for _, label in rows]
    probs = run.predictor.artifact.folds.probabilities
    assert log_loss(truth, probs, run.predictor.labels) == pytest.approx(
        run.summary["calibration"]["log_loss_after"], 1e-4
    )


def test_dev_rows_that_are_split_off_calibrate_after_folds(rows):
    run = train_text(rows, {**SMALL, "dev_fraction": 0.25}, Silent(), folds=5)
    assert run.summary["examples"] == {"train": 300, "dev": 100, "test": 0}
    assert (run.summary["calibration"]["kind"], run.summary["calibration"]["rows"]) == ("dev", 100)


def test_rows_that_cannot_be_held_out_take_no_time_from_the_model():
    counting = Counting()
    watch = Watch(TrainingConfig(time_limit=100.0))
    few = [("a text", "a"), ("b text", "b")]
    run_text(few, Config.from_flat({**SMALL, "calibrate": "split"}), counting, watch=watch)
    assert watch._fits_left == 0
    assert any("2 rows say too little to calibrate" in message for message in counting.said)


def test_a_continued_model_is_calibrated_again(rows, run):
    further = train_text(noisy_rows(300, seed=5), {"epochs": 2}, Silent(), start_from=run.predictor.artifact)
    assert further.summary["calibration"]["rows"] == 300
    assert further.predictor.artifact.temperature != run.predictor.artifact.temperature


@pytest.mark.parametrize("at", [20, 81, 150])
def test_a_killed_run_goes_on(tmp_path, rows, at):
    """The first model takes 8 epochs of 10 steps, the second one of 13."""

    def train(reporter, **how):
        checkpoints = Checkpoints(tmp_path, seconds=0, **how)
        return train_text(rows, {**SMALL, "calibrate": "split"}, reporter, checkpoints=checkpoints)

    whole = Counting()
    expected = train_text(rows, {**SMALL, "calibrate": "split"}, whole)
    with pytest.raises(Killed):
        train(Counting(at))
    reporter = Counting()
    found = train(reporter, resume=True)
    assert reporter.steps == whole.steps - (at - 1)
    assert found.predictor.artifact.describe() == expected.predictor.artifact.describe()
    weights = expected.predictor.artifact.weights
    assert all(np.array_equal(value, weights[name]) for name, value in found.predictor.artifact.weights.items())


def test_an_interrupted_calibration_leaves_its_model(rows):
    reporter = Counting(25, KeyboardInterrupt)
    run = train_text(rows, {**SMALL, "calibrate": "split"}, reporter)
    assert run.stopped == "interrupted"
    assert run.summary["examples"]["train"] == 320
    assert any("the model of 320 rows" in message for message in reporter.said)


def test_few_rows_are_not_calibrated():
    reporter = Counting()
    run = train_text(noisy_rows(60), SMALL, reporter)
    assert run.summary["calibration"] is None
    assert any("too little to calibrate" in message for message in reporter.said)


def test_a_time_limit_is_shared_by_all_models(rows):
    run = train_text(rows, {**SMALL, "epochs": 100_000, "time_limit": 12.0}, Silent())
    assert 1 <= run.summary["epochs"] < 100_000
    assert run.summary["calibration"]["rows"] == 400


# ------------------------------------------------------------------------------------------------- the command


def test_the_command_calibrates_a_folder(tmp_path, rows):
    plain = train_text(rows, {**SMALL, "calibrate": "none"}, Silent())
    folder = plain.predictor.save(tmp_path / "model")
    file = tmp_path / "further.jsonl"
    further = noisy_rows(300, seed=3)
    file.write_text("".join(json.dumps({"text": t, "label": label}) + "\n" for t, label in further), encoding="utf-8")
    found = invoke("calibrate", folder, file, "-o", tmp_path / "true")
    assert "calibrated on 300 rows: logits = " in found.stdout
    before, after = (load_artifact(place) for place in (folder, tmp_path / "true"))
    assert before.temperature == 1 != after.temperature
    assert all(np.array_equal(value, after.weights[name]) for name, value in before.weights.items())
    assert after.training["calibration"]["kind"] == "rows"
    measured = [json.loads(invoke("evaluate", place, file, "--json").stdout) for place in (folder, tmp_path / "true")]
    assert measured[1]["ece"] < measured[0]["ece"]
    told = json.loads(invoke("calibrate", folder, file, "--json").stdout)  # in place
    assert told["temperature"] == load_artifact(folder).temperature == after.temperature
    shown = invoke("inspect", folder).stdout
    assert f"weights: network {1 / after.temperature:.4g}, n-grams " in shown


def test_rows_without_a_known_label_calibrate_nothing(tmp_path, run):
    folder = run.predictor.save(tmp_path / "model")
    before = (folder / "config.json").read_bytes()
    (tmp_path / "other.csv").write_text("text,label\nword1,x\nword2,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected rows of the model's labels, found none among 2; give others"):
        invoke("calibrate", folder, tmp_path / "other.csv")
    assert (folder / "config.json").read_bytes() == before


def test_tables_for_other_programs_have_the_weights(tmp_path, run):
    predictor = textcnn.load(run.predictor.save(tmp_path / "model"))
    write_tables(predictor.lookup(), tmp_path / "model.tables")
    assert (tmp_path / "model.tables").stat().st_size > 0
