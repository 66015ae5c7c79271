"""A model of a given size: it fits, it is a normal folder, and no logit moves further than the bound says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from one_layer_models import ASKED, OPTIONS, TRAIN, make

import textcnn
from textcnn.config import TextConfig
from textcnn.config_types import parse_size
from textcnn.errors import ConfigError
from textcnn.export import compress as parts
from textcnn.export.compress import folder_bytes, shrunk
from textcnn.export.error_bound import bound_of, measured, num_features, whole_texts
from textcnn.models.base import logits_of
from textcnn.prediction.artifact import load_artifact
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.tokenizer import Tokenizer

WORDS = [*" ".join(TRAIN).split(), "unseen", "filmy", "zzz"]


def texts_of(random, number=60):
    return [*ASKED, *(" ".join(random.choice(WORDS, n)) for n in random.integers(1, 20, number))]


def assert_within(before, after, bound, texts):
    """Moves of the logits of texts that hold nothing dropped are within the bound; returns how many texts that are."""
    encoded = before.inputs.encode(texts)
    whole = whole_texts(before, after, encoded)
    moves = np.abs(before.logits(encoded) - after.logits(after.inputs.encode(texts)))[whole]
    assert (moves <= bound.of(num_features(encoded))[whole]).all()
    return int(whole.sum())


def small_models(artifact):
    """Everything that can be given up, one after the other: models, kept filters, and usual features of the others."""
    count = artifact.lookup().model.filters.num_filters * len(artifact.lookup().model.filters.sizes)
    every, none = tuple(range(count)), np.zeros(0)
    yield parts.with_storage(artifact, "float16"), every, none
    yield parts.with_storage(artifact, "int8"), every, none
    bare = parts.without_ngrams(artifact) if artifact.config.subwords else artifact
    yield parts.with_storage(bare, "int8"), every, none
    half = parts.with_storage(bare, "float16")
    yield parts.with_words(half, 12, 10), every, none
    yield parts.with_words(half, 2, 0), every, none
    if count:
        fewer, kept, usual = parts.with_filters(artifact, 2)
        yield fewer, kept, usual
        fewer, kept, usual = parts.with_filters(bare, 1)
        yield parts.with_words(parts.with_storage(fewer, "int8"), 9, 8), kept, usual


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in OPTIONS if n not in ("no wide", "scaled wide", "vectors", "max")])
def test_no_logit_moves_further_than_the_bound(name, random, tmp_path):
    artifact = make(**OPTIONS[name])
    before, texts = artifact.lookup(), texts_of(random)
    counts = []
    for number, (small, kept, usual) in enumerate(small_models(artifact)):
        folder = small.save(tmp_path / str(number))
        after = LookupModel.load(folder)
        counts.append(assert_within(before, after, bound_of(before, after, kept, usual), texts))
        loaded = load_artifact(folder)
        encoded = loaded.inputs.encode(texts)
        by_torch = logits_of(loaded.model, loaded.inputs, encoded)
        np.testing.assert_allclose(by_torch, after.logits(encoded), atol=1e-4)
        again = loaded.save(tmp_path / "again")
        assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert counts[0] == counts[1] == len(texts)
    assert min(counts[:-1]) >= 2


def test_the_bound_is_reached_where_it_can_be():
    # One filter of one word: what is pruned is what moves.
    artifact = make(kernel_sizes=[1], num_filters=2, pooling="max", wide=False, subwords=False)
    before = artifact.lookup()
    fewer, kept, usual = parts.with_filters(artifact, 1)
    after = fewer.lookup()
    texts = before.inputs.tokenizer.types()[2:]
    moves = np.abs(before.logits(before.inputs.encode(texts)) - after.logits(after.inputs.encode(texts)))
    bound = bound_of(before, after, kept, usual)
    assert (moves <= bound.fixed).all()
    assert (moves.max(axis=0) > 0.2 * bound.fixed).all()


def test_words_that_stay_keep_their_numbers_and_n_grams_of_most_weight_stay():
    artifact = parts.with_storage(make(subwords=False), "float16")
    small = parts.with_words(artifact, 12, 10)
    assert small.inputs.tokenizer.types() == artifact.inputs.tokenizer.types()[:12]
    wide, old = small.model.wide, artifact.model.wide
    assert len(wide.keys) == 10
    assert (wide.keys.diff() > 0).all()
    within = ((old.keys >> 32) - 1 < 12) & (old.keys & 0xFFFFFFFF < 12)
    norms = old.table.weight[within].norm(dim=1).sort(descending=True).values
    np.testing.assert_allclose(sorted(wide.table.weight.detach().norm(dim=1)), sorted(norms[:10].detach()))


@pytest.mark.slow
def test_a_folder_fits_and_loses_no_more_than_it_must(tmp_path):
    artifact = make(num_filters=40)
    full = folder_bytes(artifact)
    sizes = {}
    for most in (full, full - 500, full * 6 // 10, full * 45 // 100):
        smaller = shrunk(artifact, most)
        sizes[most] = folder_bytes(smaller.artifact), smaller.steps
        assert sizes[most][0] <= most
        assert LookupModel.load(smaller.artifact.save(tmp_path / str(most))).predict(ASKED)
    assert sizes[full] == (full, ())
    assert sizes[full - 500][1] == ("weights in float16",)
    with pytest.raises(ConfigError, match=r"cannot be made as small as 100 bytes; .* it has [\d,]+ bytes"):
        shrunk(artifact, 100)


def test_filters_go_where_few_words_could_stay_otherwise():
    artifact = make(num_filters=400, kernel_sizes=[2], subwords=False)
    smaller = shrunk(artifact, 9_000)
    assert folder_bytes(smaller.artifact) <= 9_000
    assert "filters of each width" in " ".join(smaller.steps)
    assert smaller.artifact.config.settings["num_filters"] == len(smaller.kept) < 400
    before, after = artifact.lookup(), smaller.lookup()
    assert_within(before, after, smaller.bound(artifact), ASKED)


def test_only_one_layer_models_have_a_bound():
    with pytest.raises(ConfigError, match=r"max-size is for one-layer models.* 'lstm' is not one layer"):
        shrunk(make(architecture="lstm", wide=False), 10**6)


def test_sub_words_of_a_vocabulary_stay():
    tokenizer = Tokenizer.train(TRAIN * 5, TextConfig(tokenizer="wordpiece"))
    artifact = make(subwords=False, wide=False)
    rows = [(text, "ab"[number % 2]) for number, text in enumerate(TRAIN * 3)]
    artifact = textcnn.train(rows, epochs=1, threads=1, tokenizer="wordpiece", num_filters=4, embedding_dim=8).artifact
    assert len(artifact.inputs.tokenizer) == len(tokenizer)
    size = folder_bytes(artifact)
    assert shrunk(artifact, size * 9 // 10).artifact.storage != "float32"
    with pytest.raises(ConfigError, match="cannot be made as small"):
        shrunk(artifact, size // 10)


@pytest.mark.parametrize(("text", "size"), [("2M", 2 * 2**20), ("500k", 500 * 2**10), ("1G", 2**30), ("7", 7)])
def test_sizes_are_read(text, size):
    assert parse_size("max-size", text) == size


@pytest.mark.parametrize("text", ["", "M", "2 MB", "-1", "0", "1.5M", "٣M"])
def test_what_is_no_size_is_told(text):
    with pytest.raises(ConfigError, match=r"max-size must be a size as 500K, 2M or 1G, got '"):
        parse_size("max-size", text)


def test_measured_on_real_texts_the_proofs_hold(data_folder, tmp_path):
    from textcnn.reading.rows import read_examples

    train, test = (next((data_folder / "trec").glob(f"{part}.*")) for part in ("train", "test"))
    sizes = {"num_filters": 20, "embedding_dim": 20}
    artifact = textcnn.train(train, epochs=1, threads=1, characters="none", **sizes).artifact
    examples = read_examples(test)
    before, full = artifact.lookup(), folder_bytes(artifact)
    for most in (full * 2 // 3, full // 4, full // 10):
        smaller = shrunk(artifact, most)
        after, bound = LookupModel.load(smaller.artifact.save(tmp_path / "small")), smaller.bound(artifact)
        assert assert_within(before, after, bound, examples.texts) > 20
        loss = measured(before, after, bound, examples.texts, examples.labels)
        assert 0 < loss.proved <= loss.whole <= loss.num_texts
        assert loss.changed <= loss.num_texts - loss.proved
        assert loss.before["accuracy"] - loss.after["accuracy"] < 0.15


def test_a_folder_of_whole_numbers_says_so(tmp_path):
    folder = parts.with_storage(make(), "int8").save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    assert (config["format_version"], config["storage"]) == (4, "int8")
    plain = json.loads((make().save(tmp_path / "plain") / "config.json").read_text())
    assert (plain["format_version"], plain["storage"]) == (4, "float32")


def test_no_texts_to_measure_with():
    model = make().lookup()
    with pytest.raises(ConfigError, match="expected labelled texts to measure the loss with, found none"):
        measured(model, model, bound_of(model, model, range(12), np.zeros(0)), [], [])
