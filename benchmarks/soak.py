"""The server for a long time among good, bad and rude clients, while its models change and its workers die."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import main, words_of, write_outputs
from benchmarks.process_memory import memory_by_process, with_children
from benchmarks.serve import RunningServer, running_server
from benchmarks.soak_clients import Client, SlowClient, Tally
from benchmarks.soak_requests import OPTIONS, TOKEN, bad_requests, good_requests
from textcnn.benchmark.document import command_line, data_name, describe_machine
from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.folder.model_folder import WEIGHTS, replaced_folder
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import read_examples
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs

KIND = "soak"
PAUSE = 1.0  # seconds between two looks at the memory
SETTLED = 2 / 3  # the last part of a run, in which memory should be flat
MAX_TEXTS = 500
CHANGES = ("other model", "damaged", "first model", "deleted")  # what happens to the folder before each reload
RELOAD, KILL = 5.0, 20.0  # seconds between two


def run_soak(
    folders: Sequence[Path],
    data: str,
    *,
    workers: int = 2,
    clients: int = 6,
    slow_clients: int = 6,
    seconds: float = 600.0,
    seed: int = 0,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Run a server and everything that may befall it; each answer is compared with those of the models themselves.

    Args:
        folders: two models of one kind of labels; the server's folder holds a copy of one or the other.
        data: texts to ask.
        workers: processes of the server; the first is never killed, so that its memory can be followed.
        clients: that ask one request after the other.
        slow_clients: that send a byte now and then.
        seconds: of the run.
        seed: of what the clients choose.
        arguments: the command line, for the record.

    Raises:
        ArtifactError: a model is not there or not whole.
        DataError: the texts cannot be read, or there are none.
        TextCNNError: the server did not start.
    """
    predictors = [Predictor.load(folder) for folder in folders]
    examples = read_examples(data, DataConfig(), multi_label=predictors[0].labels.multi_label)
    texts = list(examples.texts)[:MAX_TEXTS]
    if not texts:
        raise DataError("expected texts to ask the server for, found none", path=data_name(examples.name))
    good, bad = good_requests(predictors, texts, Random(seed)), bad_requests(texts)
    tally, stop = Tally(), threading.Event()
    with TemporaryDirectory() as place:
        folder = Path(place) / "model"
        shutil.copytree(folders[0], folder)
        variables = {"TEXTCNN_SOAK_TOKEN": TOKEN}
        options = [*OPTIONS, "--token-variable", *variables]
        with running_server(folder, workers, options=options, variables=variables) as server:
            watch = _Watch(server.pid)
            trouble = _Trouble(server, folder, folders, stop)
            askers = [Client(server.address, good, bad, seed + n, tally, stop) for n in range(clients)]
            slow = [SlowClient(server.address, seed + n, tally, stop) for n in range(slow_clients)]
            threads: list[threading.Thread] = [watch, trouble, *askers, *slow]
            for thread in threads:
                thread.start()
            stop.wait(seconds)
            stop.set()
            watch.stopped.set()
            for thread in threads:
                thread.join()
            alive = len(with_children(server.pid)) - 1
    return {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": describe_machine(),
        "data": data_name(examples.name),
        "seconds": seconds,
        "workers": workers,
        "clients": clients,
        "slow_clients": slow_clients,
        "requests": _by_kind(tally.counts),
        "problems": tally.problems,
        "wrong_answers": sum(count for (_, outcome), count in tally.counts.items() if outcome == "wrong"),
        "total": sum(tally.counts.values()),
        "kills": trouble.kills,
        "changes": dict(trouble.changes),
        "said": _said(server.said),
        "workers_alive_at_the_end": alive,
        "memory": _memory(watch.looks, server.pid),
    }


def _by_kind(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, outcome), count in sorted(counts.items()):
        found[kind][outcome] = count
    return dict(found)


def _said(lines: Sequence[str]) -> dict[str, int]:
    """How often the server said what."""
    parts = ("ready: ", "reloaded", "reload failed", "ended with exit code", "could not load the models", "Traceback")
    return {part.strip(": "): sum(part in line for line in lines) for part in parts}


