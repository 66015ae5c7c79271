"""The plan past one machine: prices come back from sums of work, and the plan follows from its prices."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks import scale
from benchmarks.command import application
from benchmarks.cost_model import CostModel
from benchmarks.scale import scale as scale_study
from benchmarks.scale_runs import Files, Lesson, cut_texts, time_exchange
from textcnn.errors import DataError
from textcnn.reading.rows import read_examples

ASSUMED = {"bandwidth": 1e9, "latency": 1e-5, "cores": 2, "side_by_side": 1.0}
STEP = {
    "work": {"rows of steps": 64.0, "tokens of steps": 1e4, "types of steps": 3e3},
    "bytes": {"dense": 1e6, "rows": 2e6, "wide": 1e5},
}
TRAINING = CostModel(
    {
        "start": 1.0,
        "tokens": 1e-6,
        "steps": 1e-3,
        "rows of steps": 1e-6,
        "tokens of steps": 1e-7,
        "types of steps": 1e-6,
    }
)


@settings(deadline=None)
@given(
    prices=st.lists(st.floats(0.01, 10), min_size=3, max_size=3),
    amounts=st.lists(st.tuples(*[st.integers(1, 1000)] * 3), min_size=6, max_size=12),
)
def test_prices_come_back_from_what_runs_cost(prices, amounts):
    if np.linalg.matrix_rank(np.array(amounts, float)) < 3 or np.linalg.cond(np.array(amounts, float)) > 1e4:
        return
    kinds = ("a", "b", "c")
    truth = CostModel(dict(zip(kinds, prices, strict=True)))
    runs = [(work, truth.seconds(work)) for work in (dict(zip(kinds, one, strict=True)) for one in amounts)]
    found = CostModel.fit(runs)
    assert found.prices == pytest.approx(truth.prices, rel=1e-4)
    assert all(abs(run["error"]) < 1e-6 for run in found.check(runs))


def test_no_price_is_below_nothing():
    runs = [({"a": 1, "b": 10}, 1.0), ({"a": 2, "b": 5}, 2.0), ({"a": 3, "b": 1}, 3.5)]
    assert min(CostModel.fit(runs).prices.values()) >= 0


def test_texts_are_cut_to_so_many_words_and_begin_again():
    examples = read_examples((["a b c d e", "f g"], ["x", "y"]))
    assert cut_texts(examples, 2, 5) == [("a b", "x"), ("c d", "x"), ("f g", "y"), ("a b", "x"), ("c d", "x")]
    with pytest.raises(DataError, match="expected texts of 9 words to cut others from, found none"):
        cut_texts(examples, 9, 1)


def test_files_are_dealt_out_whole_and_nodes_share_them():
    prices = CostModel({"start": 1.0, "files": 0.5, "rows": 1e-6, "tokens": 1e-7, "rows of words made": 1e-5})
    rows = scale.plan_texts(prices, ASSUMED, 6.0, {20: 0.01, 230: 0.01})
    assert [(row["words"], row["nodes"]) for row in rows] == [(w, n) for w in scale.TEXT_WORDS for n in scale.NODES]
    one, ten, hundred = rows[:3]
    files = 10_000
    assert one["hours"] * 3600 == pytest.approx(1 + files / 2 * (0.5 + 0.1 + 0.2 + 0.2) + files * 2e6 * 6 / 1e9)
    assert one["efficiency"] == 1
    assert one["hours"] > ten["hours"] > hundred["hours"]
    assert 1 >= ten["efficiency"] > hundred["efficiency"] > 0.5


def test_what_ranks_send_each_other_grows_with_their_number_and_a_single_one_sends_nothing():
    alone = scale.exchange_seconds(STEP["bytes"], 1.0, 1, 1, ASSUMED)
    two, many = (scale.exchange_seconds(STEP["bytes"], 1.0, ranks, ranks, ASSUMED) for ranks in (2, 200))
    assert alone == 0
    assert two == pytest.approx((1e6 + 2.1e6) / 1e9 + 2e-5)
    assert many > 100 * two


def test_training_stops_to_scale_where_the_exchange_is_the_step():
    rows = scale.plan_training(TRAINING, ASSUMED, STEP)
    grows, stays = rows[:3], rows[3:]
    assert [row["efficiency"] for row in grows] == sorted((row["efficiency"] for row in grows), reverse=True)
    assert all(b["hours"] >= a["hours"] for a, b in zip(grows, stays, strict=True))
    assert stays[-1]["exchange"] > 0.9


@pytest.mark.slow
def test_two_processes_add_up_more_bytes_in_more_time():
    small, large = time_exchange([4_000, 8_000_000])
    assert small[0] == {"exchanges": 1, "bytes": 4_000}
    assert 0 < small[1] < large[1]


def test_the_command_on_small_runs(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    words = [f"w{n}" for n in range(300)]
    rows = [f"{' '.join(random.choice(words, 20))},{'ab'[n % 2]}" for n in range(400)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    monkeypatch.setattr(scale, "FITTED_FILES", (Files(5, 50), Files(5, 50, 2), Files(20, 100), Files(5, 200)))
    monkeypatch.setattr(scale, "CHECKED_FILES", (Files(10, 100),))
    monkeypatch.setattr(scale, "FITTED_LESSONS", (Lesson(5, 50, 1, 8), Lesson(5, 100, 2, 8), Lesson(20, 50, 1, 8)))
    monkeypatch.setattr(scale, "CHECKED_LESSONS", (Lesson(10, 60, 1, 8),))
    monkeypatch.setattr(scale, "LONG_RUN", 2_000)
    monkeypatch.setattr(scale, "TEXT_WORDS", (5, 20))
    monkeypatch.setattr(scale, "MODEL_TEXTS", (10, 100))
    command = [str(tmp_path / "t.csv"), "--folder", str(tmp_path / "s")]
    found = CliRunner().invoke(
        application(scale_study),
        [*command, "--output", str(tmp_path / "s.json"), "--table", str(tmp_path / "s.md")],
        catch_exceptions=False,
    )
    assert found.exit_code == 0, found.output
    document = json.loads((tmp_path / "s.json").read_text())
    assert set(document["fitted"]) == {"classify", "train", "exchange"}
    for part in document["fitted"].values():
        assert max(part["prices"].values()) > 0
        for run in part["checks"]:
            assert run["error"] == pytest.approx(run["predicted"] / run["seconds"] - 1)
    assert document["step"]["bytes"]["rows"] > 0
    written = (tmp_path / "s.md").read_text()
    assert "One billion texts classified" in written
    assert "One billion tokens trained once" in written
    assert str(tmp_path) not in (tmp_path / "s.json").read_text()
