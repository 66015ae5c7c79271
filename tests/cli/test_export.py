"""`textcnn export`."""

import re

import pytest
from commands import invoke
from one_layer_models import make

import textcnn
from textcnn.errors import ArtifactError, ConfigError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make().save(tmp_path_factory.mktemp("models") / "default")


def run(*args):
    return invoke("export", *args)


@pytest.mark.slow
def test_a_graph_and_its_tokenizer_are_written(model, tmp_path):
    pytest.importorskip("onnxruntime")
    said = run(model, "--format", "onnx", "-o", tmp_path / "new" / "film.onnx").stderr
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["film.onnx", "film.tokenizer.json"]
    assert (tmp_path / "new" / "film.tokenizer.json").read_text() == (model / "tokenizer.json").read_text()
    assert "film.onnx and film.tokenizer.json: " in said
    assert "inputs ids, lengths, ngrams; logits within" in said


def test_a_format_that_there_is_not(model, tmp_path):
    with pytest.raises(ConfigError, match="format must be one of onnx, tables, got 'tflite'"):
        run(model, "--format", "tflite", "-o", tmp_path / "x")


def test_tables_and_their_reader_are_written(model, tmp_path):
    said = run(model, "--format", "tables", "-o", tmp_path / "film.tables").stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.tables", "textcnn.js", "textcnn.wasm"]
    assert "film.tables, " in said
    assert "and textcnn.js and textcnn.wasm, which read it" in said


def test_a_smaller_folder_is_written_and_its_loss_is_told(model, tmp_path):
    data = tmp_path / "test.csv"
    data.write_text("text,label\na good film,pos\nunseen wordless bad,neg\n")
    said = run(model, "--max-size", "5500", "-o", tmp_path / "small", "--data", data).stdout
    assert sum(path.stat().st_size for path in (tmp_path / "small").iterdir()) <= 5500
    assert re.search(r"small: 5,\d+ bytes; .*default has 8,\d+\ngiven up: weights in int8; no character n-grams", said)
    assert re.search(r"no logit moves by more than [\d.]+, and [\d.]+ times the root of", said)
    assert re.search(r"test.csv, 2 texts:\n  accuracy [\d.]+ -> [\d.]+\n  macro f1 .*\n  labels changed: \d", said)
    assert "texts of kept words and word n-grams: 1; " in said
    assert textcnn.load(tmp_path / "small").classes_ == ["neg", "pos", "unsure"]


def test_without_data_nothing_is_measured(model, tmp_path):
    said = run(model, "--max-size", "1M", "-o", tmp_path / "small").stdout
    assert "given up: nothing\n" in said
    assert said.endswith("measured: nothing, for no --data were given\n")


@pytest.mark.parametrize(("options", "found"), [([], "neither"), (["--format", "onnx", "--max-size", "1M"], "both")])
def test_one_of_both_is_asked_for(model, tmp_path, options, found):
    with pytest.raises(ConfigError, match=rf"expected --format \(onnx or tables\) or --max-size, got {found}"):
        run(model, *options, "-o", tmp_path / "x")


def test_a_folder_of_something_else_is_left_alone(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ArtifactError, match=r"found one that holds 'thesis.tex'"):
        run(model, "--max-size", "1M", "-o", tmp_path)