class _Trouble(threading.Thread):
    """Changes the model under the server and tells it so; kills the youngest worker now and then."""

    def __init__(self, server: RunningServer, folder: Path, models: Sequence[Path], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._server, self._folder, self._models, self._stopped = server, folder, models, stop
        self.kills, self.changes = 0, Counter[str]()

    def run(self) -> None:
        """Make trouble."""
        began, number = time.monotonic(), 0
        while not self._stopped.wait(RELOAD):
            what = CHANGES[number % len(CHANGES)]
            self._change(what)
            self.changes[what] += 1
            number += 1
            os.kill(self._server.pid, signal.SIGHUP)
            if time.monotonic() - began > KILL * (self.kills + 1):
                self._kill()

    def _change(self, what: str) -> None:
        if what == "damaged":  # in place, under the answers: weights that are mapped would change
            os.truncate(self._folder / WEIGHTS, 100)
        elif what == "deleted":
            shutil.rmtree(self._folder)
        else:
            with replaced_folder(self._folder) as place:
                shutil.copytree(self._models[what == "other model"], place, dirs_exist_ok=True)

    def _kill(self) -> None:
        workers = with_children(self._server.pid)[1:]
        if len(workers) > 1:
            os.kill(max(workers, key=_started), signal.SIGKILL)
            self.kills += 1


def _started(pid: int) -> int:
    """When a process began, in ticks (field 22 of proc_pid_stat(5))."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    except OSError:
        return 0


class _Watch(threading.Thread):
    """Looks at the memory of each process of the server every second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.stopped = pid, threading.Event()
        self.looks: list[tuple[float, dict[int, dict[str, int]]]] = []

    def run(self) -> None:
        """Look."""
        began = time.perf_counter()
        while True:
            self.looks.append((time.perf_counter() - began, memory_by_process(self._pid)))
            if self.stopped.wait(PAUSE):
                return


def _memory(looks: Sequence[tuple[float, Mapping[int, Mapping[str, int]]]], parent: int) -> dict[str, Any]:
    """MB of 10^6 bytes.

    Returns:
        ``followed``: the course of each process that was there for the whole last part, and its slope in that part, in
        MB a minute; ``others``: how many more there were, and the largest of them.
    """
    settled = looks[-1][0] * (1 - SETTLED)
    courses = {
        pid: [(at, look[pid]) for at, look in looks if pid in look] for pid in {p for _, look in looks for p in look}
    }
    followed = [pid for pid, course in courses.items() if course[0][0] < settled and course[-1][0] == looks[-1][0]]
    followed.sort(key=lambda pid: (pid != parent, pid))
    others = [sizes["rss"] for pid, course in courses.items() if pid not in followed for _, sizes in course]
    return {
        "followed": [
            {"process": "parent" if pid == parent else "worker"} | _course(courses[pid], settled) for pid in followed
        ],
        "others": {"count": len(courses) - len(followed), "largest_rss_mb": round(max(others, default=0) / 1e6, 1)},
    }


def _course(course: Sequence[tuple[float, Mapping[str, int]]], settled: float) -> dict[str, Any]:
    found: dict[str, Any] = {"at": [round(at, 1) for at, _ in course]}
    for name in ("rss", "anonymous"):
        found[f"{name}_mb"] = [round(sizes[name] / 1e6, 1) for _, sizes in course]
        found[f"{name}_slope"] = _slope([one for one in course if one[0] >= settled], name)
    return found


def _slope(course: Sequence[tuple[float, Mapping[str, int]]], name: str) -> float:
    at, sizes = zip(*((at / 60, look[name] / 1e6) for at, look in course), strict=True)
    return round(float(np.polyfit(at, sizes, 1)[0]), 3)


def soak(
    model: options.Model,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="a second model, with the same kind of labels")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, as `evaluate` reads them")],
    workers: Annotated[int, typer.Option(min=2, help="processes of the server; one is killed now and then")] = 2,
    clients: Annotated[int, typer.Option(min=1, help="that ask one request after the other")] = 6,
    slow_clients: Annotated[int, typer.Option(min=0, help="that send a byte now and then")] = 6,
    seconds: Annotated[float, typer.Option(min=1, help="of the run")] = 600.0,
    seed: Annotated[int, typer.Option(min=0, help="of what the clients choose")] = 0,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """A real server among good, bad, slow and rude clients, while its model changes and its workers are killed.

    Example: python -m benchmarks.soak model model2 reviews.csv --seconds 60
    """
    from benchmarks.soak_table import to_markdown

    prepare_outputs(output, None, table)
    document = run_soak(
        [model, other],
        data,
        workers=workers,
        clients=clients,
        slow_clients=slow_clients,
        seconds=seconds,
        seed=seed,
        arguments=words_of("soak"),
    )
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(soak)
