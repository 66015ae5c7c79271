"""`textcnn inspect`: the table in words and in JSON, of architectures and of saved models."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import torch
from typer.testing import CliRunner

from textcnn.config import ModelConfig, TextConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.image.batches import ImageInputs
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_image_classifier, build_text_classifier
from textcnn.models.summary import formulas
from textcnn.prediction.artifact import Artifact
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn_cli import inspect
from textcnn_cli.main import app

runner = CliRunner()
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny tensors: a second thread only waits
    yield
    torch.set_num_threads(before)


def call(*arguments, **more):
    return runner.invoke(app, ["inspect", *map(str, arguments)], catch_exceptions=False, **more)


def document(*arguments):
    return json.loads(call(*arguments, "--json").stdout.splitlines()[-1])


def untimed(found):
    layers = [{name: value for name, value in layer.items() if name != "time_share"} for layer in found["layers"]]
    return {**found, "layers": layers, "milliseconds": None}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of three saved models: `text`, `unlimited` (multi-label, no max_length) and `image`."""
    folder = tmp_path_factory.mktemp("models")
    tokenizer = Tokenizer.train(["a good film", "a bad one"], TextConfig())
    labels = Labels(("bad", "good", "mixed"))
    config = ModelConfig("kim", embedding_dim=6, settings={"num_filters": 4})
    model = build_text_classifier(config, len(tokenizer), labels)
    Artifact(model, TextPipeline(tokenizer, 30), labels, config, 1.5, [0.5] * 3).save(folder / "text")
    several = Labels(labels.names, multi_label=True)
    Artifact(model, TextPipeline(tokenizer), several, config, 1.0, [0.5] * 3).save(folder / "unlimited")
    config = ModelConfig("lenet", settings={"channels": [2, 3], "hidden_size": 5})
    images = ImageInputs((1, 8, 12), (0.0,), (1.0,))
    model = build_image_classifier(config, images.shape, labels)
    Artifact(model, images, labels, config, 1.0, [0.5] * 3).save(folder / "image")
    return folder


@pytest.mark.parametrize("modality", registry.MODALITIES)
def test_list_names_the_architectures(modality):
    assert call("--list", modality).stdout.split() == list(registry.MODALITIES[modality])
    assert document("--list", modality) == list(registry.MODALITIES[modality])


