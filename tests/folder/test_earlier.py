"""Folders of every format are read as they were meant: ``golden/multi-label-1`` has a wide branch with a bias.

``golden/nested-4`` is a folder of format 4, whose widths share one bank of filters.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from one_layer_models import ASKED

import textcnn
from textcnn.errors import ArtifactError
from textcnn.folder.config_json import config_of_today
from textcnn.folder.model_folder import CONFIG, TRAINING, WEIGHTS
from textcnn.models.base import logits_of
from textcnn.prediction.artifact import load_artifact
from textcnn.runtime.lookup import LookupModel

FOLDER, NESTED = (Path(__file__).parent.parent / "golden" / name for name in ("multi-label-1", "nested-4"))
# Of ASKED's first rows, by the code that wrote the folder.
EXPECTED = [
    [1.612327, -0.460559, 0.148391],
    [1.612327, -0.460559, 0.148391],
    [3.028970, -0.441351, 4.106824],
    [5.511001, 2.373104, 2.990844],
    [3.963232, -0.665275, 3.166256],
    [4.330772, 0.127588, 6.129998],
]
EXPECTED_NESTED = [
    [0.169388, 0.806991, -0.535153],
    [0.169388, 0.806991, -0.535153],
    [-6.307243, -0.153945, -0.314273],
    [-9.831860, -2.466782, -0.928968],
    [-6.890105, -0.755875, -0.554592],
    [-4.461582, -0.637789, -1.129282],
]
ROWS = ASKED[: len(EXPECTED)]


def by_torch(folder):
    artifact = load_artifact(folder)
    return logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(ROWS))


def by_lookup(folder, precision="float32"):
    model = LookupModel.load(folder, precision=precision)
    return model.logits(model.inputs.encode(ROWS))


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(FOLDER, tmp_path / "model"))


def test_a_multi_label_folder_answers_as_it_did():
    assert json.loads((FOLDER / CONFIG).read_text())["format_version"] == 1
    assert "wide.bias" in safetensors.numpy.load_file(FOLDER / WEIGHTS)
    np.testing.assert_allclose(by_torch(FOLDER), EXPECTED, atol=2e-6)
    np.testing.assert_allclose(by_lookup(FOLDER), EXPECTED, atol=2e-6)
    np.testing.assert_allclose(by_lookup(FOLDER, "int8"), EXPECTED, atol=0.1)


def test_saved_again_it_is_a_folder_of_today_with_the_same_answers(tmp_path):
    again = load_artifact(FOLDER).save(tmp_path / "again")
    config = json.loads((again / CONFIG).read_text())
    assert (config["format_version"], config["wide_scale"]) == (4, 1.0)
    assert config["settings"] == {"nested": False, "num_filters": 4}
    assert "wide.bias" not in safetensors.numpy.load_file(again / WEIGHTS)
    np.testing.assert_array_equal(by_torch(again), by_torch(FOLDER))
    np.testing.assert_array_equal(by_lookup(again, "float32"), by_lookup(FOLDER, "float32"))
    # The steps of int8 are found again when a folder is written.
    np.testing.assert_allclose(by_lookup(again, "int8"), by_lookup(FOLDER, "int8"), atol=1e-3)


def test_a_folder_of_nested_widths_answers_as_it_did():
    config = json.loads((NESTED / CONFIG).read_text())
    assert (config["format_version"], config["settings"]) == (4, {"num_filters": 4})
    assert "encoder.bank.weight" in safetensors.numpy.load_file(NESTED / WEIGHTS)
    np.testing.assert_allclose(by_torch(NESTED), EXPECTED_NESTED, atol=2e-6)
    np.testing.assert_allclose(by_lookup(NESTED), EXPECTED_NESTED, atol=2e-6)
    np.testing.assert_allclose(by_lookup(NESTED, "int8"), EXPECTED_NESTED, atol=0.2)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_sizes_that_an_earlier_folder_leaves_open_are_those_of_then(version):
    saved = {"format_version": version, "modality": "text", "architecture": "kim", "embedding_dim": None}
    config = config_of_today({**saved, "settings": {}})
    assert (config["embedding_dim"], config["settings"]) == (100, {"nested": False, "num_filters": 100})
    given = config_of_today({**saved, "embedding_dim": 7, "settings": {"num_filters": 3, "nested": True}})
    assert (given["embedding_dim"], given["settings"]) == (7, {"nested": True, "num_filters": 3})
    assert config_of_today({**saved, "architecture": "lstm", "settings": {}})["settings"] == {}
    today = {**saved, "format_version": 4, "settings": {}}
    assert config_of_today(today).items() >= today.items()


def test_the_bias_counts_as_much_as_the_branch_did(copied):
    config = json.loads((copied / CONFIG).read_text())
    bias = safetensors.numpy.load_file(copied / WEIGHTS)["wide.bias"]
    for vectors, scale, expected in ((None, None, 1.0), ("v.txt", None, 0.5), (None, 0.25, 0.25), (None, 0, 0)):
        (copied / CONFIG).write_text(json.dumps({**config, "vectors": vectors, "wide_scale": scale}))
        loaded = load_artifact(copied)
        plain = safetensors.numpy.load_file(copied / WEIGHTS)["head.bias"]
        assert loaded.config.wide_scale == loaded.model.wide_scale == expected
        np.testing.assert_allclose(loaded.model.head.bias.detach(), plain + expected * bias, atol=1e-6)


def test_training_goes_on_with_the_scale_that_was_meant():
    found = textcnn.train((["good", "bad"], [("joy",), ("awe",)]), start_from=FOLDER, epochs=1, threads=1)
    assert found.artifact.config.wide_scale == 1.0


def test_training_goes_on_from_settings_that_there_are_no_more(copied):
    """``masks`` was a setting of training in earlier versions."""
    (copied / TRAINING).write_text(json.dumps({"config": {"training": {"masks": "batch"}, "text": {}}}))
    found = textcnn.train((["good", "bad"], [("joy",), ("awe",)]), start_from=copied, epochs=1, threads=1)
    assert found.artifact.config.settings == {"nested": False, "num_filters": 4}


@pytest.mark.parametrize(
    ("bias", "found"), [(None, "none"), (np.zeros(2, np.float32), "(2,)"), (np.zeros((1, 3), np.float32), "(1, 3)")]
)
@pytest.mark.parametrize("load", [load_artifact, LookupModel.load])
def test_without_its_bias_it_is_damaged(copied, load, bias, found):
    weights = safetensors.numpy.load_file(copied / WEIGHTS)
    weights["wide.bias"] = bias
    safetensors.numpy.save_file({name: w for name, w in weights.items() if w is not None}, copied / WEIGHTS)
    message = rf"expected a tensor 'wide\.bias' of shape \(3,\), found {re.escape(found)}"
    with pytest.raises(ArtifactError, match=message):
        load(copied)


def test_a_folder_that_was_written_before_regression_is_read(tmp_path):
    rows = [("good film", "pos"), ("bad film", "neg")] * 4
    predictor = textcnn.train(rows, output=tmp_path / "model", epochs=1, embedding_dim=8, num_filters=4)
    saved = json.loads((tmp_path / "model" / CONFIG).read_text())
    for added in ("targets", "hierarchy", "vector_words"):
        saved.pop(added, None)
    del saved["reading"]["labels"]["numbers"]
    (tmp_path / "model" / CONFIG).write_text(json.dumps(saved))
    again = textcnn.load(tmp_path / "model")
    assert again.schema == predictor.schema
    np.testing.assert_array_equal(again.predict_proba(["good film"]), predictor.predict_proba(["good film"]))


@pytest.mark.parametrize("load", [load_artifact, LookupModel.load])
def test_a_folder_of_today_has_no_such_bias(copied, load):
    config = json.loads((copied / CONFIG).read_text())
    (copied / CONFIG).write_text(json.dumps({**config, "format_version": 2}))  # as every later one
    with pytest.raises(ArtifactError, match=r"wide\.bias"):
        load(copied)
