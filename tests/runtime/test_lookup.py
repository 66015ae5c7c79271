"""The look-up runtime: torch's answers without torch, the same to the bit in any batch and on any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from inspect import signature

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, OPTIONS, make

from textcnn.core import plain, twin
from textcnn.errors import ArtifactError, ConfigError
from textcnn.models.base import logits_of
from textcnn.models.kim import KimEncoder
from textcnn.prediction.artifact import load_artifact
from textcnn.prediction.predictor import Predictor
from textcnn.runtime import one_layer
from textcnn.runtime.lookup import LookupModel

PIECES = ["a", "good", "bad", "film", "unseen", "films", "!", "漢", "über", "\ud800", "\0"]
texts = st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join) | st.text(max_size=8), max_size=6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Every option's model, saved once."""
    place = tmp_path_factory.mktemp("models")
    return {name: make(**options).save(place / name.replace(" ", "-")) for name, options in OPTIONS.items()}


@pytest.fixture(params=["numpy", "core"])
def backend(request, core):
    """The look-up by numpy, and by the core."""
    with plain() if request.param == "numpy" else nullcontext():
        yield request.param


@pytest.mark.parametrize("name", OPTIONS)
def test_logits_are_those_of_torch(folders, name, backend):
    artifact = load_artifact(folders[name])
    expected = logits_of(artifact.model, artifact.inputs, artifact.inputs.encode(ASKED))
    lookup = LookupModel.load(folders[name])
    np.testing.assert_allclose(lookup.logits(lookup.inputs.encode(ASKED)), expected, rtol=1e-6, atol=1e-5)
    found, torch_answers = lookup.answer(ASKED), Predictor(artifact).answer(ASKED)
    assert found.labels == torch_answers.labels
    np.testing.assert_allclose(found.probabilities, torch_answers.probabilities, rtol=0, atol=1e-5)
    for fact in ("empty", "cut", "num_tokens", "num_unknown"):
        np.testing.assert_array_equal(getattr(found, fact), getattr(torch_answers, fact))
    assert found.certified is None


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["default", "multi label", "widths", "tanh"])
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=texts, order=st.randoms())
def test_a_text_has_the_same_bits_in_any_batch_order_and_kernel(core, folders, name, precision, rows, order):
    lookup, fast = (LookupModel.load(folders[name], precision=precision, threads=threads) for threads in (1, 2))
    with plain():
        alone = [lookup.logits(lookup.inputs.encode([row]))[0] for row in rows]
    mixed = [*range(len(rows))] * 3
    order.shuffle(mixed)
    for model, how in ((lookup, plain), (lookup, nullcontext), (fast, nullcontext)):
        with how():
            found = model.logits(model.inputs.encode([*(rows[i] for i in mixed), *["a bad film"] * 300]))
        assert all((found[place] == alone[i]).all() for place, i in enumerate(mixed))


def test_torch_is_not_imported(folders):
    code = (
        "import sys, textcnn\n"
        f"p = textcnn.load({str(folders['default'])!r})\n"
        "p.predict(['a good film']); p.classes_; p.predict_proba(['', 'unseen words'])\n"
        "p.predict(['a good film'] * 300)\n"
        "print([name for name in ('torch', 'sklearn', 'scipy', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]"]


def test_memory_of_rows_is_bounded_and_decides_nothing(folders):
    rows = [f"new{i} word{i * 7} film" for i in range(400)]
    free = LookupModel.load(folders["default"])
    bytes_ = 60 * free.cache.num_bytes // max(len(free.cache) + 1, 1)
    small = LookupModel.load(folders["default"], cache_bytes=bytes_)
    assert (small.predict_proba(rows) == free.predict_proba(rows)).all()
    assert len(free.cache) > 700
    for row in rows:
        small.predict([row])
        assert small.cache.num_bytes <= bytes_
    assert (small.predict_proba(rows[::-1]) == free.predict_proba(rows)[::-1]).all()


def test_a_long_text_takes_the_rows_it_needs(folders):
    small = LookupModel.load(folders["pure"], cache_bytes=1)
    free = LookupModel.load(folders["pure"])
    row = " ".join(f"w{i}" for i in range(3000))
    assert (small.predict_proba([row, "a", row]) == free.predict_proba([row, "a", row])).all()


def test_many_threads_may_ask_at_once(folders):
    lookup = LookupModel.load(folders["default"], threads=2, cache_bytes=20_000)
    rows = [[f"film{i} {j} good bad new{j}" for j in range(300)] for i in range(12)]
    expected = [LookupModel.load(folders["default"]).predict_proba(each) for each in rows]
    with ThreadPoolExecutor(6) as callers:
        for found, wanted in zip(callers.map(lookup.predict_proba, rows), expected, strict=True):
            assert (found == wanted).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_answers_too(folders):
    code = (
        "import os, sys, threading, numpy as np\n"
        "os.environ['TOKENIZERS_PARALLELISM'] = 'false'\n"
        "from textcnn.runtime.lookup import LookupModel\n"
        f"m = LookupModel.load({str(folders['default'])!r}, threads=2)\n"
        "rows = [f'a good film {i}' for i in range(1000)]\n"
        "expected = m.predict_proba(rows)\n"
        "m.cache.lock.acquire()\n"  # as if another thread were making rows when the process forks
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if (m.predict_proba(rows) == expected).all() else 1)\n"
        "m.cache.lock.release()\n"
        "assert (m.predict_proba(rows) == expected).all()\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "0"


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["default", "own filters"])
def test_rows_and_windows_add_up_to_the_features(folders, name, precision):
    lookup = LookupModel.load(folders[name], precision=precision)
    encoded = lookup.inputs.encode(["a good unseenword film"])
    rows, numbers = lookup.rows(encoded.ids, encoded.unseen)
    best = np.empty((1, 3, rows.products.shape[2]), lookup.filters.sum_type)
    windows = lookup.model.filters.sizes, lookup.filters.first_taps
    twin("lookup").pool(rows.products, numbers, encoded.offsets, *windows, best)
    for g, sums in enumerate(lookup.windows(encoded.ids, encoded.unseen)):
        assert len(sums) == 4 + lookup.model.filters.sizes[g] - 1
        assert (sums.max(axis=0) == best[0, g, : sums.shape[1]]).all()


