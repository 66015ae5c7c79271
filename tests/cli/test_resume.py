"""Training that is killed, interrupted, starved or raced, from outside, in real processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from checkpoint_files import wait_for_checkpoint, write_rows

import textcnn

COMMAND = [sys.executable, "-m", "textcnn_cli", "train"]
SMALL = ["--dev-fraction", "0.2", "--threads", "1", "--set", "embedding_dim=16", "--set", "num_filters=8"]
ENVIRONMENT = {**os.environ, "TERM": "dumb", "NO_COLOR": "1"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows"), 600)


def start(rows, output, *more, epochs=20, **options):
    command = [*COMMAND, str(rows), "-o", str(output), "--epochs", str(epochs), *SMALL, "--checkpoint-seconds", "0"]
    return subprocess.Popen(
        ["env", "--default-signal=INT", *command, *map(str, more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
        **options,
    )


def ended(process):
    said, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    return process.returncode, said, errors


def test_killed_twice_it_goes_on_to_the_same_bytes(rows, tmp_path):
    code, _, _ = ended(start(rows, tmp_path / "whole"))
    assert code == 0
    output, folder = tmp_path / "model", tmp_path / "model.checkpoints"
    for number, step in enumerate((1, 60)):
        process = start(rows, output, *(["--resume"] if number else []))
        wait_for_checkpoint(folder, process, step)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not output.exists()
    code, _, errors = ended(start(rows, output, "--resume", "--learning-rate", "0.1"))
    assert code == 2
    assert "but learning_rate was 0.002 and is 0.1; use the same data and settings, or leave --resume out" in errors
    newest = sorted(folder.glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    code, _, errors = ended(start(rows, output, "--resume"))
    assert code == 0
    assert "is damaged: its checksum is not that in its name" in errors
    assert "going on from epoch" in errors
    for name in ("model.safetensors", "config.json", "tokenizer.json", "training.json"):
        assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert sorted(os.listdir(tmp_path)) == ["model", "whole"]


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_best_weights_and_meanwhile_the_folder_is_taken(rows, tmp_path, number, expected):
    output, folder = tmp_path / "model", tmp_path / "model.checkpoints"
    process = start(rows, output, "--json", "--max-memory", "2G", epochs=100_000)
    wait_for_checkpoint(folder, process, 20)
    code, _, errors = ended(start(rows, output))
    assert code == 2
    assert f"but process {process.pid} is making it; wait for its end, or choose another -o" in errors
    process.send_signal(number)
    code, said, errors = ended(process)
    assert code == expected
    assert "interrupted: the best weights so far were saved; --resume goes on from the last checkpoint" in errors
    saved = textcnn.load(output).artifact.training
    assert saved["stopped"] == "interrupted"
    assert json.loads(said.splitlines()[-1])["best_epoch"] == saved["best_epoch"] >= 1
    assert len(list(folder.glob("*.safetensors"))) == 2


def test_a_full_disk_is_an_error_and_the_old_model_stays(rows, tmp_path):
    """A limit on the size of files stands for the disk: writing behind it fails in the same way."""
    output = tmp_path / "model"
    code, _, _ = ended(start(rows, output, epochs=1))
    assert code == 0
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    room = len(before["model.safetensors"]) // 2

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    code, _, errors = ended(start(rows, output, epochs=2, preexec_fn=limit))
    assert code == 2
    assert "warning: no checkpoint could be written to" in errors
    assert f"error: cannot write a model to '{output}'" in errors
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert os.listdir(tmp_path) == ["model"]


def test_the_time_limit_is_kept(rows, tmp_path):
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "textcnn_cli", "--version"], check=True, capture_output=True, env=ENVIRONMENT)
    to_start = time.monotonic() - began  # which comes before the command, and before its clock
    began = time.monotonic()
    code, said, errors = ended(start(rows, tmp_path / "model", "--time-limit", "20", "--json", epochs=100_000))
    assert code == 0
    assert time.monotonic() - began < 20 + 2 * to_start
    assert "time_limit is 20 s: " in errors
    summary = json.loads(said.splitlines()[-1])
    assert 1 <= summary["epochs"] < 100_000
    assert textcnn.load(tmp_path / "model").artifact.training["config"]["training"]["epochs"] < 100_000


def test_the_memory_limit_is_kept(rows, tmp_path):
    code, _, errors = ended(start(rows, tmp_path / "model", "--max-memory", "60M"))
    assert code == 2
    assert "max_memory" in errors
    assert not (tmp_path / "model").exists()
