"""Texts that are parted among ranks: the vocabulary, the features, and the steps are those of one process."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runs.parted_runs import CASES, rows, settings, train
from tests.training.rank_runs import run_ranks
from textcnn.runs import train_text
from textcnn.training.progress import Silent


def in_parts(ranks):
    from tests.runs.parted_runs import all_cases

    return all_cases(ranks)


@pytest.fixture(scope="module")
def of_ranks():
    return run_ranks(2, in_parts)


@pytest.mark.parametrize("case", [*CASES, "continued"])
def test_it_is_the_run_of_one_process(of_ranks, case):
    start = None
    if case == "continued":
        start = train_text(rows(1), settings("default", "memory"), Silent()).predictor.artifact
    alone = train("default" if case == "continued" else case, "memory", start=start)
    first, second = (of_ranks[rank][0][case][0] for rank in range(2))
    assert (first["parted"], second["parted"], alone["parted"]) == (True, True, False)
    assert len(alone["losses"]) > 6
    assert first["losses"] == second["losses"]
    np.testing.assert_allclose(first["losses"], alone["losses"], rtol=1e-5, atol=1e-5)
    for name in ("tokenizer", "wide", "said"):
        assert first[name] == alone[name], name
        assert second[name] == alone[name], name
    np.testing.assert_allclose(first["thresholds"], alone["thresholds"], atol=0.05)
    for one in (first, second):
        name = one["data"].pop("fingerprint", None)
        assert name is None or name.startswith("2 parts: ")
    alone["data"].pop("fingerprint")
    assert first["data"] == alone["data"]


@pytest.mark.parametrize("case", CASES)
def test_each_rank_has_a_part(of_ranks, case):
    (own, lengths, count), (others, same, _) = (of_ranks[rank][0][case][1] for rank in range(2))
    assert lengths == same
    assert len(lengths) == count
    assert sorted([*own, *others]) == list(range(count))
    assert abs(len(own) - len(others)) < 0.3 * count


def test_what_needs_every_text_is_refused(of_ranks):
    for rank in range(2):
        refused = of_ranks[rank][1]
        assert "ConfigError: tokenizer is 'bpe', which is learned from all texts, but 2 processes" in refused["bpe"]
        assert "ConfigError: evidence is asked for, but the texts are parted among 2 ranks" in refused["evidence"]
        assert "DataError" in refused["few"]
        assert "expected rows for each of 2 ranks, found" in refused["few"]
