"""`textcnn export`."""

import pytest
from one_layer_models import make
from typer.testing import CliRunner

from textcnn.errors import ConfigError, TextCNNError
from textcnn_cli import console
from textcnn_cli.main import app


@pytest.fixture(autouse=True)
def as_before():
    yield
    console.set_level(0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make().save(tmp_path_factory.mktemp("models") / "default")


def run(*args):
    found = CliRunner().invoke(app, ["export", *map(str, args)])
    if isinstance(found.exception, TextCNNError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found


def test_a_graph_and_its_tokenizer_are_written(model, tmp_path):
    pytest.importorskip("onnxruntime")
    said = run(model, "--format", "onnx", "-o", tmp_path / "new" / "film.onnx").stderr
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["film.onnx", "film.tokenizer.json"]
    assert (tmp_path / "new" / "film.tokenizer.json").read_text() == (model / "tokenizer.json").read_text()
    assert "film.onnx and film.tokenizer.json: " in said
    assert "inputs ids, lengths, ngrams; logits within" in said


def test_a_format_that_there_is_not(model, tmp_path):
    with pytest.raises(ConfigError, match=r"format must be one of onnx.*, got 'tflite'"):
        run(model, "--format", "tflite", "-o", tmp_path / "x")
