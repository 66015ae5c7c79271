from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textcnn.errors import ConfigError
from textcnn.nn.blocks import ACTIVATIONS, ConvBlock


def test_the_tutorial_stack():
    block = ConvBlock(2, 3, 64, 3, padding="same", pool="max")
    pixels = torch.zeros(1, 3, 256, 256)
    assert block.conv(pixels).shape[1:] == (64, 256, 256)
    assert block(pixels).shape[1:] == (64, 128, 128)


@given(
    dim=st.sampled_from([1, 2]),
    size=st.integers(4, 20),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    pool=st.sampled_from(["none", "max", "average"]),
)
@settings(deadline=None)
def test_output_size_is_the_size_of_the_output(dim, size, kernel, stride, padding, dilation, pool):
    block = ConvBlock(dim, 2, 3, kernel, stride=stride, padding=padding, dilation=dilation, pool=pool)
    expected = block.output_size(size)
    assume(expected > 0)
    assert block(torch.zeros(1, 2, *[size] * dim)).shape == (1, 3, *[expected] * dim)


def test_names_of_the_weights_are_the_same_in_both_dimensions():
    assert list(ConvBlock(1, 2, 3, 3).state_dict()) == list(ConvBlock(2, 2, 3, 3).state_dict())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_applied(name):
    block = ConvBlock(1, 1, 1, 1, activation=name)
    x = torch.randn(1, 1, 5)
    torch.testing.assert_close(block(x), ACTIVATIONS[name]()(block.conv(x)))


def test_average_pooling_is_the_mean_of_the_window():
    block = ConvBlock(1, 1, 1, 1, activation="identity", pool="average")
    x = torch.randn(1, 1, 4)
    scores = block.conv(x)
    torch.testing.assert_close(block(x)[0, 0], scores[0, 0].reshape(2, 2).mean(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 3}, "dim must be 1 .* got 3"),
        ({"pool": "median"}, "pool must be max, average or none, got 'median'"),
        ({"activation": "sine"}, "activation must be one of relu, .* got 'sine'"),
        ({"padding": -1}, "padding must be 'same', 'causal' or a number from 0 up, got -1"),
        ({"padding": "same", "kernel_size": 4}, "odd kernel_size, got 4"),
        ({"dim": 2, "padding": "causal"}, "padding='causal' is for sequences, dim 1, got dim 2"),
        ({"norm": "weight"}, "norm must be one of none, batch, layer, group, got 'weight'"),
    ],
)
def test_wrong_values_are_told(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ConvBlock(**{"dim": 1, "in_channels": 1, "out_channels": 1, "kernel_size": 3} | arguments)
