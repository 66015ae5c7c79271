"""The model folder: the same logits in a new process, nothing but safetensors and JSON, and every fault told."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import textcnn
from textcnn.errors import ArtifactError
from textcnn.inference import folder as folder_module
from textcnn.inference.artifact import LIBRARIES, Artifact, load_artifact
from textcnn.inference.folder import CARD, CONFIG, FILES, TIMING, TOKENIZER, TRAINING, WEIGHTS
from textcnn.inference.manifest import read_config
from textcnn.inference.predictor import Predictor
from textcnn.labels import Labels
from textcnn.models.forward import logits_of
from textcnn.models.registry import TEXT

TEXTS = ["a good film", "", "bad", "really unseen words , 漢字 \ud800\0", "a " * 300]
LOGITS = f"""
import sys, numpy as np, textcnn
from textcnn.models.forward import logits_of
for folder in sys.argv[2:]:
    artifact = textcnn.load(folder).artifact
    rows = np.load(sys.argv[1], allow_pickle=False) if artifact.modality == "image" else {TEXTS!r}
    np.save(folder + ".npy", logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(rows)))
"""


@pytest.fixture
def saved(text, tmp_path) -> Path:
    return text.save(tmp_path / "model")


def edit(path, **changes):
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(changes)
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not ...}), encoding="utf-8")


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
    assert config["format_version"] == 2
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

    textcnn.load(saved).predict(["good"])  # numba's cache of compiled kernels holds pickles, but the folder does not
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
    saved.rename(folder_module.previous_folder(saved))
    with pytest.raises(
        ArtifactError, match=r"found none; an interrupted save left the previous model in '.*/\.model\.previous'$"
    ):
        textcnn.load(saved)
    assert textcnn.load(folder_module.previous_folder(saved)).predict(["good"])


def test_without_an_exchange_of_folders_a_save_works_too(saved, make_text, monkeypatch):
    monkeypatch.setattr(folder_module, "_exchange", lambda first, second: False)
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


# -------------------------------------------------------------------------------------------------- damaged


@pytest.mark.parametrize("name", [CONFIG, TRAINING, TIMING])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe{}", b'{"a": 1} x', b"[" * 100_000, b'{"a":' * 100_000, b"\0" * 10]
)
def test_a_damaged_document(saved, name, content):
    (saved / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{re.escape(name)}: expected a JSON object, but the file is damaged: .+"):
        load_artifact(saved)


@pytest.mark.parametrize("name", [CONFIG, TRAINING, TIMING])
def test_a_document_that_is_no_object(saved, name):
    (saved / name).write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(ArtifactError, match=rf"{re.escape(name)}: expected a JSON object, found list"):
        load_artifact(saved)


def test_a_damaged_tokenizer(saved):
    (saved / TOKENIZER).write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: expected the JSON of a tokenizer"):
        load_artifact(saved)


def test_a_tokenizer_without_its_unknown_word(saved):
    document = json.loads((saved / TOKENIZER).read_text(encoding="utf-8"))
    del document["model"]["vocab"]["[UNK]"]
    (saved / TOKENIZER).write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: expected the JSON of a tokenizer.*Missing \[UNK\]"):
        load_artifact(saved)


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b"junk" * 50, lambda b: b[:-5], lambda b: b[100:]])
def test_damaged_weights(saved, damage):
    path = saved / WEIGHTS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ArtifactError, match=r"model\.safetensors: expected safetensors weights, but the file is damaged: .+"
    ):
        load_artifact(saved)


@pytest.mark.parametrize("found", [3, 0, "1", None, 1.5, True, [1]])
def test_another_version_of_the_format(saved, found):
    edit(saved / CONFIG, format_version=found)
    shown = re.escape(repr(found))
    message = rf"config.json: expected format_version 1 or 2, found {shown}; use the textcnn that wrote it"
    with pytest.raises(ArtifactError, match=message):
        load_artifact(saved)
    edit(saved / CONFIG, format_version=...)
    with pytest.raises(ArtifactError, match="expected format_version 1 or 2, found None"):
        load_artifact(saved)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modality", "sound"),
        ("modality", ["text"]),
        ("modality", None),
        ("architecture", 5),
        ("embedding_dim", "8"),
        ("embedding_dim", True),
        ("embedding_dim", 0),
        ("binary_sigmoid", 1),
        ("settings", []),
        ("labels", "abc"),
        ("labels", [1, 2, 3]),
        ("labels", ["a", "b", "a"]),
        ("labels", []),
        ("problem_type", "regression"),
        ("problem_type", ["single_label_classification"]),
        ("thresholds", {"a": 0.5}),
        ("thresholds", ["a", "b", "c"]),
        ("thresholds", [0.5, 0.5, None]),
        ("temperature", 0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", "hot"),
        ("temperature", True),
        ("max_length", 0),
        ("max_length", -3),
        ("max_length", "400"),
        ("max_length", 1.5),
        ("labels", ...),
        ("max_length", ...),
        ("thresholds", ...),
        ("settings", ...),
        ("modality", ...),
    ],
)
def test_a_config_that_was_changed(saved, name, value):
    edit(saved / CONFIG, **{name: value})
    with pytest.raises(ArtifactError, match=rf"config\.json: damaged or written by something else: .*{name}"):
        load_artifact(saved)
    with pytest.raises(ArtifactError, match="damaged or written by something else"):
        read_config(saved)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape", [1, 8]),
        ("shape", [3, 8, -8]),
        ("shape", [3, 8, "8"]),
        ("shape", 8),
        ("shape", ...),
        ("mean", [1.0, 2.0]),
        ("mean", ["a", "b", "c"]),
        ("mean", ...),
        ("std", [0.0, 1.0, 1.0]),
        ("std", None),
    ],
)
def test_an_image_config_that_was_changed(image, tmp_path, name, value):
    folder = image.save(tmp_path / "model")
    edit(folder / CONFIG, **{name: value})
    with pytest.raises(ArtifactError, match=rf"config\.json: damaged or written by something else: .*{name}"):
        load_artifact(folder)


def test_all_problems_of_a_config_are_told_together(saved):
    edit(saved / CONFIG, temperature="hot", labels=..., max_length=0, embedding_dim=0)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        load_artifact(saved)
    assert all(name in str(caught.value) for name in ("temperature", "labels is absent", "max_length", "embedding_dim"))
    assert "\n" not in str(caught.value)


def test_a_long_value_is_cut_in_the_message(saved):
    edit(saved / CONFIG, temperature="x" * 100_000)
    with pytest.raises(ArtifactError, match="temperature is 'xxx") as caught:
        load_artifact(saved)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(("count", "multi_label"), [(2, False), (4, True)])
def test_thresholds_that_are_not_one_for_each_label(make_text, tmp_path, count, multi_label):
    folder = make_text("a", "b", "c", multi_label=multi_label).save(tmp_path / "model")
    edit(folder / CONFIG, thresholds=[0.5] * count)
    with pytest.raises(ArtifactError, match=rf"config\.json: .*{count} thresholds for 3 labels"):
        load_artifact(folder)


# ---------------------------------------------------------------------------------- parts of different models


def test_a_vocabulary_that_is_not_that_of_the_weights(saved, make_text):
    document = json.loads((saved / TOKENIZER).read_text(encoding="utf-8"))
    document["model"]["vocab"]["additional"] = len(document["model"]["vocab"])
    (saved / TOKENIZER).write_text(json.dumps(document), encoding="utf-8")
    rows = len(load_rows(saved))
    with pytest.raises(
        ArtifactError,
        match=rf"model\.safetensors has {rows} rows in embedding.word.weight, but there are {rows + 1} types in "
        "tokenizer.json; the files are from different models",
    ):
        load_artifact(saved)


def load_rows(folder):
    return safetensors.torch.load_file(folder / WEIGHTS)["embedding.word.weight"]


def test_labels_that_are_not_those_of_the_head(saved):
    edit(saved / CONFIG, labels=["a", "b"], thresholds=[0.5, 0.5])
    with pytest.raises(
        ArtifactError,
        match=r"model\.safetensors: the weights do not fit config\.json: .*head\.weight.*\[3, 20\].*\[2, 20\]",
    ) as caught:
        load_artifact(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"architecture": "transformer"}, "architecture must be one of kim, .*, got 'transformer'"),
        ({"architecture": "lenet"}, "architecture must be one of kim, .*, got 'lenet'"),
        ({"architecture": "lstm", "settings": {}}, "Missing key"),
        ({"settings": {"width": 3}}, "'kim' has no setting 'width'; it has kernel_sizes, "),
        ({"settings": {"num_filters": 5}}, "size mismatch"),
        ({"settings": {"num_filters": "many"}}, "."),
        ({"settings": {"kernel_sizes": 3}}, "."),
        ({"settings": {"activation": ["relu"]}}, "."),
        ({"embedding_dim": 9}, "size mismatch"),
        ({"binary_sigmoid": True, "labels": ["a", "b"], "thresholds": [0.5, 0.5]}, "size mismatch"),
    ],
)
def test_a_config_that_does_not_fit_the_weights(saved, changes, problem):
    edit(saved / CONFIG, **changes)
    with pytest.raises(ArtifactError, match=rf"the weights do not fit config\.json: .*{problem}"):
        load_artifact(saved)


def test_weights_with_a_name_too_many_or_too_few(saved):
    state = safetensors.torch.load_file(saved / WEIGHTS)
    safetensors.torch.save_file({**state, "extra.weight": torch.zeros(1)}, saved / WEIGHTS)
    with pytest.raises(ArtifactError, match=r"do not fit config\.json: .*extra\.weight"):
        load_artifact(saved)
    del state["head.bias"]
    safetensors.torch.save_file(state, saved / WEIGHTS)
    with pytest.raises(ArtifactError, match=r"do not fit config\.json: .*head\.bias"):
        load_artifact(saved)


def test_text_and_image_models_know_which_they_are(text, image):
    assert (text.modality, image.modality) == ("text", "image")
    with pytest.raises(ArtifactError, match="expected an image model, got a text model; use `textcnn` without `image`"):
        text.image_inputs()
    with pytest.raises(ArtifactError, match="expected a text model, got an image model; use `textcnn image` for it"):
        image.text_inputs()


# ---------------------------------------------------------------------------------------------- writing fails


def test_a_writer_that_fails_leaves_the_old_model(saved, make_text, monkeypatch):
    before = files(saved)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textcnn.inference.artifact.model_card", fail)
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
