"""Training under torchrun, in real processes: one model, whoever is killed, interrupted or asked for too much."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoint_files import wait_for_checkpoint, write_rows

import textcnn

RUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SMALL = ["--threads", "1", "--set", "embedding_dim=8", "--set", "num_filters=4", "--checkpoint-seconds", "0"]
SMALL += ["--calibrate", "none"]  # one network
ENVIRONMENT = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows"), 257)


def start(rows, output, *more, command=RUN, epochs=6):
    launched = command if command[-1] == "-m" else [*command, "-m"]  # python's own, or torchrun's
    given = [*launched, "textcnn_cli", "train", str(rows), "-o", str(output), "--epochs", str(epochs), *SMALL]
    return subprocess.Popen(
        ["env", "--default-signal=INT", *given, *map(str, more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
        start_new_session=True,
    )


def ended(process, timeout=100):
    said, errors = process.communicate(timeout=timeout)
    return process.returncode, said, errors


def ranks_of(process):
    """The processes of both ranks."""
    found = started_by(process)
    return found["RANK=0"], found["RANK=1"]


def started_by(process):
    """The processes that torchrun has started, by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process.pid:
                variables = (folder / "environ").read_text().split("\0")
                found[next(v for v in variables if v.startswith("RANK="))] = int(folder.name)
        except (OSError, StopIteration):
            continue
    return found


@pytest.fixture(scope="module")
def whole(rows, tmp_path_factory):
    """A run that nobody disturbs, of texts that every rank maps from disk."""
    output = tmp_path_factory.mktemp("whole") / "model"
    code, said, errors = ended(start(rows, output, "--json", "--test", rows, "--set", "storage=disk"))
    assert code == 0, errors
    assert "2 ranks share every batch" in errors
    assert errors.count("epoch 1:") == 1  # one process speaks
    lines = said.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["test"]["accuracy"] == 1.0
    return output


def test_it_is_the_run_of_one_process_(rows, whole, tmp_path):
    alone = [sys.executable, "-m"]
    code, _, errors = ended(start(rows, tmp_path / "model", command=alone))
    assert code == 0, errors
    one, two = (textcnn.load(folder).artifact.training for folder in (tmp_path / "model", whole))
    assert (one["ranks"], two["ranks"]) == (1, 2)
    for own, other in zip(one["history"], two["history"], strict=True):
        assert own["loss"] == pytest.approx(other["loss"], rel=1e-5, abs=1e-5)


def test_a_rank_is_killed_and_the_run_goes_on_to_the_same_bytes(rows, whole, tmp_path):
    output = tmp_path / "model"
    process = start(rows, output)
    wait_for_checkpoint(Path(f"{output}.checkpoints"), process, 4)
    os.kill(ranks_of(process)[1], signal.SIGKILL)
    code, _, _ = ended(process)
    assert code != 0
    assert not output.exists()
    code, _, errors = ended(start(rows, output, "--resume"))
    assert code == 0, errors
    assert "going on from epoch" in errors
    assert (output / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_torchrun_starts_lost_ranks_again_and_they_go_on(rows, whole, tmp_path):
    output = tmp_path / "model"
    again = [*RUN, "--max-restarts", "2"]
    process = start(rows, output, command=again)
    wait_for_checkpoint(Path(f"{output}.checkpoints"), process, 4)
    os.kill(ranks_of(process)[0], signal.SIGKILL)  # the one that holds the output
    code, _, errors = ended(process)
    assert code == 0, errors
    assert "going on from epoch" in errors
    assert (output / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_an_interrupt_of_one_stops_all_and_saves(rows, tmp_path):
    output = tmp_path / "model"
    process = start(rows, output, epochs=100_000)
    wait_for_checkpoint(Path(f"{output}.checkpoints"), process, 8)
    os.kill(ranks_of(process)[1], signal.SIGINT)
    code, _, errors = ended(process)
    assert code != 0
    assert "interrupted: the best weights so far were saved" in errors
    assert textcnn.load(output).artifact.training["stopped"] == "interrupted"
