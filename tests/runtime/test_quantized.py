"""Int8: whole logits that are the same everywhere, and proofs that hold."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from one_layer_models import ASKED, OPTIONS, make

import textcnn
from textcnn.core import plain, twin
from textcnn.core.lookup_numpy import hyperbolic_tangent
from textcnn.core.numeric import ExactProduct
from textcnn.errors import ConfigError
from textcnn.runtime.filters import FilterWeights, IntegerFilters
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.tokenizer import Tokenizer

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {name: make(**options).save(place / name.replace(" ", "-")) for name, options in OPTIONS.items()}


def made_up(number, seed=0):
    """Texts of words a model knows and does not know, the same on every machine."""
    words = "a|good|bad|film|plot|with|and|really|fine|!|,|it's|漢|über||unseen|filming|xyzzy".split("|")  # noqa: SIM905
    state, rows = seed, []
    for _ in range(number):
        row = []
        for _ in range(state % 23):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            row.append(words[(state >> 33) % len(words)])
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
        state = (state >> 7) % 2**61 + state % 1_000_003
        rows.append(" ".join(row))
    return rows


def digest(logits):
    return hashlib.sha256(np.ascontiguousarray(logits, "<i8").tobytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model", "nested-4"])
def test_one_hash_over_ten_thousand_texts_and_a_golden_value(core, name):
    rows = made_up(10_000)
    found = set()
    for how, threads in ((plain, 1), (nullcontext, 1), (nullcontext, 2)):
        with how():
            model = LookupModel.load(GOLDEN / name, precision="int8", threads=threads)
            whole = model.whole_logits(model.inputs.encode(rows))
            found.add(digest(whole))
            parts = [model.whole_logits(model.inputs.encode(rows[i : i + 777])) for i in range(0, len(rows), 777)]
            found.add(digest(np.concatenate(parts)))
            turned = model.whole_logits(model.inputs.encode(rows[::-1]))
            found.add(digest(turned[::-1]))
    golden = json.loads((GOLDEN / "golden.json").read_text())[name]
    assert found == {golden["sha256"]}
    assert whole[: len(golden["first"])].tolist() == golden["first"]


@pytest.mark.parametrize("name", OPTIONS)
def test_certified_labels_are_those_of_float32(folders, name):
    rows = [*ASKED, *made_up(1500)]
    floats, whole = (LookupModel.load(folders[name], precision=p) for p in ("float32", "int8"))
    expected, found = floats.answer(rows), whole.answer(rows)
    wrong = [a != b for a, b in zip(expected.labels, found.labels, strict=True)]
    assert not (np.array(wrong) & found.certified).any()
    assert found.certified.mean() > 0.5
    # What is not certified may have clipped products, and be anywhere.
    sure = found.certified
    np.testing.assert_allclose(found.probabilities[sure], expected.probabilities[sure], rtol=0, atol=0.1)
    assert found.empty.any()
    assert found.certified[found.empty].all()


@pytest.mark.parametrize("name", ["default", "leaky", "tanh", "identity", "multi label"])
def test_the_interval_of_every_logit_holds_float32s(folders, name):
    rows = made_up(800, seed=5)
    floats, whole = (LookupModel.load(folders[name], precision=p) for p in ("float32", "int8"))
    encoded = whole.inputs.encode(rows)
    exact = floats.logits(floats.inputs.encode(rows)) * 2.0**36
    found = whole.whole_logits(encoded)
    tokens, numbers = encoded, whole.rows(encoded.ids, encoded.unseen)
    sizes = whole.model.filters.sizes
    products, first_taps = numbers[0].products, whole.filters.first_taps
    best = np.empty((len(rows), len(sizes), products.shape[2]), np.int16)
    twin("lookup").pool(products, numbers[1], tokens.offsets, sizes, first_taps, best)
    least, greatest = whole.filters.bounds(best, found)
    filled = encoded.lengths > 0
    sums = np.concatenate([[0], np.cumsum(numbers[0].clipped[numbers[1]])])
    filled &= sums[encoded.offsets[1:]] == sums[encoded.offsets[:-1]]
    assert filled.sum() > 400
    assert (least <= exact)[filled].all()
    assert (exact <= greatest)[filled].all()
    chosen = found.argmax(axis=1)
    margins = whole.filters.margins(best, found, chosen)
    true = np.take_along_axis(exact, chosen[:, None], 1) - exact
    others = np.arange(exact.shape[1]) != chosen[:, None]
    assert (margins <= true)[filled[:, None] & others].all()


def test_a_clipped_row_is_not_certified(folders, tmp_path):
    folder = shutil.copytree(folders["pure"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["scales"] = [step / 4 for step in config["scales"]]
    (folder / "config.json").write_text(json.dumps(config))
    model = LookupModel.load(folder, precision="int8")
    rows = [*model.inputs.tokenizer.types()[2:]]
    found = model.answer(rows)
    encoded = model.inputs.encode(rows)
    held, numbers = model.rows(encoded.ids)
    assert held.products.min() == -127
    assert held.clipped[numbers].any()
    clipped = np.array([held.clipped[n] for n in numbers[encoded.offsets[:-1]]])
    assert not found.certified[clipped].any()


def test_a_folder_without_scales_gets_them_when_it_is_read(folders, tmp_path):
    folder = shutil.copytree(folders["own filters"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    assert len(config.pop("scales")) == 12
    (folder / "config.json").write_text(json.dumps({**config, "format_version": 1}))
    older, newer = (LookupModel.load(place, precision="int8") for place in (folder, folders["own filters"]))
    rows = made_up(300)
    assert (older.whole_logits(older.inputs.encode(rows)) == newer.whole_logits(newer.inputs.encode(rows))).all()


def test_whole_logits_of_a_float32_model(folders):
    model = LookupModel.load(folders["default"])
    with pytest.raises(ConfigError, match=r"whole logits need precision 'int8', .* loaded with 'float32'"):
        model.whole_logits(model.inputs.encode(["a"]))


def test_thresholds_at_their_ends(folders):
    whole, floats = (textcnn.load(folders["multi label"], precision=p) for p in ("int8", "float32"))
    rows = made_up(200)
    for threshold in (0, 1, 0.5, 1e-300, 1 - 1e-16):
        found, expected = whole.answer(rows, threshold=threshold), floats.answer(rows, threshold=threshold)
        same = np.array([a == b for a, b in zip(found.labels, expected.labels, strict=True)])
        assert same[found.certified].all()


def weights(size=3, head=1.0, activation="relu"):
    ones = np.ones((2 * size, 4), np.float32)
    return FilterWeights(np.array([size]), ones, np.zeros(2, np.float32), np.full((2, 2), head, np.float32), activation)


def test_what_int8_refuses():
    with pytest.raises(ConfigError, match=r"windows of at most 258 words, the model has kernel size 259; use float32"):
        IntegerFilters(weights(259), [1.0, 1.0])
    with pytest.raises(ConfigError, match=r"needs logits below 65,536 in size, this model"):
        IntegerFilters(weights(3, head=1e6), [1.0, 1.0])


def test_an_exact_product_does_not_depend_on_how_many_rows_there_are():
    random = np.random.default_rng(0)
    matrix = random.normal(size=(37, 301)).astype(np.float32) * 10.0 ** random.integers(-3, 3, (37, 1))
    vectors = random.normal(size=(50, 301)).astype(np.float32) * 10.0 ** random.integers(-3, 3, (50, 1))
    vectors[3] = 0
    product = ExactProduct(matrix.astype(np.float32))
    together = product(vectors.astype(np.float32))
    for i in range(50):
        assert (product(vectors[i : i + 1].astype(np.float32))[0] == together[i]).all()
    exact = vectors.astype(np.float32).astype(np.float64) @ matrix.astype(np.float32).astype(np.float64).T
    size = np.abs(vectors).max(axis=1)[:, None] * np.abs(matrix).max(axis=1)
    assert (np.abs(together - exact) <= 2 * 301 * 2.0**-22 * size).all()


def test_tanh_is_tanh():
    x = np.concatenate([np.linspace(-30, 30, 10_001), [0.0, 1e-300, -1e-9]])
    np.testing.assert_allclose(hyperbolic_tangent(x), np.tanh(x), rtol=1e-11, atol=1e-12)


def test_real_texts_keep_their_labels(data_folder, tmp_path):
    """SST-2 test with a model of one epoch; the full figures are in docs/benchmarks/lookup.md."""
    train, test = (str(data_folder / "sst2" / f"{part}.csv.gz") for part in ("train", "test"))
    textcnn.train(train, epochs=1, embedding_dim=50, num_filters=50, threads=1, output=tmp_path / "model")
    from textcnn.config import DataConfig
    from textcnn.reading.rows import read_examples

    rows = read_examples(test, DataConfig()).texts
    found = textcnn.load(tmp_path / "model", precision="int8").answer(rows)
    expected = textcnn.load(tmp_path / "model").predict(rows)
    same = np.array([label == given for label, (given,) in zip(expected, found.labels, strict=True)])
    assert same.mean() >= 0.995
    assert found.certified.mean() >= 0.8
    assert same[found.certified].all()


def test_the_golden_model_is_small():
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*.*")) < 60_000
    assert len(Tokenizer.load(GOLDEN / "model" / "tokenizer.json")) > 10
