"""Weights in smaller numbers: what is read is what was rounded, and stays so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from model_folders import edit
from one_layer_models import ASKED, make

from textcnn.errors import ArtifactError
from textcnn.export.compress import with_storage
from textcnn.folder.tensors import SCALE, WHOLE, packed, rounded, unpacked
from textcnn.models.base import logits_of
from textcnn.prediction.artifact import load_artifact
from textcnn.runtime.lookup import LookupModel

GOLDEN = Path(__file__).parent.parent / "golden" / "int8-3"
# Of ASKED's first rows, by the code that wrote the folder.
EXPECTED = [
    [0.886307, -0.283843, -0.077243],
    [0.886307, -0.283843, -0.077243],
    [2.666978, -3.015579, -2.312547],
    [2.508986, -4.645578, -2.361161],
    [1.466011, -3.084749, -1.654143],
    [2.423860, -7.279166, -6.603258],
]
floats = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


@given(arrays(np.float32, (4, 3), elements=floats))
def test_a_row_of_int8_moves_by_half_a_step_and_stays(rows):
    small = rounded({"x.weight": rows}, "int8")["x.weight"]
    step = np.abs(rows).max(axis=1, keepdims=True) / 127
    assert (np.abs(small - rows) <= step * 0.5001).all()
    again = packed({"x.weight": small}, "int8")
    first = packed({"x.weight": rows}, "int8")
    assert (again[f"x.weight{WHOLE}"] == first[f"x.weight{WHOLE}"]).all()


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_torch_and_numpy_read_the_same_numbers(storage, random):
    tensors = {name: random.normal(size=shape).astype(np.float32) for name, shape in (("a", (5, 3)), ("b", (4, 3, 2)))}
    tensors |= {"bias": np.ones(3, np.float32), "head.weight": np.full((2, 2), 1 / 3, np.float32)}
    written = packed(tensors, storage)
    by_numpy = unpacked(written, Path())
    by_torch = unpacked({name: torch.from_numpy(value) for name, value in written.items()}, Path())
    assert set(by_numpy) == set(by_torch) == set(tensors)
    for name, value in by_numpy.items():
        assert value.dtype == np.float32
        assert (by_torch[name].numpy() == value).all()
    assert by_numpy["head.weight"] is tensors["head.weight"]
    assert by_numpy["bias"] is tensors["bias"]


def test_float16_has_no_infinity():
    assert np.isfinite(rounded({"a": np.array([[1e30, -1e30]], np.float32)}, "float16")["a"]).all()


def test_scales_must_be_there():
    written = packed({"a.weight": np.ones((2, 2), np.float32)}, "int8")
    del written[f"a.weight{SCALE}"]
    with pytest.raises(ArtifactError, match=r"m: expected the scales of 2 rows of 'a.weight.int8', found none"):
        unpacked(written, Path("m"))


def test_a_folder_of_version_3_answers_as_it_did():
    config = json.loads((GOLDEN / "config.json").read_text())
    assert (config["format_version"], config["storage"]) == (3, "int8")
    model = LookupModel.load(GOLDEN)
    np.testing.assert_allclose(model.logits(model.inputs.encode(ASKED[:6])), EXPECTED, atol=2e-6)
    artifact = load_artifact(GOLDEN)
    by_torch = logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(ASKED[:6]))
    np.testing.assert_allclose(by_torch, EXPECTED, atol=1e-5)


def test_a_storage_that_there_is_not(tmp_path):
    folder = with_storage(make(), "int8").save(tmp_path / "model")
    edit(folder / "config.json", storage="int4")
    for load in (load_artifact, LookupModel.load):
        with pytest.raises(ArtifactError, match="storage is 'int4'"):
            load(folder)
