"""Two processes that share every batch take the steps of one that has it whole."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.training.rank_runs import CASES, left_alone, run_ranks, start_ranks, train
from textcnn.nn.dropout import Dropout
from textcnn.nn.step import Step
from textcnn.training.exchange import exchange_gradients
from textcnn.training.ranks import ALONE, Ranks, RanksDifferError, refuse


@pytest.fixture(scope="module")
def of_ranks():
    return run_ranks(2)


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_one_process(of_ranks, case):
    losses, history, _ = train(case)
    first, second = (of_ranks[rank][case] for rank in range(2))
    assert first[2] == second[2]  # the same bits
    assert first[:2] == second[:2]
    assert len(losses) == 12
    # Batch norm over a few places and Adam's first steps let the rounding of another order of sums grow.
    for steps, tolerance in ((slice(6), 1e-5), (slice(6, 12), 2e-3)):
        tolerance = 2e-2 if case == "bf16" else tolerance
        np.testing.assert_allclose(first[0][steps], losses[steps], rtol=tolerance, atol=tolerance)
    found, expected = ([entry["dev_accuracy"] for entry in run] for run in (first[1], history))
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_a_rank_that_is_lost_before_training_is_told():
    processes, queue = start_ranks(2, left_alone)
    told = queue.get(timeout=100)
    for process in processes:
        process.join(20)
    assert told.startswith("rank 0 lost another of the 2 ranks: ")
    assert told.endswith("start the run again with --resume, or let torchrun do it (--max-restarts)")


class OfThreads(Ranks):
    """Ranks that are threads."""

    def __init__(self, rank, places, barrier):
        self.rank, self.size, self._places, self._barrier = rank, len(places), places, barrier

    def gather(self, tensor, name=""):
        self._places[self.rank] = tensor.clone()
        self._barrier.wait(10)
        found = [place.clone() for place in self._places]
        self._barrier.wait(10)
        return found

    def sum(self, tensor, name=""):
        return tensor.copy_(sum(self.gather(tensor)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 5), max_size=7), min_size=2, max_size=4), st.integers(0, 99))
def test_pairs_exchanged_are_the_dense_sum(rows_of_ranks, seed):
    size, random = len(rows_of_ranks), np.random.default_rng(seed)
    places, barrier = [None] * size, threading.Barrier(size)
    entries = [torch.from_numpy(random.normal(size=(len(rows), 3)).astype(np.float32)) for rows in rows_of_ranks]
    dense = [torch.from_numpy(random.normal(size=4).astype(np.float32)) for _ in rows_of_ranks]
    weights = []
    for rows, values, own in zip(rows_of_ranks, entries, dense, strict=True):
        table, none, flat = (
            nn.Parameter(torch.zeros(6, 3)),
            nn.Parameter(torch.zeros(2, 5)),
            nn.Parameter(torch.zeros(4)),
        )
        index = torch.tensor([rows], dtype=torch.int64)
        table.grad = torch.sparse_coo_tensor(index, values, (6, 3), check_invariants=True)
        flat.grad = own.clone()
        weights.append({"dense": [flat], "rows": [none], "wide": [table]})
    threads = [
        threading.Thread(target=exchange_gradients, args=(weights[rank], OfThreads(rank, places, barrier)))
        for rank in range(size)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    expected = torch.zeros(6, 3)
    for rows, values in zip(rows_of_ranks, entries, strict=True):
        expected.index_add_(0, torch.tensor(rows, dtype=torch.int64), values)
    for of_rank in weights:
        grad = of_rank["wide"][0].grad
        assert grad._indices()[0].tolist() == [row for rows in rows_of_ranks for row in rows]  # entries, by rank
        assert torch.equal(grad._values(), torch.cat(entries))
        torch.testing.assert_close(grad.to_dense(), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(of_rank["dense"][0].grad, sum(dense), rtol=1e-5, atol=1e-5)
        assert of_rank["rows"][0].grad._nnz() == 0


def test_alone_nothing_is_touched():
    weight = nn.Parameter(torch.zeros(3))
    exchange_gradients({"dense": [weight], "rows": [], "wide": []}, ALONE)
    assert weight.grad is None
    assert ALONE.part(7) == slice(0, 7)
    assert ALONE.same([1]) == [1]
    assert ALONE.exchange() == {}


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 7))
def test_parts_are_all_rows_in_their_order(num_rows, size):
    parts = []
    for rank in range(size):
        ranks = Ranks()
        ranks.rank, ranks.size = rank, size
        parts += range(num_rows)[ranks.part(num_rows)]
    assert parts == list(range(num_rows))


def test_masks_follow_the_row_not_its_batch():
    layer, x = Dropout(0.5), torch.ones(4, 6, 5)

    def dropped(rows, epoch=0, seed=1):
        with Step(seed, epoch, np.array(rows), rows[0]).running():
            return layer(x[: len(rows)])

    whole = dropped([7, 2, 9, 4])
    assert torch.equal(dropped([9, 4]), whole[2:])
    assert torch.equal(dropped([2])[0], whole[1])
    assert set(whole.unique().tolist()) == {0.0, 2.0}
    for other in (dropped([7, 2, 9, 4], epoch=1), dropped([7, 2, 9, 4], seed=2)):
        assert not torch.equal(other, whole)
    assert not torch.equal(whole[0], whole[1])
    with Step(1, 0, np.array([7]), 7).running():
        assert not torch.equal(layer(x[:1]), layer(x[:1]))  # another place in the pass, another mask


def test_outside_a_step_it_is_the_dropout_of_torch():
    x = torch.ones(50, 20)
    torch.manual_seed(1)
    expected = nn.Dropout(0.3)(x)
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.3)(x), expected)


def test_what_differs_is_told():
    class Other(Ranks):
        size = 2

        def each(self, text):
            return [text, "12"]

    Other().require_same("weights", lambda: 12)
    with pytest.raises(RanksDifferError, match="expected the same weights on all 2 ranks, but rank 1 has '12'"):
        Other().require_same("weights", lambda: 13)


def test_options_of_one_process_are_refused():
    several = Ranks()
    several.size = 2
    assert refuse(ALONE, {"folds": 3}) == []
    assert refuse(several, {"folds": 3, "ensemble": None})[0].startswith("folds is 3, but the run has 2 ranks")