def test_list_needs_no_torch():
    code = (
        "import sys; from textcnn_cli.main import app; app(['inspect', '--list', 'text'], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(registry.TEXT)


@pytest.mark.parametrize("name", registry.TEXT)
def test_every_text_architecture_has_a_table(name):
    found = document(name)
    assert found["input"] == {"length": 50}
    assert (found["modality"], found["num_labels"], found["vocabulary_size"]) == ("text", 2, 10_000)
    assert found["problems"] == []
    assert found["artifact"] is found["guarantees"] is found["max_length"] is None
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["layers"][0]["parameters"] == 10_000 * 96


@pytest.mark.parametrize("name", registry.IMAGE)
def test_every_image_architecture_has_a_table(name):
    found = document(name, "--input-shape", "3x64x48")
    assert found["input"] == {"shape": [3, 64, 48]}
    assert found["problems"] == []
    assert found["vocabulary_size"] is None


def test_settings_and_length_are_heeded():
    settings = ("kernel_sizes=[2,3]", "num_filters=7", "pooling=max", "embedding_dim=8", "vocabulary_size=20")
    found = document("kim", "--length", 12, *(part for each in settings for part in ("--set", each)))
    shapes = {layer["name"]: layer["output"] for layer in found["layers"]}
    assert shapes == {
        "embedding.word": [12, 8],
        "encoder.bank": [21, 12],
        "encoder.windows.0": [7, 13],
        "encoder.windows.1": [7, 14],
        "encoder": [14],
        "head": [2],
    }
    assert found["parameters"] == 20 * 8 + 7 * (8 * 3 + 2) + 2 * 15
    assert found["multiply_adds"] == 12 * 7 * 24 + 28


def test_the_table_is_whole_on_80_columns():
    shown = call("lenet", "--input-shape", "3x256x256", env={"COLUMNS": "80"}).stdout
    assert "…" not in shown
    lines = [re.split(r"\s*│\s*", line.strip("│ ")) for line in shown.splitlines() if line.startswith("│")]
    assert ["encoder.blocks.0.conv", "Conv2d", "(32,256,256)", "(32,256,256)", "3", "1"] in lines
    assert ["encoder.blocks.0.pool", "MaxPool2d", "(32,128,128)", "(32,128,128)", "4", "2"] in lines
    assert ["encoder.dense.1", "Linear", "(128)", "(128)", "all", "-"] in lines
    assert ["total", "33,574,210", "392,167,680"] in lines
    assert re.search(r"a pass of one image took [0-9.]+ ms here", shown)
    assert "formula and run agree in every layer" in shown
    assert "guaranteed" not in shown


def test_a_text_model_tells_what_it_is(models):
    found = document(models / "text")
    assert found["artifact"] == str(models / "text")
    assert (found["architecture"], found["num_labels"]) == ("kim", 3)
    assert found["problem_type"] == "single_label_classification"
    assert (found["max_length"], found["temperature"], found["vocabulary_size"]) == (30, 1.5, 7)
    assert found["input"] == {"length": 30}
    assert found["layers"][0]["output"] == found["layers"][0]["output_as_run"] == [7, 6]
    assert found["problems"] == []
    [guarantee] = found["guarantees"]
    assert guarantee.startswith("the answer does not depend on batch mates, padding or order")
    shown = call(models / "text", "--length", 9).stdout
    assert "kim on a text of 9 tokens, 7 types, 3 labels" in shown
    for expected in ("temperature: 1.5", "max_length: 30", "problem_type: single_label", f"guaranteed: {guarantee}"):
        assert f"\n{expected}" in shown


def test_a_model_without_a_limit_takes_any_length(models):
    assert document(models / "unlimited")["input"] == {"length": 50}
    found = document(models / "unlimited", "--length", 700)
    assert (found["input"], found["max_length"]) == ({"length": 700}, None)
    assert found["problem_type"] == "multi_label_classification"
    assert "max_length: none" in call(models / "unlimited").stdout


def test_an_image_model_gives_its_shape_itself(models):
    found = document(models / "image")
    assert found["input"] == {"shape": [1, 8, 12]}
    assert untimed(found) == untimed(document(models / "image", "--input-shape", "1x8x12"))
    shown = call(models / "image").stdout
    assert "lenet on an image of 1x8x12, 3 labels" in shown
    assert "padding" not in shown
    assert "max_length" not in shown


def test_a_difference_between_formula_and_run_is_said(monkeypatch):
    broken = {**formulas.FORMULAS, torch.nn.Embedding: lambda module, flow: (flow, (1, 2))}
    monkeypatch.setattr(formulas, "FORMULAS", broken)
    problem = "embedding.word (Embedding): the formula gives (1, 2), the run gave (50, 96)"
    assert document("bag")["problems"] == [problem]
    shown = call("bag").stdout
    assert f"warning: {problem}" in shown
    assert "agree" not in shown


def test_a_layer_without_a_formula_has_dashes():
    unknown = {"name": "x", "kind": "Y", "output": None, "output_as_run": [3], "receptive_field": None, "stride": None}
    assert inspect._shape_row(unknown) == ["x", "Y", "-", "(3)", "-", "-"]


def test_a_name_stands_for_the_architecture_and_a_path_for_the_folder(models, tmp_path, monkeypatch):
    (tmp_path / "lstm").symlink_to(models / "text")
    monkeypatch.chdir(tmp_path)
    done = call("lstm")
    assert "note: 'lstm' is taken as the architecture; for the folder of that name say ./lstm" in done.stderr
    assert "lstm on a text of 50" in done.stdout
    assert document("./lstm")["architecture"] == "kim"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), r"expected a model folder, an architecture \(kim, .*lenet.*\) or layers, got none"),
        (("nothing",), r"expected a model folder, an architecture \(kim, .*\) or layers, got 'nothing'"),
        (("--list", "sound"), "--list expects text or image, got 'sound'"),
        (("lenet",), "'lenet' classifies images and needs their shape; give it, e.g. --input-shape 3x256x256"),
        (("lenet", "--length", "9"), "'lenet' classifies images: expected --input-shape, got --length 9"),
        (("kim", "--input-shape", "3x8x8"), "'kim' classifies texts: expected --length, got --input-shape 3x8x8"),
        (("lenet", "--input-shape", "3x8"), "--input-shape expects channels x height x width, .* got '3x8'"),
        (("lenet", "--input-shape", "3x0x8"), "e.g. 3x256x256, got '3x0x8'"),
        (("lenet", "--input-shape", "3x2x8"), "at least 4 x 4 pixels, got 2 x 8"),
        (("kim", "--set", "hidden_size=3"), "'kim' has no setting 'hidden_size'"),
        (("kim", "--set", "vocabulary_size=1"), "vocabulary_size must be more than 2, got 1"),
    ],
)
def test_what_cannot_be_inspected(arguments, message):
    with pytest.raises(ConfigError, match=message):
        call(*arguments)


def test_what_does_not_fit_a_model(models, tmp_path):
    with pytest.raises(ConfigError, match=r"text' reads 30 tokens of a text, got --length 31; take fewer"):
        call(models / "text", "--length", 31)
    with pytest.raises(ConfigError, match=r"image' takes images of 1x8x12, got --input-shape 3x8x12; leave it out"):
        call(models / "image", "--input-shape", "3x8x12")
    with pytest.raises(ConfigError, match=r"text' classifies texts: expected --length"):
        call(models / "text", "--input-shape", "3x8x12")
    with pytest.raises(ConfigError, match=r"--set is for architectures, and the settings of '.*text' are fixed"):
        call(models / "text", "--set", "num_filters=3")
    with pytest.raises(ArtifactError, match=r"the model folder lacks config\.json"):
        call(tmp_path)
    assert call("kim", "--length", "0").exit_code == 2


