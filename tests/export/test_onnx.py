"""ONNX: the graph gives the model's logits for every length and batch size, and the example of the docs runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from one_layer_models import ASKED, OPTIONS, make

import textcnn
from textcnn.config import ModelConfig
from textcnn.errors import ArtifactError, ConfigError, MissingExtraError
from textcnn.export.onnx_file import METADATA, feeds, write_onnx
from textcnn.image.batches import ImageInputs
from textcnn.labels import Labels, Target
from textcnn.models import registry
from textcnn.models.base import build_image_classifier, logits_of
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.predictor import Predictor

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

EXAMPLE = Path(__file__).parents[2] / "docs" / "onnx_example.py"
DEEPER = [
    *((name, {}) for name in registry.TEXT if name not in ("kim", "bag")),
    *(("kim", {"pooling": pooling}) for pooling in ("kmax", "average", "max+average")),
    ("deep", {"kind": "residual", "norm": "group"}),
    ("deep", {"kind": "inception", "norm": "layer", "pool": "average"}),
    ("vdcnn", {"num_filters": 8, "shortcut": True}),
    ("tcn", {"pooling": "last", "norm": "none"}),
    ("rcnn", {"cell": "lstm"}),
    ("clstm", {"pooling": "attention", "bidirectional": True}),
    ("rnn", {"pooling": "mean", "bidirectional": True}),
    ("gru", {"pooling": "last", "bidirectional": True}),
    ("lstm", {"pooling": "attention", "num_layers": 2}),
]
ONE_LAYER = (
    *("default", "words only", "no wide", "tanh", "widths", "sigmoid", "scaled wide", "cut", "vectors"),
    *("two channels", "two channels of words", "bag", "bag of words"),
)
IMAGES = [
    *((name, {}) for name in registry.IMAGE),
    ("resnet", {"bottleneck": True, "norm": "group", "activation": "gelu"}),
    ("inception", {"norm": "layer"}),
]
WORDS = [*"agbnd", "good", "film", "bad", ",", "!", "it's", "musik", "für", "漢", "unseen", "zzz"]


def session_of(artifact, folder):
    export = write_onnx(artifact, folder / "model.onnx")
    return export, onnxruntime.InferenceSession(export.path, providers=["CPUExecutionProvider"])


def texts_of(length, number, random):
    """Texts of at most so many words, one of them of exactly so many, an empty one where there are several."""
    rows = [" ".join(random.choice(WORDS, n)) for n in random.integers(1, length + 1, number)]
    rows[0] = " ".join(random.choice(WORDS, length))
    return [*rows[:-1], ""] if number > 1 else rows


def assert_same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def assert_same_logits(artifact, session, random):
    for length in (1, 6, 50):
        for number in (1, 2, 9):
            rows = artifact.inputs.encode(texts_of(length, number, random))
            found = session.run(["logits"], feeds(artifact, rows))[0]
            assert_same(found, logits_of(artifact.model, artifact.inputs, rows))


@pytest.mark.parametrize("name", ONE_LAYER)
def test_one_layer_models_of_every_option(name, tmp_path, random):
    artifact = make(**OPTIONS[name])
    export, session = session_of(artifact, tmp_path)
    assert_same_logits(artifact, session, random)
    assert export.difference < 1e-4
    rows = artifact.inputs.encode(ASKED)
    found = session.run(["logits"], feeds(artifact, rows))[0]
    assert_same(found, logits_of(artifact.model, artifact.inputs, rows))


@pytest.mark.parametrize(("name", "settings"), DEEPER, ids=lambda v: v if isinstance(v, str) else str(v or ""))
def test_every_other_architecture(name, settings, tmp_path, random):
    artifact = make(architecture=name, wide=False, **settings)
    for parameter in artifact.model.parameters():
        parameter.data *= 0.1  # states of a net with large weights are chaos: rounding decides them
    assert_same_logits(artifact, session_of(artifact, tmp_path)[1], random)


@pytest.mark.parametrize(("name", "settings"), IMAGES, ids=lambda v: v if isinstance(v, str) else str(v or ""))
def test_every_architecture_of_images(name, settings, tmp_path, random):
    torch.manual_seed(0)
    inputs = ImageInputs((3, 16, 12), (90.0, 100.0, 110.0), (60.0, 70.0, 80.0))
    model = build_image_classifier(ModelConfig(name, settings=settings), inputs.shape, Labels(("a", "b", "c"))).eval()
    artifact = Artifact(model, inputs, Labels(("a", "b", "c")), ModelConfig(name, settings=settings))
    export, session = session_of(artifact, tmp_path)
    assert export.tokenizer is None
    for number in (1, 2, 9):
        pixels = random.integers(0, 256, (number, *inputs.shape)).astype(np.uint8)
        found = session.run(["logits"], feeds(artifact, pixels))[0]
        assert_same(found, logits_of(model, inputs, pixels))


def test_what_the_logits_mean_stands_in_the_file(tmp_path):
    artifact = make(multi_label=True, max_length=7)
    _, session = session_of(artifact, tmp_path)
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert about["labels"] == ["neg", "pos", "unsure"]
    assert about["problem_type"] == "multi_label_classification"
    assert about["temperature"] == 1.3
    assert about["thresholds"] == artifact.thresholds
    assert about["max_length"] == 7
    assert about["num_types"] == len(artifact.inputs.tokenizer)
    assert about["subwords"] == {"ngram_min": 2, "ngram_max": 4, "ngram_buckets": 50, "ngrams_per_token": 1024}
    assert "targets" not in about


def test_numbers_are_made_of_logits_by_what_stands_in_the_file(tmp_path, random):
    artifact = make(("price", "share"), targets=(Target(2e5, 1e5, 0.0, 1e6), Target(0.5, 0.1, 0.0, 1.0)))
    _, session = session_of(artifact, tmp_path)
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    texts = ["a good film", "", "bad"]
    logits = session.run(["logits"], feeds(artifact, artifact.text_inputs().encode(texts)))[0]
    mean, std = (np.array([target[name] for target in about["targets"]]) for name in ("mean", "std"))
    expected = Predictor(artifact).predict(texts)
    np.testing.assert_allclose((mean + std * logits / about["temperature"]) / std, np.array(expected) / std, atol=1e-3)


@pytest.mark.parametrize(
    ("artifact", "message"),
    [
        (lambda: make(architecture="bag", word_ngrams=2), "word n-grams are hashed modulo"),
        (lambda: blinded(make()), "blind to words that are found by their letters"),
    ],
)
def test_a_model_without_a_graph_says_why(artifact, message, tmp_path):
    with pytest.raises(ConfigError, match=f"this model cannot be exported to ONNX: .*{message}"):
        write_onnx(artifact(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def blinded(artifact):
    artifact.inputs = type(artifact.inputs)(artifact.inputs.tokenizer, None, None, None, ("good",))
    return artifact


def test_a_graph_that_gives_other_logits_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("textcnn.export.onnx_file.logits_of", lambda *_: np.full((6, 3), 9.0))
    with pytest.raises(ConfigError, match=r"its graph gives logits that differ by \d"):
        write_onnx(make(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=r"cannot write to '.*file/model.onnx': "):
        write_onnx(make(wide=False), tmp_path / "file" / "model.onnx")


def test_without_the_extra_the_line_that_installs_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"`--format onnx` needs the package 'onnx'.*pip install 'textcnn\[exp"):
        write_onnx(make(), tmp_path / "model.onnx")


TEXTS = ["a good film", "unfilmed badness !", "", "it's über 漢字", "good " * 30]


@pytest.mark.parametrize("settings", [{}, {"tokenizer": "bpe"}, {"architecture": "lstm", "tokenizer": "char"}], ids=str)
def test_the_example_of_the_docs_gives_the_labels_of_classify(settings, tmp_path):
    rows = [(f"a good film {n}", "pos") for n in range(9)] + [(f"a bad plot {n}", "neg") for n in range(9)]
    predictor: Predictor = textcnn.train(rows, epochs=2, threads=1, embedding_dim=8, **settings)
    write_onnx(predictor.artifact, tmp_path / "model.onnx")
    command = [sys.executable, str(EXAMPLE), "model.onnx", "model.tokenizer.json", *TEXTS]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    expected = predictor.predict_proba(TEXTS)
    for line, label, row in zip(said, predictor.predict(TEXTS), expected, strict=True):
        name, probability = line.split("\t")
        assert name == label
        assert float(probability) == pytest.approx(row.max(), abs=1e-4)
