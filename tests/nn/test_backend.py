"""Operations on rows by the core are those of the plain definition in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import core
from textcnn.nn import kernels as backend
from textcnn.nn import reference

pytestmark = pytest.mark.usefixtures("core")

BAGS = st.lists(st.lists(st.integers(0, 6), max_size=9), min_size=1, max_size=6)
KINDS = st.sampled_from([(False, True), (True, True), (True, False)])


@given(st.integers(0, 10_000), BAGS, st.integers(1, 20), KINDS)
@settings(deadline=None, max_examples=60)
def test_sums_of_bags_are_the_reference(seed, bags, dim, kind):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor([row for bag in bags for row in bag], dtype=torch.int64)
    offsets = torch.tensor([0, *np.cumsum([len(bag) for bag in bags])])
    weights, slopes = torch.rand(len(rows), generator=generator), torch.randn(len(bags), dim, generator=generator)
    found = []
    for module in (backend, reference):
        table = torch.randn(7, dim, generator=torch.Generator().manual_seed(seed)).requires_grad_()
        sums = module.bag_sum(table, rows, offsets, weights, sparse=kind[0], merge=kind[1])
        (sums * slopes).sum().backward()
        assert table.grad.is_sparse == kind[0]
        if kind == (True, False):  # an optimizer that counts examples sees each of them
            assert table.grad._indices()[0].tolist() == rows.tolist()
        found.append((sums.detach(), table.grad.to_dense()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 6), max_size=12), st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_row_updates_are_the_reference(seed, rows, dim):
    found = []
    for module in (backend, reference):
        generator = torch.Generator().manual_seed(seed)
        weights = [torch.randn(7, dim, generator=generator) for _ in range(3)]
        moments, totals = torch.zeros(7, 2, dim), torch.zeros(2, 7)
        for _ in range(3):
            values = torch.randn(len(rows), dim, generator=generator)
            grad = torch.sparse_coo_tensor([rows], values, (7, dim), check_invariants=True)
            module.row_adam(weights[0], moments, grad.coalesce(), lr=0.1, betas=(0.9, 0.99), eps=1e-6)
            module.row_adagrad(weights[1], totals[0], grad, lr=0.5)
            module.rowwise_adagrad(weights[2], totals[1], grad.coalesce(), lr=0.2, eps=1e-10)
        found.append((*weights, moments, totals))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", ["float64", "without the core", "export"])
def test_what_the_core_does_not_take_goes_to_the_reference(how, monkeypatch):
    table = torch.randn(3, 4, dtype=torch.float64 if how == "float64" else torch.float32)
    if how == "without the core":
        monkeypatch.setattr(core, "library", lambda: None)
    if how == "export":
        monkeypatch.setattr(backend, "is_exporting", lambda: True)
    monkeypatch.setattr(backend._BagSum, "apply", lambda *_: pytest.fail("the core was used"))
    rows, weights = torch.tensor([2, 0]), torch.ones(2, dtype=table.dtype)
    found = backend.bag_sum(table, rows, torch.tensor([0, 1, 2]), weights)
    assert torch.equal(found, table[rows])
