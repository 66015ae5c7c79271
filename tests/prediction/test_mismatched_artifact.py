"""Model folders whose parts are of different models, and weights whose header lies."""

import json

import pytest
import safetensors.torch
import torch
from model_folders import edit
from one_layer_models import make

from textcnn.errors import ArtifactError
from textcnn.folder.model_folder import CONFIG, TOKENIZER, WEIGHTS
from textcnn.prediction.artifact import load_artifact
from textcnn.prediction.predictor import Predictor


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
        ({"settings": {"num_filters": [[4]]}}, "."),
        ({"settings": {"kernel_sizes": [3, "4"]}}, "."),
        ({"settings": {"word_ngrams": "two"}}, "has no setting 'word_ngrams'"),
        ({"settings": {"num_filters": 10**9}}, "num_filters is 1000000000, but there are 5 tensors of .* numbers"),
        ({"settings": {"kernel_sizes": [3] * 101}}, "kernel_sizes is a list of 101, but there are 5 tensors"),
        ({"architecture": "lstm", "settings": {"num_layers": 10**9}}, "num_layers is 1000000000, but there are"),
        ({"embedding_dim": 10**9}, "embedding_dim is 1000000000, but there are"),
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


def test_an_activation_that_there_is_not_is_no_other_one(saved):
    """The torch runtime refuses it when it is built; the look-up runtime took it for none."""
    for activation in ("gelu", ["relu"], {"relu": 1}):
        edit(saved / CONFIG, settings={"num_filters": 4, "activation": activation})
        with pytest.raises(ArtifactError, match=r"config\.json: expected an activation of relu, .*, found"):
            Predictor.load(saved, runtime="look-up")


TENSORS = {  # of another shape or type, and how each runtime tells
    "head.bias": (torch.tensor(1.0), r"expected 'head.bias' of shape \(3,\), found \(\)", "size mismatch"),
    "head.weight": (torch.zeros(3, 20, dtype=torch.int32), "expected 'head.weight' of float32, found int32", "int32"),
    "embedding.word.weight": (torch.tensor(1.0), r"of shape \(\d+, 8\), found \(\)", "1 rows in embedding.word.weight"),
    "encoder.bank.weight": (torch.tensor(1.0), "expected rows in 'encoder.bank.weight', found", "size mismatch"),
    "encoder.bias": (torch.zeros(2, 4), r"expected 'encoder.bias' of shape \(3, 4\), found \(2, 4\)", "size mismatch"),
}
OWN_FILTERS = {
    "encoder.convs.0.weight": (torch.tensor(1.0), "expected rows in 'encoder.convs.0.weight', found"),
    "encoder.convs.1.weight": (torch.zeros(4, 7, 0), "expected filters in 'encoder.convs.1.weight', found none"),
}
BANKS = {
    (0, 8, 5): "expected filters in 'encoder.bank.weight', found none",
    (4, 8, 4): r"expected 'encoder.bank.weight' of shape \(4, 8, 5\), found \(4, 8, 4\)",
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_header_that_lies_about_a_tensor(saved, name):
    tensor, by_look_up, by_torch = TENSORS[name]
    state = safetensors.torch.load_file(saved / WEIGHTS)
    assert name in state
    safetensors.torch.save_file({**state, name: tensor}, saved / WEIGHTS)
    with pytest.raises(ArtifactError, match=by_look_up):
        Predictor.load(saved, runtime="look-up")
    with pytest.raises(ArtifactError, match=by_torch):
        load_artifact(saved)


@pytest.mark.parametrize("name", OWN_FILTERS)
def test_a_header_that_lies_about_filters_of_each_width(tmp_path, name):
    folder = make(nested=False).save(tmp_path / "model")
    tensor, message = OWN_FILTERS[name]
    safetensors.torch.save_file({**safetensors.torch.load_file(folder / WEIGHTS), name: tensor}, folder / WEIGHTS)
    with pytest.raises(ArtifactError, match=message):
        Predictor.load(folder, runtime="look-up")


@pytest.mark.parametrize("shape", BANKS)
def test_a_bank_of_another_size(saved, shape):
    state = safetensors.torch.load_file(saved / WEIGHTS)
    safetensors.torch.save_file({**state, "encoder.bank.weight": torch.zeros(shape)}, saved / WEIGHTS)
    with pytest.raises(ArtifactError, match=BANKS[shape]):
        Predictor.load(saved, runtime="look-up")


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (3, "expected kernel_sizes from 1 up, found 3"),
        ([3, "4"], "expected kernel_sizes from 1 up"),
        ([0, 5], "expected kernel_sizes from 1 up"),
        ([], "expected kernel_sizes of 1 to 10,000 words in all, found 0"),
        (list(range(1, 200)), "expected kernel_sizes of 1 to 10,000 words in all, found 19,900"),
    ],
)
def test_nested_widths_that_cannot_be(saved, sizes, message):
    edit(saved / CONFIG, settings={"num_filters": 4, "kernel_sizes": sizes})
    with pytest.raises(ArtifactError, match=rf"config\.json: {message}"):
        Predictor.load(saved, runtime="look-up")


def test_whole_numbers_without_rows(saved):
    state = safetensors.torch.load_file(saved / WEIGHTS)
    del state["embedding.word.weight"]
    state |= {"embedding.word.weight.int8": torch.tensor(1, dtype=torch.int8)}
    state |= {"embedding.word.weight.int8_scale": torch.tensor(1.0)}
    safetensors.torch.save_file(state, saved / WEIGHTS)
    with pytest.raises(ArtifactError, match=r"expected the scales of 0 rows of 'embedding.word.weight.int8'"):
        Predictor.load(saved, runtime="look-up")


def edit_header(path, edit):
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    edit(header)
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + content[8 + size :])


@pytest.mark.parametrize(
    "lie",
    [
        {"data_offsets": [0, 10**15]},
        {"data_offsets": [8, 4]},
        {"data_offsets": [-8, 4]},
        {"data_offsets": "of another tensor"},
        {"shape": [10**12, 20]},
        {"shape": [-3, -20]},
        {"shape": [2**62, 2**62]},
        {"dtype": "F64"},
        {"dtype": "F99"},
    ],
)
def test_a_header_that_lies_about_places(saved, lie):
    def edit(header):
        header["encoder.bias"] |= lie
        if isinstance(lie.get("data_offsets"), str):
            header["encoder.bias"]["data_offsets"] = header["head.bias"]["data_offsets"]

    edit_header(saved / WEIGHTS, edit)
    for load in (load_artifact, lambda folder: Predictor.load(folder, runtime="look-up")):
        with pytest.raises(ArtifactError, match=r"model\.safetensors: expected safetensors weights, but .* damaged"):
            load(saved)