def test_the_layers_of_the_tutorial():
    found = document("conv 64@3x3 same, max 2x2", "--input-shape", "3x256x256")
    assert [layer["output"] for layer in found["layers"]] == [[64, 256, 256], [64, 128, 128]]
    assert [layer["output_as_run"] for layer in found["layers"]] == [[64, 256, 256], [64, 128, 128]]
    assert (found["parameters"], found["modality"]) == (64 * (3 * 9 + 1), "image")
    shown = call("conv 64@3x3 same, max 2x2", "--input-shape", "3x256x256").stdout
    assert shown.index("(64,256,256)") < shown.index("(64,128,128)")


@pytest.mark.parametrize(
    ("layers", "shape", "outputs"),
    [
        ("conv 8@5 stride 2 padding 1 dilation 2", "3x50", [[8, 22]]),
        ("conv 6@3 groups 3, max 3 stride 2, average 2", "3x50", [[6, 48], [6, 23], [6, 11]]),
        ("conv 4@1x1,max 2x2 padding 1", "2x7x6", [[4, 7, 6], [4, 4, 4]]),
    ],
)
def test_layers_as_they_are_written(layers, shape, outputs):
    found = document(layers, "--input-shape", shape)
    assert found["problems"] == []
    assert [layer["output"] for layer in found["layers"]] == outputs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv 8@3",), "layers need the shape of their input; give it, e.g. --input-shape 3x256x256, or 100x50"),
        (("conv 8@3x5", "--input-shape", "3x9x9"), "expected layers with commas between them, .* got 'conv 8@3x5'"),
        (("max 8@3", "--input-shape", "3x9"), "expected layers with commas .* got 'max 8@3'"),
        (("conv 8@3 wide", "--input-shape", "3x9"), "expected layers .* got 'wide' in 'conv 8@3 wide'"),
        (("conv 8@3 groups 2", "--input-shape", "3x9"), "'conv 8@3 groups 2' cannot be built on 3 channels: "),
        (("max 2 dilation", "--input-shape", "3x9"), "got 'dilation' in 'max 2 dilation'"),
        (("conv 8@12", "--input-shape", "3x9"), "expected an input that fits the first block and every window"),
        (("conv 8@3", "--length", "3"), "layers take --input-shape alone, got --length or --set with 'conv 8@3'"),
        (("lenet", "--input-shape", "3x8"), "--input-shape expects channels x height x width, .* got '3x8'"),
        (("kim", "--draw", "kim.png"), "--draw writes a file NAME.svg into a folder that is there, got 'kim.png'"),
    ],
)
def test_layers_and_drawings_that_cannot_be(arguments, message):
    with pytest.raises(ConfigError, match=message):
        call(*arguments)


@pytest.mark.parametrize(
    ("arguments", "sees", "unit"),
    [
        (("kim",), 5, "encoder.windows.2"),
        (("kim", "--unit", "encoder.windows.0"), 3, "encoder.windows.0"),
        (("kim", "--set", "nested=false", "--unit", "encoder.convs.0"), 3, "encoder.convs.0"),
        (("conv 4@3, conv 4@3 dilation 2, max 2", "--input-shape", "2x40"), 8, "2"),
        (("resnet", "--input-shape", "1x28x28"), 53, "encoder.blocks.5.blocks.1.conv"),
    ],
)
def test_the_drawing_shows_as_many_places_as_the_unit_sees(tmp_path, arguments, sees, unit):
    call(*arguments, "--draw", tmp_path / "field.svg")
    drawing = ElementTree.parse(tmp_path / "field.svg").getroot()
    texts = ["".join(text.itertext()) for text in drawing.iter(f"{SVG}text")]
    assert any(f"What one unit of {unit} sees" in text for text in texts)
    assert f"the unit sees {sees}" in texts
    marks = [mark for mark in drawing.iter(f"{SVG}rect") if mark.get("class") == "seen"]
    lowest = max(float(mark.get("y")) + float(mark.get("height")) / 2 for mark in marks)
    assert sum(abs(float(mark.get("y")) + float(mark.get("height")) / 2 - lowest) < 0.2 for mark in marks) == sees
    highest = min(float(mark.get("y")) for mark in marks)
    assert sum(float(mark.get("y")) == highest for mark in marks) == 1
    has_image = any("of 28 x 28" in text for text in texts)
    assert has_image is ("1x28x28" in arguments)


def test_what_sees_one_place_or_all_is_not_drawn(tmp_path):
    with pytest.raises(ConfigError, match="there is nothing to draw: no layer has a window"):
        call("lstm", "--draw", tmp_path / "x.svg")
    with pytest.raises(ConfigError, match=r"expected a layer that sees a part .*encoder.windows.0.*, got 'head'"):
        call("kim", "--draw", tmp_path / "x.svg", "--unit", "head")
    assert not (tmp_path / "x.svg").exists()
