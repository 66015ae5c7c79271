"""The model folder: the same logits in a new process, nothing but safetensors and JSON, and old models kept."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from model_folders import files

import textcnn
from textcnn import atomic
from textcnn.errors import ArtifactError
from textcnn.folder.model_folder import CARD, CONFIG, FILES, LIBRARIES, TIMING, TOKENIZER, TRAINING, WEIGHTS
from textcnn.labels import Labels
from textcnn.models.base import logits_of
from textcnn.models.registry import TEXT
from textcnn.prediction.artifact import Artifact, load_artifact
from textcnn.prediction.predictor import Predictor

TEXTS = ["a good film", "", "bad", "really unseen words , 漢字 \ud800\0", "a " * 300]
LOGITS = f"""
import sys, numpy as np, textcnn
from textcnn.models.base import logits_of
for folder in sys.argv[2:]:
    artifact = textcnn.load(folder).artifact
    rows = np.load(sys.argv[1], allow_pickle=False) if artifact.modality == "image" else {TEXTS!r}
    np.save(folder + ".npy", logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(rows)))
"""


# ------------------------------------------------------------------------------------------------ there and back


def test_a_new_process_gives_the_same_logits_to_the_bit(make_text, image, tmp_path):
    artifacts = {f"text-{name}": make_text(architecture=name) for name in TEXT}
    artifacts["multi"] = make_text("x", "y", multi_label=True, max_length=5)
    artifacts["image"] = image
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    folders = [str(artifact.save(tmp_path / name)) for name, artifact in artifacts.items()]
    command = [sys.executable, "-W", "error", "-c", LOGITS, str(tmp_path / "pixels.npy"), *folders]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    for name, artifact in artifacts.items():
        rows = pixels if name == "image" else TEXTS
        here = logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(rows))
        assert here.tobytes() == np.load(tmp_path / f"{name}.npy").tobytes(), name


def test_all_that_an_artifact_knows_is_there_again(make_text, image, tmp_path):
    original = make_text("ja", "nein", "漢|字", multi_label=True, max_length=7, num_filters=3, kernel_sizes=[2, 3])
    original.temperature, original.thresholds = 0.1 + 0.2, [1 / 3, 0.5, 1e-12]
    original.training, original.timing = {"history": [{"epoch": 1}], "data": {"name": "x"}}, {"train_seconds": 1.5}
    for number, artifact in enumerate((original, image)):
        loaded = load_artifact(artifact.save(tmp_path / str(number)))
        for name in ("labels", "config", "temperature", "thresholds", "training", "timing", "modality"):
            assert getattr(loaded, name) == getattr(artifact, name), name
        assert loaded.describe() == artifact.describe()
        assert not loaded.model.training
        state, expected = loaded.model.state_dict(), artifact.model.state_dict()
        assert list(state) == list(expected)
        assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert load_artifact(tmp_path / "0").text_inputs().max_length == 7
    assert load_artifact(tmp_path / "1").image_inputs() == image.inputs


def test_saving_what_was_loaded_writes_the_same_bytes(saved, tmp_path):
    again = load_artifact(saved).save(tmp_path / "again")
    assert files(again) == files(saved)


def test_the_folder_holds_safetensors_and_json_and_no_pickle(saved, image, tmp_path):
    assert set(files(saved)) == set(FILES)
    assert set(files(image.save(tmp_path / "image"))) == set(FILES) - {TOKENIZER}
    for content in files(saved).values():
        assert not content.startswith((b"\x80", b"PK"))  # a pickle, or the archive torch.save makes
    config = json.loads((saved / CONFIG).read_text(encoding="utf-8"))
    assert config["format_version"] == 4
    assert config["modality"] == "text"
    assert config["architecture"] == "kim"
    assert config["problem_type"] == "single_label_classification"
    assert config["labels"] == ["neg", "pos", "unsure"]
    assert set(config["versions"]) == set(LIBRARIES)
    assert config["versions"]["textcnn"] == textcnn.__version__
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o644}


def test_weights_are_named_as_the_modules_name_them(saved, text):
    assert set(safetensors.torch.load_file(saved / WEIGHTS)) == set(text.model.state_dict())
    assert "embedding.word.weight" in text.model.state_dict()


def test_an_unpickler_is_never_called(saved, monkeypatch):
    import pickle

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was opened")

    textcnn.load(saved).predict(["good"])
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert textcnn.load(saved).predict(["good"])


def test_names_that_are_no_unicode_can_be_saved(make_text, tmp_path):
    """A path in another encoding reaches Python as lone surrogates, and training.json holds the path."""
    artifact = make_text("a\udcff", "b")
    artifact.training = {"data": {"name": os.fsdecode(b"caf\xe9.csv")}}
    loaded = load_artifact(artifact.save(tmp_path / "model"))
    assert loaded.labels == artifact.labels
    assert loaded.training == artifact.training


# ------------------------------------------------------------------------------------------------- model card


def test_the_card_says_what_the_model_is(make_text, tmp_path):
    artifact = make_text(*(f"label-{n:02}" for n in range(40)))
    artifact.training = {
        "data": {"name": "reviews.csv"},
        "examples": {"train": 12_345},
        "dev": {"n": 1_000, "accuracy": 0.91, "macro_f1": 0.9},
        "test": None,
    }
    card = (artifact.save(tmp_path / "model") / CARD).read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: textcnn\npipeline_tag: text-classification\n")
    assert "Trained on reviews.csv (12,345 rows)." in card
    assert "| dev | 1,000 | 0.9100 | 0.9000 |" in card
    assert "`label-29` and 10 more" in card
    assert "label-30" not in card


def test_the_card_of_an_image_model(image, tmp_path):
    assert "pipeline_tag: image-classification" in (image.save(tmp_path / "m") / CARD).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------ not whole


def test_no_folder(tmp_path):
    with pytest.raises(ArtifactError, match=r"expected a model folder at '.*nowhere', found none$"):
        load_artifact(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"expected a model folder at '.*file', found none$"):
        load_artifact(tmp_path / "file")


def test_only_the_previous_folder_is_there(saved, monkeypatch):
    """The moment between two renames, where folders cannot be exchanged in one step."""
    saved.rename(atomic.previous_folder(saved))
    with pytest.raises(
        ArtifactError, match=r"found none; an interrupted save left the previous model in '.*/\.model\.previous'$"
    ):
        textcnn.load(saved)
    assert textcnn.load(atomic.previous_folder(saved)).predict(["good"])


def test_without_an_exchange_of_folders_a_save_works_too(saved, make_text, monkeypatch):
    monkeypatch.setattr(atomic, "_exchange", lambda first, second: False)
    make_text("other", "labels").save(saved)
    assert load_artifact(saved).labels.names == ("other", "labels")
    assert os.listdir(saved.parent) == ["model"]


def test_every_missing_file_is_reported_at_once(saved):
    for name in (WEIGHTS, TOKENIZER, TIMING):
        (saved / name).unlink()
    with pytest.raises(
        ArtifactError,
        match=r"model: the model folder lacks model.safetensors, timing.json, tokenizer.json; "
        r"it holds README.md, config.json, training.json$",
    ):
        load_artifact(saved)
    (saved / CONFIG).unlink()
    with pytest.raises(ArtifactError, match=r"lacks config.json, model.safetensors, timing.json, tokenizer.json"):
        load_artifact(saved)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER, TRAINING, TIMING])
def test_each_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=rf"lacks {re.escape(name)}; it holds"):
        load_artifact(saved)


def test_an_empty_folder(tmp_path):
    with pytest.raises(ArtifactError, match=r"lacks config.json, .*; it holds nothing"):
        load_artifact(tmp_path)


def test_an_image_model_needs_no_tokenizer_and_no_model_needs_its_card(image, saved, tmp_path):
    image.save(tmp_path / "image")
    for folder in (saved, tmp_path / "image"):
        (folder / CARD).unlink()
        load_artifact(folder)


# ---------------------------------------------------------------------------------------------- writing fails


def test_a_writer_that_fails_leaves_the_old_model(saved, make_text, monkeypatch):
    before = files(saved)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textcnn.prediction.artifact.model_card", fail)
    with pytest.raises(ArtifactError, match=r"cannot write a model to '.*model': No space left on device"):
        make_text("other", "labels").save(saved)
    assert files(saved) == before
    assert os.listdir(saved.parent) == ["model"]


@pytest.mark.parametrize("most", [100, 5_000])
def test_a_full_disk_leaves_the_old_model(saved, make_text, most):
    """A limit on the size of a file stands for it: the weights, or a document, cannot be written."""
    before = files(saved)
    bigger = make_text("other", "labels", num_filters=200 if most > 1_000 else 4)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        with pytest.raises(ArtifactError, match=r"cannot write a model to '.*model': .*File too large"):
            bigger.save(saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(saved) == before
    assert os.listdir(saved.parent) == ["model"]


def test_a_saved_model_replaces_all_of_the_old_one(saved, image):
    image.save(saved)
    assert set(files(saved)) == set(FILES) - {TOKENIZER}
    assert load_artifact(saved).modality == "image"
    assert os.listdir(saved.parent) == ["model"]


def test_a_moved_folder_is_still_a_model(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "copy")
    shutil.rmtree(saved)
    assert Predictor.load(tmp_path / "copy").predict(["good"])


def test_an_artifact_says_what_it_is_in_json(text):
    described = replace(text, labels=Labels(("a", "b", "c"))).describe()
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert isinstance(text, Artifact)
