"""Weights of `kim` as arrays: those of the network, of the same distributions, from one seed on both roads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_text_classifier, num_parameters, put_weights, weights_of
from textcnn.models.kim_settings import KimSettings
from textcnn.models.weights import initial_weights, set_word_rows
from textcnn.models.weights import num_parameters as num_in_arrays

TWO, THREE, MANY = Labels(("a", "b")), Labels(("a", "b", "c")), Labels(("a", "b"), multi_label=True)
SHAPES = {
    "default": (THREE, {}),
    "words only": (THREE, {"num_ngrams": 0, "num_features": None}),
    "sigmoid": (TWO, {"binary_sigmoid": True}),
    "multi label": (MANY, {"binary_sigmoid": True}),
    "vectors": (THREE, {"vectors": "v.txt"}),
    "static": (THREE, {"vectors": "v.txt", "embedding_channels": "static"}),
    "two channels": (THREE, {"vectors": "v.txt", "embedding_channels": "multichannel"}),
    "separate widths": (THREE, {"settings": {"nested": False}}),
    "repeated widths": (THREE, {"settings": {"kernel_sizes": [3, 2, 3], "num_filters": 5}}),
    "one width": (THREE, {"settings": {"kernel_sizes": [2], "pooling": "max"}}),
    "k largest": (THREE, {"settings": {"num_filters": 7, "pooling": "kmax", "k": 2}}),
    "with averages": (THREE, {"settings": {"num_filters": 7, "pooling": "max+average"}}),
}


def both(labels=THREE, *, num_types=40, num_ngrams=30, num_features=20, seed=3, **model):
    config = ModelConfig(embedding_dim=6, **model)
    network = build_text_classifier(
        config, num_types, labels, num_ngrams=num_ngrams, num_features=num_features, seed=seed
    )
    return network, initial_weights(config, num_types, num_ngrams, num_features, labels, seed), config


@pytest.mark.parametrize("shape", SHAPES)
def test_both_roads_start_from_the_same_weights(shape):
    labels, changes = SHAPES[shape]
    network, weights, config = both(labels, **changes)
    found = weights_of(network)
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value, name)
    assert num_in_arrays(weights, config) == num_parameters(network)


def test_a_seed_decides_and_torch_does_not():
    one, same, other = (both(seed=seed)[1] for seed in (3, 3, 4))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not any(np.array_equal(one[name], other[name]) for name in one if not name.startswith("wide."))
    state = torch.get_rng_state()
    both()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_distributions_are_those_of_the_network_s_own_start(seed):
    """Without a seed the network is made by torch: every tensor has the same spread and the same bounds."""
    torch.manual_seed(0)
    labels = Labels(tuple(map(str, range(50))))
    config = ModelConfig(embedding_dim=6, settings={"num_filters": 400, "pooling": "max", "nested": False})
    ours = initial_weights(config, 3000, 3000, 5, labels, seed)
    own = weights_of(build_text_classifier(config, 3000, labels, num_ngrams=3000, num_features=5))
    for name, value in ours.items():
        if value.ndim == 2 or "weight" in name:
            assert value.std() == pytest.approx(own[name].std(), rel=0.05), name
            assert abs(value.mean()) <= max(own[name].std(), 1e-9) * 0.1, name
        if "ngram" not in name:
            assert np.abs(value).max() == pytest.approx(np.abs(own[name]).max(), rel=0.05), name
    flat = ours["embedding.word.weight"].ravel()
    assert len(np.unique(flat)) > 0.99 * len(flat)
    assert abs(np.corrcoef(flat[:-1], flat[1:])[0, 1]) < 0.05


def test_large_tables_are_drawn_in_blocks_that_do_not_repeat():
    weights = initial_weights(ModelConfig(embedding_dim=96), 6000, 6000, None, TWO, 0)
    for name in ("embedding.word.weight", "embedding.ngram.weight"):
        flat = weights[name].ravel()
        assert not np.array_equal(flat[: 2**18], flat[2**18 : 2**19])
        assert flat[-1000:].std() > 0.1


def test_nested_widths_have_one_bank():
    config = ModelConfig(embedding_dim=6, settings={"nested": True, "kernel_sizes": [4, 2, 4], "num_filters": 5000})
    weights = initial_weights(config, 9, 0, None, TWO, 0)
    assert weights["encoder.bank.weight"].shape == (5000, 6, 4)
    assert weights["encoder.bias"].shape == (2, 5000)
    assert weights["head.weight"].shape == (2, 10_006)
    for bias, width in zip(weights["encoder.bias"], (2, 4), strict=True):
        assert np.abs(bias).max() == pytest.approx(1 / (6 * width) ** 0.5, rel=0.01)
    assert np.abs(weights["encoder.bank.weight"]).max() == pytest.approx(1 / 24**0.5, rel=0.01)


def test_the_settings_are_those_of_the_encoder():
    known = registry.settings_of("text", "kim")
    assert list(dataclasses.asdict(KimSettings()).items()) == list(known.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 3}, "'kim' has no setting 'width'; it has kernel_sizes, "),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"dropout": "much"}, "'kim' cannot be built with {'dropout': 'much'}"),
        ({"kernel_sizes": []}, r"kernel_sizes must be numbers from 1 up, got \[\]"),
        ({"kernel_sizes": 3}, "'kim' cannot be built with"),
        ({"activation": "gelu"}, "activation of 'kim' must be one of relu, "),
        ({"pooling": "min"}, "pooling of 'kim' must be one of max, "),
        ({"k": 0}, "k must be 1 or more, got 0"),
        ({"num_filters": 0}, "num_filters must be 1 or more, got 0"),
        ({"num_filters": 2.5}, "num_filters must be 1 or more, got 2.5"),
    ],
)
def test_settings_that_kim_does_not_have(settings, message):
    with pytest.raises(ConfigError, match=message):
        KimSettings.of(ModelConfig(settings=settings))


def test_word_rows_are_set_in_every_channel():
    network, weights, _ = both(vectors="v.txt", embedding_channels="multichannel")
    rows = np.arange(240, dtype=np.float32).reshape(40, 6)
    set_word_rows(weights, rows)
    put_weights(network, weights)
    for channel in (network.embedding.static, network.embedding.tuned):
        np.testing.assert_array_equal(channel.word.weight.detach(), rows)
