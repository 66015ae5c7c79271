from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.errors import ConfigError
from textcnn.nn.pooling import POOLINGS, mean_of_types, pool_time
from textcnn.tokenization.batch import Batch

PLAIN = {"max": lambda x: x.amax(0), "mean": lambda x: x.mean(0), "last": lambda x: x[-1]}


@pytest.mark.parametrize("pooling", POOLINGS)
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5), extra=st.integers(0, 3), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_padding_never_enters(pooling, lengths, extra, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(lengths), max(lengths) + extra, 3, generator=generator) - 5
    found = pool_time(x, torch.tensor(lengths), pooling)
    for row, text, length in zip(found, x, lengths, strict=True):
        torch.testing.assert_close(row, PLAIN[pooling](text[:length]) if length else torch.zeros(3))


def test_an_unknown_pooling_is_told():
    with pytest.raises(ConfigError, match="pooling must be one of max, mean, last, got 'median'"):
        pool_time(torch.zeros(1, 1, 1), torch.ones(1), "median")


def test_the_mean_of_types_counts_every_token():
    embedded = torch.tensor([[1.0], [4.0]])
    batch = Batch(torch.tensor([0, 3, 3]), torch.arange(2), torch.tensor([0, 0, 1]))
    found = mean_of_types(embedded, batch)
    assert found.tolist() == [[2.0], [0.0]]
