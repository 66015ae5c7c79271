"""Cross validation: every row is held out once, alike in every run, and its answers are kept."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import textcnn
from textcnn.config import Config
from textcnn.errors import ArtifactError, ConfigError, DataError
from textcnn.folder.model_folder import FOLDS
from textcnn.progress import Silent
from textcnn.runs import run_text
from textcnn.runs.folds import run_text_folds
from textcnn.training.sampler import stratified_folds
from textcnn_cli.main import app

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 2, "batch_size": 8}
PAIRS = [(f"{word} film number {n}", label) for n in range(9) for word, label in (("good", "pos"), ("bad", "neg"))]
MANY = [(text, [label, "film"] if n % 3 else [label]) for n, (text, label) in enumerate(PAIRS)]


@pytest.fixture(scope="module")
def run():
    return run_text_folds(PAIRS, Config.from_flat(TINY), 3, Silent(), test=PAIRS[:4])


@pytest.mark.parametrize("num_folds", [2, 3, 7])
def test_every_fold_has_its_share_of_every_label(num_folds):
    labels = [("a",)] * 23 + [("b",)] * 5 + [("a", "b")] * 8 + [()]
    fold = stratified_folds(labels, num_folds, seed=0)
    for rows in [fold, fold[:23], fold[23:28], fold[28:36]]:
        sizes = np.bincount(rows, minlength=num_folds)
        assert sizes.sum() == len(rows)
        assert sizes.max() - sizes.min() <= 1
    assert fold.tolist() == stratified_folds(labels, num_folds, seed=0).tolist()
    assert fold.tolist() != stratified_folds(labels, num_folds, seed=1).tolist()


def test_the_answers_to_a_fold_are_those_of_a_model_trained_without_it(run):
    artifact = run.predictor.artifact
    held = artifact.folds.fold == 1
    kept = [pair for pair, out in zip(PAIRS, held, strict=True) if not out]
    other = textcnn.train(kept, **TINY)
    texts = [text for (text, _), out in zip(PAIRS, held, strict=True) if out]
    np.testing.assert_allclose(artifact.folds.probabilities[held], other.predict_proba(texts), rtol=1e-5)
    assert artifact.folds.probabilities.shape == (18, 2)


def test_mean_and_spread_are_those_of_the_folds(run):
    folds = run.summary["folds"]
    assert folds["k"] == 3
    assert [entry["rows"] for entry in folds["runs"]] == [6, 6, 6]
    for name in ("accuracy", "macro_f1", "micro_f1"):
        values = [entry[name] for entry in folds["runs"]]
        assert folds["mean"][name] == pytest.approx(np.mean(values))
        assert folds["std"][name] == pytest.approx(np.std(values, ddof=1))
    names = np.array(run.predictor.classes_)[run.predictor.artifact.folds.probabilities.argmax(1)]
    right = np.mean([name == label for name, (_, label) in zip(names, PAIRS, strict=True)])
    assert folds["mean"]["accuracy"] == pytest.approx(right)


def test_the_model_that_is_kept_is_that_of_all_rows(run):
    plain = run_text(PAIRS, Config.from_flat(TINY), Silent(), test=PAIRS[:4])
    ours, theirs = (found.predictor.artifact.model.state_dict() for found in (run, plain))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert run.summary["test"] == plain.summary["test"]


def test_the_answers_are_saved_and_loaded(run, tmp_path):
    run.predictor.save(tmp_path / "model")
    assert (tmp_path / "model" / FOLDS).is_file()
    loaded = textcnn.load(tmp_path / "model")
    loaded.save(tmp_path / "model")  # a folder with such a file is a model folder too
    again = textcnn.load(tmp_path / "model").artifact.folds
    assert np.array_equal(again.probabilities, run.predictor.artifact.folds.probabilities)
    assert np.array_equal(again.fold, run.predictor.artifact.folds.fold)
    (tmp_path / "model" / FOLDS).write_bytes(b"{}")
    with pytest.raises(ArtifactError, match=r"folds\.safetensors: expected probabilities and folds, but the file is"):
        textcnn.load(tmp_path / "model").artifact  # noqa: B018 - the look-up runtime does not read the file
    run.predictor.artifact.folds.__class__(np.zeros((4, 3), np.float32), np.zeros(4, np.int32)).write(
        tmp_path / "model" / FOLDS
    )
    with pytest.raises(ArtifactError, match=r"expected probabilities of shape \(4, 2\), found \(4, 3\)"):
        textcnn.load(tmp_path / "model").artifact  # noqa: B018


def test_multi_label_folds_have_thresholds_of_their_own():
    run = run_text_folds(MANY, Config.from_flat(TINY), 2, Silent())
    assert run.predictor.artifact.folds.probabilities.shape == (18, 3)
    assert (run.predictor.artifact.folds.probabilities > 0).all()
    assert run.summary["examples"]["dev"] == 2


def test_a_label_of_one_row_has_no_probability_where_it_is_held_out():
    run = run_text_folds([*PAIRS, ("an odd film", "odd")], Config.from_flat(TINY), 3, Silent())
    probabilities = run.predictor.artifact.folds.probabilities
    assert probabilities[-1, run.predictor.classes_.index("odd")] == 0
    assert probabilities.sum(1) == pytest.approx(1)


def test_faults_of_the_user():
    config = Config.from_flat(TINY)
    with pytest.raises(ConfigError, match="folds must be 2 or more, got 1"):
        run_text_folds(PAIRS, config, 1, Silent())
    with pytest.raises(DataError, match="expected as many rows as folds at least, found 18 rows for 19 folds"):
        run_text_folds(PAIRS, config, 19, Silent())
    with pytest.raises(DataError, match=r"fold \d of 2 would leave the labels \['neg'\] alone to train on"):
        run_text_folds([*PAIRS[1::2], ("good film", "pos")], config, 2, Silent())


def test_from_the_command_line(tmp_path):
    lines = ["text,label", *(f"{text},{label}" for text, label in PAIRS)]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = [f"--set={name}={value}" for name, value in TINY.items()]
    command = ["train", str(tmp_path / "train.csv"), *settings, "--folds", "2", "-o", str(tmp_path / "model")]
    found = CliRunner().invoke(app, [*command, "--json"])
    assert found.exit_code == 0, found.output
    folds = json.loads(found.stdout)["folds"]
    assert set(folds) == {"k", "mean", "std", "runs"}
    written = json.loads((tmp_path / "model" / "training.json").read_text(encoding="utf-8"))["folds"]
    assert written["mean"] == folds["mean"]
    assert "train_seconds" not in written["runs"][0]
    assert "folds: accuracy " in CliRunner().invoke(app, command).stdout
