"""The branch of characters in whole runs: on trial, kept where held-out rows gain by it, and removed elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from commands import invoke
from scipy.special import log_softmax

import textcnn
from textcnn.config import Config
from textcnn.errors import ConfigError
from textcnn.evaluation.metrics import log_loss
from textcnn.labels import Labels
from textcnn.models.weights import CHARACTER_BIAS, CHARACTER_TABLE
from textcnn.progress import Silent
from textcnn.runs import train_text
from textcnn.training.result import LEAST_GAIN, fit_calibration

SMALL = {"epochs": 3, "batch_size": 32, "embedding_dim": 8, "num_filters": 8, "threads": 1, "calibrate": "split"}
VOWELS, CONSONANTS = list("aeiou"), list("bdfgklmnprst")


def made_up(random, length):
    return "".join(random.choice(CONSONANTS) + random.choice(VOWELS) for _ in range(length))


def rows_of_stems(number, seed=0):
    """Rows in which only a sequence of letters inside a word, which hardly occurs twice, tells the label."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        label = int(random.integers(2))
        telling = made_up(random, 2) + ("zev", "xuq")[label] + made_up(random, 2)
        rows.append((" ".join([made_up(random, 1), telling, made_up(random, 3)]), ("a", "b")[label]))
    return rows


def rows_of_words(number, seed=0):
    """Rows of few words by chance, of which one tells the label three times in four."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(number):
        label = int(random.integers(2))
        words = [("in", "up")[label if random.random() < 0.75 else 1 - label], *random.choice(["so", "at", "we"], 3)]
        rows.append((" ".join(words), ("a", "b")[label]))
    return rows


@pytest.fixture(scope="module")
def stems():
    return train_text(rows_of_stems(600), SMALL, Silent())


def loss_of(run, rows):
    texts, truth = [text for text, _ in rows], [(label,) for _, label in rows]
    return log_loss(truth, run.predictor.predict_proba(texts), run.predictor.labels)


def test_a_branch_that_helps_is_kept(stems):
    artifact, facts = stems.predictor.artifact, stems.summary["calibration"]
    assert facts["gain_of_characters"] > LEAST_GAIN
    assert artifact.config.character_scale > 0
    assert list(facts["weights"]) == ["network", "n-grams", "characters"]
    assert artifact.branch_weights == pytest.approx(facts["weights"])
    without = train_text(rows_of_stems(600), {**SMALL, "characters": "none"}, Silent())
    further = rows_of_stems(400, seed=1)
    assert loss_of(stems, further) < 0.9 * loss_of(without, further)
    own = without.predictor.artifact.weights
    assert all(np.array_equal(own[name], value) for name, value in artifact.weights.items() if name in own)


def test_a_branch_that_does_not_help_leaves_no_trace():
    run = train_text(rows_of_words(3000), SMALL, Silent())
    artifact = run.predictor.artifact
    assert run.summary["calibration"]["gain_of_characters"] < LEAST_GAIN
    assert artifact.config.character_scale is None
    assert CHARACTER_TABLE not in artifact.weights
    assert list(artifact.branch_weights) == ["network", "n-grams"]


@pytest.mark.parametrize("runtime", ["look-up", "torch"])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_every_runtime_adds_the_branch(tmp_path, stems, runtime, precision):
    if runtime == "torch" and precision == "int8":
        pytest.skip("torch computes in float32")
    folder = stems.predictor.save(tmp_path / "model")
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    texts = [text for text, _ in rows_of_stems(50, seed=7)]
    network, ngrams, characters = stems.branches(stems.predictor.text_inputs().encode(texts))
    logits = network + saved["wide_scale"] * ngrams + saved["character_scale"] * characters
    expected = np.exp(log_softmax(logits.astype(np.float64) / saved["temperature"], axis=1))
    predictor = textcnn.load(folder, runtime=runtime, **({"precision": precision} if runtime == "look-up" else {}))
    np.testing.assert_allclose(predictor.predict_proba(texts), expected, atol=1e-5 if precision == "float32" else 0.02)
    near = 1e-3 if precision == "float32" else 0.2
    parts = predictor.branches(predictor.text_inputs().encode(texts))  # characters count with the network
    wanted = network + saved["character_scale"] * characters, saved["wide_scale"] * ngrams
    for part, logits in zip(parts, wanted, strict=True):
        np.testing.assert_allclose(part, logits / saved["temperature"], atol=near)


def test_dev_rows_decide_too():
    dev = rows_of_stems(300, seed=3)
    run = train_text(rows_of_stems(500), SMALL, Silent(), dev=dev)
    assert run.summary["calibration"]["kind"] == "dev"
    assert run.predictor.artifact.config.character_scale > 0
    assert loss_of(run, dev) == pytest.approx(run.summary["calibration"]["log_loss_after"], abs=1e-3)


def test_without_held_out_rows_there_is_no_branch():
    run = train_text(rows_of_stems(300), {**SMALL, "calibrate": "none"}, Silent())
    assert run.predictor.artifact.config.character_scale is None


def test_a_factor_that_was_given_stays_without_held_out_rows():
    run = train_text(rows_of_stems(300), {**SMALL, "calibrate": "none", "character_scale": 0.5}, Silent())
    assert run.predictor.artifact.config.character_scale == 0.5
    assert run.predictor.artifact.weights[CHARACTER_BIAS].shape == (2,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pooling": "max"}, "character_scale is 0.5, but the branch is for the architecture 'kim'"),
        ({"wide": False}, "character_scale is 0.5, but the branch is for the architecture 'kim'"),
        ({"subwords": False}, "character_scale is 0.5, but the model has no character n-grams"),
    ],
)
def test_a_branch_that_cannot_be_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        train_text(rows_of_stems(60), {**SMALL, "character_scale": 0.5, **given}, Silent())


def test_several_labels_have_no_such_branch():
    rows = [(text, [label, "c"]) for text, label in rows_of_stems(60)]
    with pytest.raises(ConfigError, match="a text may have several labels, and the branch is for one"):
        train_text(rows, {**SMALL, "character_scale": 0.5}, Silent())


def test_an_unknown_choice_is_refused():
    with pytest.raises(ConfigError, match="characters must be auto, none"):
        Config.from_flat({"characters": "always"})


def test_class_weights_count(stems):
    given = {**SMALL, "calibrate": "none", "character_scale": 1.0}
    weighted = train_text(rows_of_stems(300), {**given, "class_weight": {"a": 30.0}}, Silent())
    plain = train_text(rows_of_stems(300), given, Silent())
    bias = [run.predictor.artifact.weights[CHARACTER_BIAS] for run in (weighted, plain)]
    assert bias[0][0] - bias[0][1] > bias[1][0] - bias[1][1] + 0.2


def test_a_continued_model_keeps_its_branch(stems):
    further = [*rows_of_stems(300, seed=5), ("zug zugzug", "c"), ("zug gugzug", "c")]
    run = train_text(further, {"epochs": 1, "calibrate": "split"}, Silent(), start_from=stems.predictor.artifact)
    before, now = stems.predictor.artifact, run.predictor.artifact
    rows = np.searchsorted(now.text_inputs().lexicon.buckets, before.text_inputs().lexicon.buckets)
    np.testing.assert_array_equal(now.weights[CHARACTER_TABLE][rows, :2], before.weights[CHARACTER_TABLE])
    assert (now.weights[CHARACTER_TABLE][:, 2] == 0).all()
    assert now.config.character_scale > 0
    as_it_was = train_text(
        further[:40], {"epochs": 1, "calibrate": "none"}, Silent(), start_from=stems.predictor.artifact
    )
    assert as_it_was.predictor.artifact.config.character_scale == before.config.character_scale


def test_the_torch_road_has_the_branch_too(monkeypatch):
    monkeypatch.setenv("TEXTCNN_CORE", "none")
    run = train_text(rows_of_stems(400), SMALL, Silent())
    assert run.predictor.artifact.config.character_scale > 0


def test_a_branch_on_trial_counts_only_by_its_gain():
    random = np.random.default_rng(0)
    labels, targets = Labels(("a", "b")), random.integers(2, size=500)
    truth = [(labels.names[i],) for i in targets]
    telling = 2 * np.eye(2)[targets] + random.normal(size=(500, 2))
    noise = random.normal(size=(500, 2))
    for third, is_kept in ((2 * np.eye(2)[targets] + noise, True), (noise, False)):
        branches = [part.astype(np.float32) for part in (telling, telling, third)]
        found = fit_calibration(branches, truth, labels, 1.0, kind="dev", fits_scale=True)
        assert (found.character_scale is not None) == is_kept
        stays = fit_calibration(branches, truth, labels, 1.0, kind="rows", fits_scale=True, character_scale=0.2)
        assert stays.character_scale is not None
        fixed = fit_calibration(branches, truth, labels, 0.3, kind="dev", fits_scale=False)
        assert fixed.scale == 0.3


def test_the_commands_show_the_branch(tmp_path, stems):
    folder = stems.predictor.save(tmp_path / "model")
    shown = invoke("inspect", folder)
    assert "characters" in shown.stdout
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows_of_stems(200)), "utf-8")
    invoke("train", rows, "--output", tmp_path / "none", "--epochs", 1, "--preset", "fast", "--characters", "none")
    assert json.loads((tmp_path / "none" / "config.json").read_text("utf-8"))["character_scale"] is None
