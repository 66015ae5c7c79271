"""Several seeds as one model, and a wide branch held to a size: from settings to a saved folder."""

from __future__ import annotations

import numpy as np
import pytest

import textcnn
from textcnn.config import Config
from textcnn.errors import ConfigError
from textcnn.models.base import logits_of
from textcnn.prediction.artifact import load_artifact
from textcnn.progress import Silent, StopTraining
from textcnn.runs.images import run_images
from textcnn.runtime.lookup import LookupModel

TEXTS = [f"{word} film number {i % 7} of the year" for i in range(40) for word in ("fine", "poor")]
LABELS = ["good", "bad"] * 40
ASKED = ["", "fine", "a poor film of another year", "number 3"]
SMALL = {"embedding_dim": 6, "num_filters": 4, "epochs": 2, "threads": 1}


class Telling(Silent):
    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def logits(predictor):
    artifact = predictor.artifact
    return logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(ASKED))


def looked_up(folder):
    model = LookupModel.load(folder)
    return model.logits(model.inputs.encode(ASKED))


def test_an_ensemble_answers_as_the_mean_of_its_seeds(tmp_path):
    each = [logits(textcnn.train((TEXTS, LABELS), seed=seed, **SMALL)) for seed in (5, 6)]
    merged = textcnn.train((TEXTS, LABELS), seed=5, ensemble=2, output=tmp_path / "m", **SMALL)
    assert np.abs(each[0] - each[1]).max() > 1e-3
    np.testing.assert_allclose(logits(merged), np.mean(each, 0), atol=1e-5)
    np.testing.assert_array_equal(logits(textcnn.load(tmp_path / "m")), logits(merged))
    np.testing.assert_allclose(looked_up(tmp_path / "m"), np.mean(each, 0), atol=1e-5)
    whole = LookupModel.load(tmp_path / "m", precision="int8").answer(ASKED)
    assert whole.certified.any()
    assert [a for a, sure in zip(whole.labels, whole.certified, strict=True) if sure] == [
        (a,) for a, sure in zip(merged.predict(ASKED), whole.certified, strict=True) if sure
    ]
    assert (merged.artifact.config.embedding_dim, merged.artifact.config.settings["num_filters"]) == (12, 8)
    assert [(entry["member"], entry["epoch"]) for entry in merged.artifact.training["history"]] == [
        (1, 1), (1, 2), (2, 1), (2, 2)
    ]  # fmt: skip


def test_dev_rows_calibrate_the_whole():
    found = textcnn.train((TEXTS, LABELS), dev=(TEXTS, LABELS), ensemble=2, **{**SMALL, "epochs": 6})
    assert found.artifact.training["dev"]["accuracy"] == 1
    assert found.artifact.temperature != 1


@pytest.mark.parametrize("last", [1, 2])
def test_a_run_that_is_stopped_has_the_members_so_far(last):
    class Stopping(Telling):
        def epoch(self, entry):
            if sum("member" in line for line in self.said) == last:
                raise StopTraining

    found = textcnn.train((TEXTS, LABELS), reporter=Stopping(), ensemble=3, **SMALL)
    assert found.artifact.config.embedding_dim == 6 * last
    assert found.artifact.training["stopped"] == "stopped"


def test_a_model_is_continued_as_one(tmp_path):
    textcnn.train((TEXTS, LABELS), output=tmp_path / "m", **SMALL)
    with pytest.raises(ConfigError, match="ensemble is 2, but a model is continued as one"):
        textcnn.train((TEXTS, LABELS), start_from=tmp_path / "m", ensemble=2)


def test_images_have_no_ensemble():
    with pytest.raises(ConfigError, match="ensemble is for the architecture 'kim' with one channel, got 'lenet'"):
        run_images("none.npz", Config.from_flat({"architecture": "lenet", "preset": "accurate"}), Silent())


def test_a_wide_branch_above_its_size_is_made_smaller_and_the_loss_said(tmp_path):
    plain = textcnn.train((TEXTS, LABELS), dev=(TEXTS, LABELS), **SMALL)
    size = len(plain.artifact.model.wide.keys)
    room = size * (12 + 2 * 2) / 2**20  # key, idf and two float16 numbers
    teller = Telling()
    held = textcnn.train(
        (TEXTS, LABELS), dev=(TEXTS, LABELS), reporter=teller, wide_megabytes=room / 2, output=tmp_path / "m", **SMALL
    )
    wide = held.artifact.model.wide
    assert len(wide.keys) == size // 2
    (said,) = (line for line in teller.said if "wide branch" in line)
    assert f"float16, {size // 2} of {size} n-grams" in said
    assert "; dev accuracy " in said
    loaded = load_artifact(tmp_path / "m")
    np.testing.assert_array_equal(logits(textcnn.load(tmp_path / "m")), logits(held))
    assert loaded.model.wide.is_float16
    np.testing.assert_allclose(looked_up(tmp_path / "m"), logits(held), atol=1e-5)
    loaded.save(tmp_path / "again")
    again, first = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("again", "m"))
    assert again == first
    table = plain.artifact.model.wide.table.weight.detach()
    norms = table.half().float().norm(dim=1).sort(descending=True).values
    assert wide.table.weight.norm(dim=1).min() >= norms[size // 2] - 1e-7


def test_a_wide_branch_that_fits_as_float16_loses_no_ngram():
    size = len(textcnn.train((TEXTS, LABELS), **SMALL).artifact.model.wide.keys)
    held = textcnn.train((TEXTS, LABELS), wide_megabytes=size * 16 / 2**20, **SMALL).artifact.model.wide
    assert (len(held.keys), held.is_float16) == (size, True)
    np.testing.assert_array_equal(held.table.weight.detach().half().float(), held.table.weight.detach())


def test_evidence_is_of_the_ngrams_that_are_left():
    size = len(textcnn.train((TEXTS, LABELS), **SMALL).artifact.model.wide.keys)
    held = textcnn.train((TEXTS, LABELS), evidence=True, wide_megabytes=size * 4 / 2**20, **SMALL).artifact
    whole = textcnn.train((TEXTS, LABELS), evidence=True, **SMALL).artifact
    assert len(held.model.wide.keys) < size
    np.testing.assert_array_equal(held.evidence.keys, whole.evidence.keys)
