"""Artifacts of arrays alone: the same folder and answers as with a network, which is built when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_folders import files
from one_layer_models import ASKED, OPTIONS, make

from textcnn.models.base import logits_of, weights_of
from textcnn.prediction.artifact import load_artifact
from textcnn.prediction.predictor import Predictor
from textcnn.runtime.lookup import LookupModel

WITHOUT_TORCH = """
import sys
from textcnn.config import ModelConfig, TextConfig
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.predictor import Predictor
from textcnn.labels import Labels
from textcnn.models.weights import initial_weights
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

tokenizer, labels = Tokenizer.train(["a good film", "a bad one"], TextConfig()), Labels(("bad", "good"))
config = ModelConfig(embedding_dim=8, settings={"num_filters": 4, "nested": False})
weights = initial_weights(config, len(tokenizer), 0, None, labels, 0)
artifact = Artifact(weights, TextPipeline(tokenizer), labels, config, thresholds=[0.5, 0.5])
answers = Predictor(artifact).predict_proba(["a film", ""])
artifact.save(sys.argv[1])
assert (Predictor.load(sys.argv[1]).predict_proba(["a film", ""]) == answers).all()
assert artifact.num_parameters > 0 and not artifact.has_network
found = {"torch", "sklearn", "scipy", "datasets"} & set(sys.modules)
assert not found, found
"""


def lean(artifact):
    """The same without its network."""
    return replace(artifact, network={name: value.copy() for name, value in artifact.weights.items()})


@pytest.mark.parametrize("option", OPTIONS)
def test_the_folder_and_the_answers_are_those_of_the_network(option, tmp_path):
    whole = make(**OPTIONS[option])
    weights = lean(whole)
    assert (weights.num_parameters, weights.has_network) == (whole.num_parameters, False)
    assert files(weights.save(tmp_path / "weights")) == files(whole.save(tmp_path / "network"))
    predictor, looked_up = Predictor(weights), LookupModel.load(tmp_path / "network")
    assert predictor.runtime.describe() == "look-up"
    np.testing.assert_array_equal(predictor.predict_proba(ASKED), looked_up.predict_proba(ASKED))
    assert not weights.has_network
    encoded = whole.inputs.encode(ASKED)
    np.testing.assert_array_equal(weights.logits_function()(encoded), looked_up.logits(looked_up.inputs.encode(ASKED)))
    np.testing.assert_array_equal(
        logits_of(weights.model, weights.inputs, encoded), logits_of(whole.model, whole.inputs, encoded)
    )
    assert weights.has_network
    np.testing.assert_array_equal(predictor.predict_proba(ASKED), looked_up.predict_proba(ASKED))


def test_a_network_that_has_been_built_is_what_is_saved(tmp_path):
    artifact = lean(make())
    before = artifact.weights["head.bias"].copy()
    with torch.no_grad():
        artifact.model.head.bias += 1
    artifact.save(tmp_path / "m")
    np.testing.assert_array_equal(weights_of(load_artifact(tmp_path / "m").model)["head.bias"], before + 1)


def test_weights_that_look_up_does_not_know_are_answered_by_the_network(make_text):
    whole = make_text(architecture="lstm", hidden_size=4)
    artifact = lean(whole)
    predictor = Predictor(artifact)
    assert predictor.runtime.name == "torch"
    assert "architecture 'lstm' is not one layer" in predictor.runtime.reason
    np.testing.assert_array_equal(predictor.predict_proba(["a film"]), Predictor(whole).predict_proba(["a film"]))


@pytest.mark.parametrize("with_network", [True, False])
def test_weights_are_replaced_by_a_smaller_branch_in_float16(with_network, tmp_path):
    artifact = make() if with_network else lean(make())
    wide = artifact.inputs.wide
    kept = np.arange(0, len(wide.keys), 2)
    artifact.inputs = replace(artifact.inputs, wide=replace(wide, keys=wide.keys[kept], idf=wide.idf[kept]))
    weights = {name: value[kept] if name.startswith("wide.") else value for name, value in artifact.weights.items()}
    artifact.replace_weights({**weights, "wide.table.weight": weights["wide.table.weight"].astype(np.float16)})
    assert artifact.has_network == with_network
    assert artifact.weights["wide.table.weight"].dtype == np.float16
    artifact.save(tmp_path / "m")
    np.testing.assert_allclose(
        Predictor.load(tmp_path / "m").predict_proba(ASKED), Predictor(artifact).predict_proba(ASKED), atol=1e-6
    )


def test_nothing_heavy_is_imported_to_make_save_and_ask_one(tmp_path):
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "m")], check=True)