# ---------------------------------------------------------------------------------------------- which runtime


def test_the_predictor_answers_by_look_up_and_has_the_network_at_hand(folders):
    predictor = Predictor.load(folders["default"])
    assert predictor.runtime.describe() == "look-up"
    slow = Predictor.load(folders["default"], runtime="torch")
    assert slow.runtime.describe() == "torch (it was asked for)"
    np.testing.assert_allclose(predictor.predict_proba(ASKED), slow.predict_proba(ASKED), rtol=0, atol=1e-5)
    assert predictor.artifact.config == slow.artifact.config
    encoded, truth = predictor.inputs.encode(ASKED), [("neg",)] * len(ASKED)
    scores, expected = predictor.score(encoded, truth), slow.score(slow.inputs.encode(ASKED), truth)
    assert scores["per_label"] == expected["per_label"]
    assert scores["ece"] == pytest.approx(expected["ece"], abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "kim", "pooling": "kmax"}, "pooling 'kmax' needs every window"),
        ({"architecture": "bag", "word_ngrams": 2, "ngram_rows": 50}, "its word n-grams have vectors of their own"),
    ],
)
def test_a_layer_that_is_no_sum_over_words_is_answered_by_torch_and_says_so(settings, message, make_text, tmp_path):
    folder = make_text(**settings).save(tmp_path / "model")
    predictor = Predictor.load(folder)
    assert predictor.runtime.name == "torch"
    assert predictor.runtime.reason.startswith(message)


def test_a_model_of_more_layers_is_answered_by_torch_and_says_so(make_text, tmp_path):
    folder = make_text(architecture="lstm").save(tmp_path / "model")
    predictor = Predictor.load(folder)
    assert predictor.runtime.name == "torch"
    assert predictor.runtime.reason.startswith("architecture 'lstm' is not one layer; look-up is for kim and bag")
    assert predictor.predict(["a good film"])
    with pytest.raises(ArtifactError, match=r"no look-up runtime: architecture 'lstm' is not one layer"):
        LookupModel.load(folder)
    with pytest.raises(ConfigError, match=r"precision 'int8' needs the look-up runtime, which .*model' does not have"):
        Predictor.load(folder, precision="int8")
    with pytest.raises(ConfigError, match=r"runtime 'look-up' needs the look-up runtime.*architecture 'lstm'"):
        Predictor.load(folder, runtime="look-up")


def test_an_image_model_is_answered_by_torch(image, tmp_path):
    predictor = Predictor.load(image.save(tmp_path / "model"))
    assert predictor.runtime.describe() == "torch (it classifies images, look-up is for texts)"
    with pytest.raises(ArtifactError, match="expected a text model, got an image model"):
        predictor.text_inputs()


@pytest.mark.parametrize("setting", ["precision", "runtime"])
def test_a_choice_that_there_is_not(folders, setting):
    with pytest.raises(ConfigError, match=rf"{setting} must be one of .*, got 'fast'"):
        Predictor.load(folders["default"], **{setting: "fast"})


def test_precision_of_the_model_itself(folders):
    with pytest.raises(ConfigError, match=r"precision must be one of float32, int8, got 'int4'"):
        LookupModel.load(folders["default"], precision="int4")


def test_defaults_are_those_of_the_network():
    parameters = signature(KimEncoder).parameters
    assert parameters["activation"].default == one_layer.ACTIVATION
    assert parameters["pooling"].default == "max+mean"


# ---------------------------------------------------------------------------------------------- damaged folders


def test_weights_that_do_not_fit(folders, tmp_path):
    import json
    import shutil

    import safetensors.numpy

    folder = shutil.copytree(folders["default"], tmp_path / "model")
    weights = safetensors.numpy.load_file(folder / "model.safetensors")

    def saved(**changes):
        content = {name: value for name, value in {**weights, **changes}.items() if value is not None}
        safetensors.numpy.save_file(content, folder / "model.safetensors")
        return folder

    head = weights["head.bias"]
    with pytest.raises(ArtifactError, match=r"expected 'head.bias' of shape \(3,\), found \(2,\)"):
        LookupModel.load(saved(**{"head.bias": head[:2].copy()}))
    with pytest.raises(ArtifactError, match=r"expected a tensor 'head.bias' of shape \(3,\), found none"):
        LookupModel.load(saved(**{"head.bias": None}))
    with pytest.raises(ArtifactError, match=r"expected no further tensors, found another, one"):
        LookupModel.load(saved(one=head, another=head))
    with pytest.raises(ArtifactError, match=r"the weights do not fit config.json"):
        Predictor.load(folder)  # the network has the last word
    (saved() / "model.safetensors").write_bytes(b"\x10" * 30)
    with pytest.raises(ArtifactError, match=r"model.safetensors: expected safetensors weights, but"):
        LookupModel.load(folder)
    config = json.loads((saved() / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "scales": [0.1]}))
    with pytest.raises(ArtifactError, match=r"expected scales of 12 filters, found 1"):
        LookupModel.load(folder, precision="int8")
    (folder / "config.json").write_text(json.dumps({**config, "scales": [-1.0]}))
    with pytest.raises(ArtifactError, match=r"scales is \[-1.0\]"):
        LookupModel.load(folder)
