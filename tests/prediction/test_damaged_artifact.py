"""Model folders that were damaged or changed: every fault is told, all of them together."""

import json
import os
import re
from dataclasses import fields

import pytest
import safetensors.torch
import torch
from model_folders import edit

from textcnn.errors import ArtifactError
from textcnn.folder.config_json import read_config
from textcnn.folder.model_folder import CONFIG, EVIDENCE, FOLDS, TIMING, TOKENIZER, TRAINING, WEIGHTS
from textcnn.folder.training_rows import EvidenceIndex
from textcnn.prediction.artifact import load_artifact
from textcnn.prediction.predictor import Predictor

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


@pytest.mark.parametrize("found", [5, 0, "1", None, 1.5, True, [1]])
def test_another_version_of_the_format(saved, found):
    edit(saved / CONFIG, format_version=found)
    shown = re.escape(repr(found))
    message = rf"config.json: expected format_version 1, 2, 3 or 4, found {shown}; use the textcnn that wrote it"
    with pytest.raises(ArtifactError, match=message):
        load_artifact(saved)
    edit(saved / CONFIG, format_version=...)
    with pytest.raises(ArtifactError, match="expected format_version 1, 2, 3 or 4, found None"):
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
        ("thresholds", [0.5, 0.5, 10**400]),
        ("temperature", 10**400),
        ("wide_scale", 10**400),
        ("max_length", 10**400),
        ("ngram_buckets", 10**10),
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


@pytest.mark.parametrize("runtime", ["look-up", "torch"])
def test_settings_nested_too_deep(saved, runtime):
    edit(saved / CONFIG, settings={"a": json.loads("[" * 200 + "]" * 200)})
    with pytest.raises(ArtifactError, match=r"config\.json: expected values nested at most 100 deep"):
        Predictor.load(saved, runtime=runtime)


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
    edit(saved / CONFIG, temperature=1.0, embedding_dim="x" * 100_000)
    with pytest.raises(ArtifactError, match="embedding_dim must be int or none, got 'xxx") as caught:
        load_artifact(saved)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(("count", "multi_label"), [(2, False), (4, True)])
def test_thresholds_that_are_not_one_for_each_label(make_text, tmp_path, count, multi_label):
    folder = make_text("a", "b", "c", multi_label=multi_label).save(tmp_path / "model")
    edit(folder / CONFIG, thresholds=[0.5] * count)
    with pytest.raises(ArtifactError, match=rf"config\.json: .*{count} thresholds for 3 labels"):
        load_artifact(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # older versions know no such part
        ({"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "(chunk size must be non-zero|did not match any)"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "Precompiled"),
        ({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a", "b"]]}}, ".*"),
    ],
)
def test_a_tokenizer_that_ends_the_code_that_reads_it(saved, changes, message):
    document = json.loads((saved / TOKENIZER).read_text(encoding="utf-8"))
    (saved / TOKENIZER).write_text(json.dumps({**document, **changes}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=rf"tokenizer\.json: expected the JSON of a tokenizer, but .*{message}"):
        load_artifact(saved)


@pytest.mark.parametrize("runtime", ["look-up", "torch"])
def test_a_tokenizer_of_one_far_id(saved, runtime):
    document = json.loads((saved / TOKENIZER).read_text(encoding="utf-8"))
    document["model"]["vocab"]["far"] = 4_000_000_000
    (saved / TOKENIZER).write_text(json.dumps(document), encoding="utf-8")
    message = r"tokenizer\.json: expected a tokenizer whose ids follow each other, found ids up to 4,000,000,000"
    with pytest.raises(ArtifactError, match=message):
        Predictor.load(saved, runtime=runtime)


@pytest.mark.parametrize("name", [FOLDS, EVIDENCE])
def test_folds_and_evidence_of_another_shape(saved, name):
    names = ("probabilities", "fold", *(entry.name for entry in fields(EvidenceIndex)))
    for tensor in (torch.tensor(1), torch.zeros(2, 2, 2), torch.zeros(2, dtype=torch.int8)):
        safetensors.torch.save_file({entry: tensor.clone() for entry in names}, saved / name)
        with pytest.raises(ArtifactError, match=rf"{re.escape(name)}: expected .* with \d axes, found .* of shape"):
            load_artifact(saved)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER, TRAINING])
def test_links_in_a_model_folder(saved, tmp_path, name):
    """A hub keeps files as links; what leads to no file is no file, and nothing waits for it."""
    (saved / name).rename(tmp_path / "kept")
    (saved / name).symlink_to("../kept")
    assert load_artifact(saved).labels.names == ("neg", "pos", "unsure")
    for target in ("../none", name, "/dev/zero", ".."):
        (saved / name).unlink()
        (saved / name).symlink_to(target)
        with pytest.raises(ArtifactError, match=rf"the model folder lacks {re.escape(name)}"):
            Predictor.load(saved)
    (saved / name).unlink()
    os.mkfifo(saved / name)
    with pytest.raises(ArtifactError, match=rf"the model folder lacks {re.escape(name)}"):
        Predictor.load(saved)


def test_text_and_image_models_know_which_they_are(text, image):
    assert (text.modality, image.modality) == ("text", "image")
    with pytest.raises(ArtifactError, match="expected an image model, got a text model; use `textcnn` without `image`"):
        text.image_inputs()
    with pytest.raises(ArtifactError, match="expected a text model, got an image model; use `textcnn image` for it"):
        image.text_inputs()
