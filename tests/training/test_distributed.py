"""Two processes that share every batch take the steps of one that has it whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.training.distributed_runs import CASES, gradients, left_alone, run_ranks, start_ranks, train, train_images
from textcnn.config import Config
from textcnn.errors import ConfigError
from textcnn.nn.dropout import Dropout, Step
from textcnn.progress import Silent
from textcnn.runs.finish import shared_config
from textcnn.training.distributed import ALONE, ProcessGroup, RanksDifferError, process_group, require_alone


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
    # Adam's first steps let the rounding of another order of sums grow.
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


@pytest.mark.parametrize("seed", range(20))
def test_gradients_are_summed_and_entries_of_tables_are_kept_in_the_order_of_ranks(of_ranks, seed):
    first, second = (gradients(seed, rank) for rank in range(2))
    for rank in range(2):
        dense, missing, (rows, values), num_untouched = of_ranks[rank]["gradients"][seed]
        assert dense == (first[2] + second[2]).tolist()
        assert missing == [0.0] * 4
        assert rows == [*first[0].tolist(), *second[0].tolist()]
        assert values == [*first[1].tolist(), *second[1].tolist()]
        assert num_untouched == 0


def test_losses_of_images_are_those_of_one_process(of_ranks):
    assert of_ranks[0]["images"] == of_ranks[1]["images"] == pytest.approx(train_images(), rel=1e-5, abs=1e-5)


def test_values_are_shared(of_ranks):
    assert [of_ranks[rank]["values"] for rank in range(2)] == [(0, [[0], [1]])] * 2


def test_a_process_alone_keeps_its_values():
    weight = nn.Parameter(torch.zeros(3))
    ALONE.sum_gradients([weight], [])
    assert weight.grad is None
    assert ALONE.part(7) == slice(0, 7)
    assert (ALONE.same([1]), ALONE.each(2), ALONE.agree(0.5)) == ([1], [2], 0.5)
    ALONE.wait()
    with process_group() as group:
        assert group is ALONE


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 7))
def test_parts_are_all_rows_in_their_order(num_rows, size):
    parts = []
    for rank in range(size):
        group = ProcessGroup()
        group.rank, group.size = rank, size
        parts += range(num_rows)[group.part(num_rows)]
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


class Two(ProcessGroup):
    size = 2

    def each(self, value):
        return [value, 12]


def test_values_that_differ_are_an_error():
    Two().require_same("weights", lambda: 12)
    with pytest.raises(RanksDifferError, match="expected the same weights on all 2 ranks, but rank 1 has 12"):
        Two().require_same("weights", lambda: 13)


def test_options_of_one_process_are_refused():
    config = Config.from_flat({})
    assert shared_config(config, ALONE, Silent(), folds=3) is config
    assert shared_config(config, Two(), Silent()) is config
    with pytest.raises(ConfigError, match="folds is 3, but the run has 2 ranks"):
        shared_config(config, Two(), Silent(), folds=3)
    with pytest.raises(ConfigError, match="ensemble is 2, but the run has 2 ranks"):
        shared_config(Config.from_flat({"ensemble": 2}), Two(), Silent())


RANK = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is '2', and RANK, MASTER_ADDR, MASTER_PORT must be set too"),
        (
            {**RANK, "GROUP_WORLD_SIZE": "2", "TORCHELASTIC_MAX_RESTARTS": "3"},
            "expected --max-restarts 0 where torchrun runs on several machines, found 3",
        ),
    ],
)
def test_variables_that_no_group_can_be_made_of_are_refused(monkeypatch, variables, message):
    for name in RANK:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message), process_group():
        pass
    with pytest.raises(ConfigError, match="expected one process for tune, found WORLD_SIZE=2"):
        require_alone("tune")
