from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from textcnn.nn.pooling import ReceptiveField, output_size


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))
def test_the_formula_is_what_torch_does(size, kernel, stride, padding, dilation):
    expected = output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    conv = torch.nn.Conv1d(1, 1, kernel, stride=stride, padding=padding, dilation=dilation)
    if expected == 0:
        with pytest.raises(RuntimeError):
            conv(torch.zeros(1, 1, size))
    else:
        assert conv(torch.zeros(1, 1, size)).shape[2] == expected


def test_the_tutorial_example():
    # W2 = (W1 - F + 2P) / S + 1 with W1 = 256, F = 3, P = 1, S = 1, then a 2 x 2 pooling
    assert output_size(256, 3, padding=1) == 256
    assert output_size(256, 2, stride=2) == 128


def test_lengths_are_carried_like_sizes():
    lengths = torch.tensor([0, 1, 2, 3, 10])
    expected = [output_size(int(n), 3, stride=2, padding=1) for n in lengths]
    assert output_size(lengths, 3, stride=2, padding=1).tolist() == expected


def test_receptive_fields_grow_by_stride():
    field = ReceptiveField().through(3).through(2, stride=2).through(3)
    assert (field.size, field.stride) == (8, 2)
    assert ReceptiveField().through(3, dilation=4).size == 9
