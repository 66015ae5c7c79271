"""`textcnn classify` as a process: pipes line by line, memory that does not grow, workers, Ctrl-C."""

import csv
import json
import os
import random
import select
import signal
import subprocess
import sys
import time

import pytest

import textcnn

COMMAND = [sys.executable, "-m", "textcnn_cli", "classify"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    settings = {"embedding_dim": 4, "num_filters": 2, "kernel_sizes": (2,), "epochs": 1, "threads": 1, "wide": False}
    textcnn.train([("good film", "pos"), ("bad film", "neg")] * 8, output=folder, **settings)
    return folder


def write_file(path, megabytes):
    words = [f"w{n}" for n in range(4_000)] + ["good", "bad,", '"film"'] * 300
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        file.write("text\n")
        rows = ['"' + " ".join(draw.choices(words, k=400)).replace('"', '""') + '"\n' for _ in range(400)]
        while file.tell() < megabytes * 2**20:
            file.writelines(rows)
    return path


@pytest.mark.parametrize("workers", [1, 2])
def test_each_line_of_a_pipe_is_answered_before_the_next_is_needed(model, workers):
    with subprocess.Popen(
        [*COMMAND, model, "--input", "-", "--workers", str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        bufsize=0,  # an answer that this process had read ahead would not be seen by `select`
    ) as process:
        try:
            for number in range(4):
                lines = [f"good film {number}"] * (1 + number % 2)  # one at a time, or two at once
                process.stdin.write("".join(f"{line}\n" for line in lines).encode())
                for line in lines:
                    assert select.select([process.stdout], [], [], 60)[0], f"no answer to line {number}"
                    assert json.loads(process.stdout.readline())["text"] == line
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "classified 6 rows" in errors.decode()


@pytest.mark.parametrize("workers", [1, 2])
def test_look_up_needs_no_torch_in_any_process(model, tmp_path, workers):
    """Torch cannot be imported here; int8 says that the look-up runtime must answer."""
    (tmp_path / "torch.py").write_text("raise SystemExit('torch was imported')")
    before = os.environ.get("PYTHONPATH", "")
    path = write_file(tmp_path / "in.csv", 2)
    done = subprocess.run(
        [*COMMAND, model, "--input", path, "--precision", "int8", "--workers", str(workers)],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path), before]))},
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in rows] == [row["text"] for row in csv.DictReader(file)]
    assert all("certified" in row for row in rows)


def test_memory_does_not_grow_with_the_input(model, tmp_path):
    """The peak of the process's own memory, for a file and one ten times as large."""
    code = (
        "import sys; from textcnn_cli.main import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"
    )
    if not os.path.exists("/proc/self/status"):
        pytest.skip("needs /proc")
    peaks = []
    for megabytes in (3, 30):
        path = write_file(tmp_path / f"in{megabytes}.csv", megabytes)
        arguments = ["classify", str(model), "--input", str(path), "--output", str(tmp_path / "out.jsonl")]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=True
        )
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < 25, peaks


def children_of(process):
    with open(f"/proc/{process}/task/{process}/children") as file:
        return [int(child) for child in file.read().split()]


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(model, tmp_path, how):
    """Ctrl-C reaches the whole group; a kill only the parent."""
    path = write_file(tmp_path / "in.csv", 60)
    # Tests started in the background inherit a SIGINT that is ignored; the command must not.
    command = ["env", "--default-signal=INT", *COMMAND]
    process = subprocess.Popen(
        [*command, model, "--input", path, "--output", tmp_path / "out.jsonl", "--workers", "2"],
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (tmp_path / "out.jsonl.partial").exists():
        time.sleep(0.05)
    workers = children_of(process.pid)
    assert len(workers) >= 2
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in errors.decode()
    while time.monotonic() < deadline and any(os.path.exists(f"/proc/{worker}") for worker in workers):
        time.sleep(0.05)
    assert not [worker for worker in workers if os.path.exists(f"/proc/{worker}")]
