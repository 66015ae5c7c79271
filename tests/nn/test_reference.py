from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.nn.reference import conv_max
from textcnn.tokenization.batch import padded_index


def brute_force(embedded, weights, biases, ids, offsets):
    """Every window of every text, one tap at a time."""
    rows = []
    for start, end in pairwise(offsets):
        text = [embedded[i] for i in ids[start:end]]
        features = []
        for weight, bias in zip(weights, biases, strict=True):
            size = weight.shape[2]
            for f in range(len(weight)):
                scores = [
                    bias[f] + sum(weight[f, :, i] @ text[t + i] for i in range(size) if 0 <= t + i < len(text))
                    for t in range(-(size - 1), len(text))
                ]
                features.append(max(scores) if text else 0.0)
        rows.append(features)
    return np.array(rows)


@st.composite
def problems(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=5))
    dim, filters, types = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 5))
    return (
        random.normal(size=(types, dim)),
        [random.normal(size=(filters, dim, size)) for size in sizes],
        [random.normal(size=filters) for _ in sizes],
        random.integers(0, types, sum(lengths)),
        np.concatenate([[0], np.cumsum(lengths)]),
    )


def as_tensors(problem):
    embedded, weights, biases, ids, offsets = problem
    return (
        torch.tensor(embedded, requires_grad=True),
        [torch.tensor(w, requires_grad=True) for w in weights],
        [torch.tensor(b, requires_grad=True) for b in biases],
        torch.tensor(ids, dtype=torch.int64),
        torch.tensor(offsets),
    )


@given(problems())
@settings(deadline=None, max_examples=60)
def test_scores_are_those_of_every_window_tried_by_hand(problem):
    found = conv_max(*as_tensors(problem)).detach().numpy()
    np.testing.assert_allclose(found, brute_force(*problem), atol=1e-12)


@pytest.mark.slow
@given(problems())
@settings(deadline=None, max_examples=10)
def test_gradients_are_those_of_small_differences(problem):
    embedded, weights, biases, ids, offsets = as_tensors(problem)

    def function(embedded, *parameters):
        half = len(parameters) // 2
        return conv_max(embedded, parameters[:half], parameters[half:], ids, offsets)

    assert torch.autograd.gradcheck(function, (embedded, *weights, *biases))


def test_dropped_features_are_zero_and_have_no_gradient(random):
    weight = torch.randn(2, 3, 2, requires_grad=True)
    keep = torch.tensor([[1.0, 0.0]])
    found = conv_max(torch.randn(4, 3), [weight], [torch.ones(2)], torch.arange(4), torch.tensor([0, 4]), keep)
    found.sum().backward()
    assert found[0, 1] == 0
    assert weight.grad[0].any()
    assert not weight.grad[1].any()


def test_a_text_without_tokens_has_zeros_even_if_all_are():
    found = conv_max(
        torch.zeros(0, 3),
        [torch.randn(2, 3, 5)],
        [torch.ones(2)],
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(3).long(),
    )
    assert found.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("lengths", [[3, 0, 1], [0], []])
def test_padding_points_behind_the_unique_types(lengths):
    offsets = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int64)
    inverse = torch.arange(sum(lengths))
    index = padded_index(inverse, offsets, 99)
    assert index.shape == (len(lengths), max(lengths, default=0))
    for row, length in zip(index, lengths, strict=True):
        assert (row[length:] == 99).all()
        assert (row[:length] < 99).all()
