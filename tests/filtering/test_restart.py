"""A filter that is killed and started again, and one on Ray: the bytes of one undisturbed process."""

import importlib.util
import json
import random
import signal
import subprocess
import sys
import time

import pytest
from commands import invoke
from skipping import skip_without

PROGRAM = [sys.executable, "-m", "textcnn_cli", "filter"]
RULE = ("--keep", "pos", "--keep-share", "0.3")
SHARDS, DOCUMENTS, KILLS = 6, 4_000, 4
LIMIT = 120  # seconds


def write_shards(folder):
    draw = random.Random(0)
    folder.mkdir()
    for number in range(SHARDS):
        texts = [" ".join(draw.choices(["good", "bad", "film", "plot", f"w{number}"], k=9)) for _ in range(DOCUMENTS)]
        lines = "".join(json.dumps({"id": f"{number}-{n}", "text": text}) + "\n" for n, text in enumerate(texts))
        (folder / f"{number}.jsonl").write_text(lines + "{broken\n", encoding="utf-8")


def content(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and "_textcnn" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory):
    """The input, and the files of an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    write_shards(folder / "in")
    invoke("filter", model, folder / "in", "-o", folder / "out", *RULE, "--dropped", folder / "aside")
    kept, aside = content(folder / "out"), content(folder / "aside")
    documents = [
        line for files in (kept, aside) for name in files for line in files[name].splitlines() if name[0] in "012345"
    ]
    assert len(documents) == len(set(documents)) == SHARDS * DOCUMENTS
    assert len([name for name in kept if name.startswith("rejected/")]) == SHARDS
    return folder / "in", kept, aside


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(model, expected, tmp_path):
    source, kept, aside = expected
    draw = random.Random(1)
    options = ["-o", tmp_path / "out", *RULE, "--dropped", tmp_path / "aside"]
    command = [*PROGRAM, *map(str, [model, source, *options])]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)  # so long does it take here
    whole = time.monotonic() - begun
    for kind in ("out", "aside"):
        (tmp_path / kind).rename(tmp_path / f"{kind}-first")
    for _ in range(KILLS):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.3, 1) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
    subprocess.run(command, check=True, capture_output=True)
    assert content(tmp_path / "out") == kept
    assert content(tmp_path / "aside") == aside
    assert not list((tmp_path / "out/_textcnn").rglob("unfinished/*"))


@pytest.mark.filterwarnings("ignore")  # Ray's own deprecations
def test_on_ray_the_bytes_are_those_of_one_process(model, expected, tmp_path):
    skip_without(importlib.util.find_spec("ray") is not None, "ray")
    source, kept, aside = expected
    options = ["-o", tmp_path / "out", *RULE, "--dropped", tmp_path / "aside", "--engine", "ray"]
    subprocess.run([*PROGRAM, *map(str, [model, source, *options])], check=True, capture_output=True, timeout=LIMIT)
    assert content(tmp_path / "out") == kept
    assert content(tmp_path / "aside") == aside
