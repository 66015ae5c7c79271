"""Trials in several processes: the same trials, the same best one, whatever the number of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.test_tune import HELD, IDENTITY, PAIRS, SMALL, Heard, space, weights
from textcnn.errors import ConfigError, TextCNNError
from textcnn.progress import Silent
from textcnn.tuning import parallel_trials as apart
from textcnn.tuning import tune
from textcnn.tuning.space import LINE
from textcnn.tuning.study import Trials

TRIALS = 7


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    storage = tmp_path_factory.mktemp("alone") / "trials.db"
    return storage, tune(PAIRS, HELD, 1e6, Silent(), num_trials=TRIALS, storage=storage, processes=1)


@given(st.integers(0, 2**40), st.integers(0, 60))
def test_a_trial_follows_from_the_seed_and_its_number(seed, number):
    trials = Trials(space(), seed, IDENTITY, None)
    params = trials.alone(number)
    assert params == Trials(space(), seed, IDENTITY, None).alone(number)
    assert params.keys() == space().searched.keys()
    for name, distribution in space().distributions().items():
        assert distribution._contains(distribution.to_internal_repr(params[name])), name
    if number <= len(LINE):
        assert params == space().start(number, {})
    else:
        assert params != Trials(space(), seed + 1, IDENTITY, None).alone(number)


def test_two_processes_find_what_one_finds(alone, tmp_path):
    _, first = alone
    reporter = Heard()
    storage = tmp_path / "trials.db"
    found = tune(PAIRS, HELD, 1e6, reporter, num_trials=TRIALS, storage=storage, processes=2)
    assert found.values == first.values
    assert len(set(found.values)) > 1
    assert found.summary["tuning"]["best"] == first.summary["tuning"]["best"]
    assert weights(found.run.predictor) == weights(first.run.predictor)
    assert sorted(line.split(":")[0] for line in reporter.said if line.startswith("trial ")) == [
        f"trial {number}" for number in range(TRIALS)
    ]
    kept = optuna.load_study(study_name="textcnn", storage=f"sqlite:///{storage}")
    assert sorted(trial.user_attrs["number"] for trial in kept.trials) == list(range(TRIALS))


def test_what_is_missing_is_done_and_another_kind_of_search_is_refused(alone, tmp_path):
    storage, first = alone
    holes = tmp_path / "holes.db"
    kept = optuna.load_study(study_name="textcnn", storage=f"sqlite:///{storage}")
    optuna.create_study(study_name="textcnn", storage=f"sqlite:///{holes}", direction="maximize")
    with_holes = optuna.load_study(study_name="textcnn", storage=f"sqlite:///{holes}")
    for name, value in kept.user_attrs.items():
        with_holes.set_user_attr(name, value)
    with_holes.add_trials([trial for trial in kept.trials[::-1] if trial.user_attrs["number"] not in (0, 4)])
    reporter = Heard()
    found = tune(PAIRS, HELD, 1e6, reporter, num_trials=TRIALS, storage=holes, processes=1)
    assert f"{TRIALS - 2} trials are in {holes}" in reporter.said
    assert [line[:8] for line in reporter.said if line.startswith("trial ")] == ["trial 0:", "trial 4:"]
    assert found.values == first.values
    assert weights(found.run.predictor) == weights(first.run.predictor)
    with pytest.raises(ConfigError, match=r"trials\.db' holds trials of other trials; choose another --storage"):
        tune(PAIRS, {**HELD, "threads": 1}, 1e6, Silent(), num_trials=TRIALS, storage=storage)


def test_a_budget_that_is_too_short_is_told():
    reporter = Heard()
    with pytest.raises(ConfigError, match=r"time_budget of 0\.5 s was too short: no trial has finished an epoch"):
        tune(PAIRS, HELD, 0.5, reporter, num_trials=3, processes=1)
    assert "no time for 3 trials more; give more, and the same --storage, to go on" in reporter.said


def end_at_once(work, storage, stop):
    os._exit(9)


def test_a_process_that_is_killed_is_told(monkeypatch):
    monkeypatch.setattr(apart, "_start", end_at_once)
    with pytest.raises(TextCNNError, match="one of 1 processes ended before its trial, perhaps killed for want of mem"):
        tune(PAIRS, SMALL, 1e6, Silent(), num_trials=1, processes=1)


def test_ctrl_c_ends_all_processes_and_what_is_stored_stays(tmp_path):
    rows = "\n".join(["text,label", *(f"{text},{label}" for text, label in PAIRS)])
    (tmp_path / "train.csv").write_text(rows + "\n", encoding="utf-8")
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "textcnn_cli",
        "tune",
        "train.csv",
        "--time-budget",
        "500",
        "--trials",
        "4000",
    ]
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen(
            [*command, "--processes", "2", "--storage", "trials.db", *settings], cwd=tmp_path, stderr=said
        )
        try:
            deadline = time.monotonic() + 90
            while "trial 1:" not in (tmp_path / "said.txt").read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
            assert len(working_in(tmp_path)) >= 3
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130, (tmp_path / "said.txt").read_text()
        finally:
            process.kill()  # its children end with it
            process.wait()
    assert (tmp_path / "model" / "model.safetensors").exists()
    kept = optuna.load_study(study_name="textcnn", storage=f"sqlite:///{tmp_path / 'trials.db'}")
    assert 1 <= len(kept.trials) < 4000
    assert not working_in(tmp_path)


def working_in(folder: Path) -> list[str]:
    """Numbers of the processes that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_the_command_wants_a_number_of_trials(tmp_path):
    from typer.testing import CliRunner

    from textcnn_cli.main import app

    command = ["tune", "nowhere.csv", "--time-budget", "9", "--processes", "2", "-o", str(tmp_path / "model")]
    found = CliRunner().invoke(app, command)
    assert "processes must be 1 or more with a number of trials, so that every run has the same ones" in str(
        found.exception
    )
