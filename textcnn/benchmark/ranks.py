"""Two ranks beside one process, of one thread and of two; and what becomes of the time that they should save."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from textcnn.benchmark.document import data_name
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.config import TrainingConfig
from textcnn.errors import TextCNNError

PYTHON = (sys.executable, "-m")
TORCHRUN = (*PYTHON, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


@dataclass(frozen=True)
class Contestant:
    """How a training is started, its threads in each process, and the parts that its batches are cut into."""

    launcher: tuple[str, ...]
    threads: int
    parts: int = 1


REFERENCE, RANKS, HALVES = "1 rank, 1 thread", "2 ranks, 1 thread each", "1 rank, 1 thread, half batches"
CONTESTANTS = {
    REFERENCE: Contestant(PYTHON, 1),
    RANKS: Contestant(TORCHRUN, 1),
    "1 rank, 2 threads": Contestant(PYTHON, 2),
    HALVES: Contestant(PYTHON, 1, parts=2),  # what each of two ranks does, one after the other
}


def run_ranks(
    train: Path,
    test: Path,
    *,
    seeds: Sequence[int],
    settings: Sequence[str],
    batch_size: int = TrainingConfig.batch_size,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Train with every contestant from every seed, in turn, and measure on the test rows.

    Args:
        train: labelled texts.
        test: likewise, only measured.
        seeds: of the trainings.
        settings: of train, as NAME=VALUE.
        batch_size: rows of a step.
        arguments: of the command line, for the document.

    Raises:
        TextCNNError: a training failed.
    """
    runs = [
        {"seed": seed, **measured(name, train, test, seed, settings, batch_size)}
        for seed in seeds
        for name in CONTESTANTS
    ]
    return {
        "benchmark": "ranks",
        "command": command_line(arguments),
        "train": data_name(train),
        "test": data_name(test),
        "settings": list(settings),
        "batch_size": batch_size,
        "machine": describe_machine(),
        "runs": runs,
        "means": [summary(name, runs) for name in CONTESTANTS],
        "explained": explained(runs),
    }


def measured(name: str, train: Path, test: Path, seed: int, settings: Sequence[str], batch_size: int) -> dict[str, Any]:
    """One training in processes of its own."""
    one = CONTESTANTS[name]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "model")
        given = ["textcnn_cli", "-q", "train", str(train), "--test", str(test), "-o", str(output), "--json"]
        # masks=row everywhere: all contestants then take the same steps
        more = ["--seed", str(seed), "--threads", str(one.threads), "--set", "masks=row"]
        for setting in (*settings, f"batch_size={batch_size // one.parts}"):
            more += ["--set", setting]
        environment = {**os.environ, "OMP_NUM_THREADS": str(one.threads)}
        done = subprocess.run(
            [*one.launcher, *given, *more], env=environment, capture_output=True, text=True, check=False
        )
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


def explained(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What the seconds of two ranks consist of, in the mean over the seeds.

    Returns:
        ``half``: a half of one rank's seconds, the aim; ``smaller_batches``: how much longer each rank's half of the
        rows takes because its batches are half as large, by the run with half batches; ``exchange``: sending, and
        waiting for the other; ``rest``: what is left, two processes on one memory and the other's rows of tables among
        it; ``total``: all of it.
    """

    def seconds(name: str) -> float:
        return float(mean(entry["seconds"] for entry in runs if entry["name"] == name))

    half, total = seconds(REFERENCE) / 2, seconds(RANKS)
    smaller = seconds(HALVES) / 2 - half
    exchange = mean(entry["exchange"]["seconds"] for entry in runs if entry["name"] == RANKS)
    rest = total - half - smaller - exchange
    return {"half": half, "smaller_batches": smaller, "exchange": exchange, "rest": rest, "total": total}


def to_markdown(document: dict[str, Any]) -> str:
    """The means as a table."""
    seeds = sorted({entry["seed"] for entry in document["runs"]})
    lines = [
        "# Ranks that train together",
        "",
        f"Made by `{document['command']}` at {document['machine']['commit']}, on {document['machine']['cores']} cores "
        f"({document['machine']['cpu']}).",
        "",
        f"{document['train']}, measured on {document['test']}; mean over {len(seeds)} seeds, {document['batch_size']} "
        f"rows a step. Training seconds, reading and encoding excluded. Bytes are what the first rank gives in a step; "
        f"that in exchange includes waiting.",
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
    parts = document["explained"]
    lines += [
        "",
        f"Of the {parts['total']:.1f} s of two ranks, {parts['half']:.1f} are half of what one rank takes; "
        f"{parts['smaller_batches']:.1f} more because a rank's batches are half as large, and two halves have more "
        f"different words than the whole (half of the seconds of a run with such batches, less the former); "
        f"{parts['exchange']:.1f} are exchange, with waiting; {parts['rest']:.1f} are the rest: the optimizers' work "
        f"on the other rank's rows of tables, and two processes on one memory.",
    ]
    return "\n".join(lines) + "\n"
