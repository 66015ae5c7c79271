"""Two ranks beside one process, of one thread and of two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from textcnn.benchmark.document import data_name
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.errors import TextCNNError

PYTHON = (sys.executable, "-m")
TORCHRUN = (*PYTHON, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
# How each is started, and its threads in each process.
CONTESTANTS = {
    "1 rank, 1 thread": (PYTHON, 1),
    "2 ranks, 1 thread each": (TORCHRUN, 1),
    "1 rank, 2 threads": (PYTHON, 2),
}
REFERENCE = "1 rank, 1 thread"


def run_ranks(
    train: Path, test: Path, *, seeds: Sequence[int], settings: Sequence[str], arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Train with every contestant from every seed, in turn, and measure on the test rows.

    Args:
        train: labelled texts.
        test: likewise, only measured.
        seeds: of the trainings.
        settings: of train, as NAME=VALUE.
        arguments: of the command line, for the document.

    Raises:
        TextCNNError: a training failed.
    """
    runs = [{"seed": seed, **measured(name, train, test, seed, settings)} for seed in seeds for name in CONTESTANTS]
    return {
        "benchmark": "ranks",
        "command": command_line(arguments),
        "train": data_name(train),
        "test": data_name(test),
        "settings": list(settings),
        "machine": describe_machine(),
        "runs": runs,
        "means": [summary(name, runs) for name in CONTESTANTS],
    }


def measured(name: str, train: Path, test: Path, seed: int, settings: Sequence[str]) -> dict[str, Any]:
    """One training in processes of its own."""
    launcher, threads = CONTESTANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "model")
        given = ["textcnn_cli", "-q", "train", str(train), "--test", str(test), "-o", str(output), "--json"]
        # masks=row everywhere: all contestants then take the same steps
        more = ["--seed", str(seed), "--threads", str(threads), "--set", "masks=row"]
        for setting in settings:
            more += ["--set", setting]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run([*launcher, *given, *more], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise TextCNNError(f"{name}, seed {seed}: {done.stderr}")
        found = json.loads(done.stdout.splitlines()[-1])
        timing = json.loads((output / "timing.json").read_text(encoding="utf-8"))
    return {
        "name": name,
        "accuracy": found["test"]["accuracy"],
        "seconds": found["train_seconds"],
        "exchange": timing.get("exchange"),
    }


def summary(name: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds, and what a step exchanged."""
    own = [entry for entry in runs if entry["name"] == name]
    reference = mean(entry["seconds"] for entry in runs if entry["name"] == REFERENCE)
    seconds = mean(entry["seconds"] for entry in own)
    found: dict[str, Any] = {
        "name": name,
        "accuracy": mean(entry["accuracy"] for entry in own),
        "seconds": seconds,
        "times_as_fast": reference / seconds,
    }
    if (exchange := own[0]["exchange"]) is not None:
        for kind in ("dense", "rows"):
            found[f"{kind}_bytes_a_step"] = exchange[f"{kind}_bytes"] / exchange[f"{kind}_messages"]
        found["share_in_exchange"] = mean(entry["exchange"]["seconds"] / entry["seconds"] for entry in own)
    return found


def to_markdown(document: dict[str, Any]) -> str:
    """The means as a table."""
    seeds = sorted({entry["seed"] for entry in document["runs"]})
    lines = [
        "# Ranks that train together",
        "",
        f"Made by `{document['command']}` at {document['machine']['commit']}, on {document['machine']['cores']} cores "
        f"({document['machine']['cpu']}).",
        "",
        f"{document['train']}, measured on {document['test']}; mean over {len(seeds)} seeds. Training seconds, reading "
        f"and encoding excluded. Bytes are what the first rank gives in a step; that in exchange includes waiting.",
        "",
        "| | accuracy | seconds | times as fast | dense KB/step | rows KB/step | in exchange |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in document["means"]:
        exchanged = ["", "", ""]
        if "share_in_exchange" in entry:
            kilobytes = [f"{entry[f'{kind}_bytes_a_step'] / 1000:,.0f}" for kind in ("dense", "rows")]
            exchanged = [*kilobytes, f"{entry['share_in_exchange']:.0%}"]
        numbers = [f"{entry['accuracy']:.4f}", f"{entry['seconds']:.1f}", f"{entry['times_as_fast']:.2f}"]
        lines.append(f"| {' | '.join([entry['name'], *numbers, *exchanged])} |")
    return "\n".join(lines) + "\n"
