"""The server under load: single texts over a loopback socket, as fast as it answers, and its memory meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import main, words_of, write_outputs
from benchmarks.load import Load, Question, hammer, question
from benchmarks.process_memory import memory_of, processor_seconds
from textcnn.benchmark.document import command_line, data_name, describe_machine
from textcnn.config import DataConfig
from textcnn.errors import DataError, TextCNNError
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import read_examples
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers

KIND = "serve"
PAUSE = 1.0  # seconds between two looks at the memory
SETTLED = 2 / 3  # the last part of a run, in which memory should be flat
ROUNDS = 1  # of each connection through all texts before the clock runs: every worker has met the words
PERCENTILES = (50, 95, 99)


def serve_benchmark(
    folder: Path,
    data: str,
    *,
    workers: Sequence[int] = (1, 2),
    clients: int = 8,
    seconds: float = 60.0,
    max_texts: int = 500,
    arguments: Sequence[str] = (),
) -> dict[str, Any]:
    """Start a server of the model in ``folder`` for each number of workers, and ask it as fast as it answers.

    Args:
        folder: a model.
        data: texts to ask, each in a request of its own, round and round.
        workers: processes of the server.
        clients: connections, each with one request under way at any time.
        seconds: of each run.
        max_texts: of the data.
        arguments: the command line, for the record.

    Raises:
        ArtifactError: the model is not there or not whole.
        DataError: the texts cannot be read, or there are none.
        TextCNNError: the server did not start.
    """
    predictor = Predictor.load(folder)
    examples = read_examples(data, DataConfig(), multi_label=predictor.labels.multi_label)
    texts = list(examples.texts)[:max_texts]
    if not texts:
        raise DataError("expected texts to ask the server for, found none", path=data_name(examples.name))
    top = predictor.predict_proba(texts).argmax(axis=1).tolist()
    questions = [question(text, predictor.labels.names[k]) for text, k in zip(texts, top, strict=True)]
    return {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": describe_machine(),
        "data": data_name(examples.name),
        "texts": len(texts),
        "mean_request_bytes": round(float(np.mean([len(one.request) for one in questions]))),
        "runtime": predictor.runtime.name,
        "clients": clients,
        "runs": [_run(folder, questions, count, clients, seconds) for count in workers],
    }


def _run(folder: Path, questions: Sequence[Question], workers: int, clients: int, seconds: float) -> dict[str, Any]:
    with running_server(folder, workers) as server:
        hammer(server.address, questions, clients=clients, seconds=0, rounds=ROUNDS)
        before = processor_seconds(server.pid)
        with _Watch(server.pid) as watch:
            load = hammer(server.address, questions, clients=clients, seconds=seconds)
        used = {pid: now - before.get(pid, 0.0) for pid, now in processor_seconds(server.pid).items()}
    return {"workers": workers, **_figures(load, list(used.values())), "memory": _memory(watch.looks)}


def _figures(load: Load, used: Sequence[float]) -> dict[str, Any]:
    """Rates and times of a run; ``used``: seconds of processor time of each process of the server."""
    count = len(load.latencies)
    found = np.percentile(np.array(load.latencies) * 1e3, PERCENTILES).round(2).tolist()
    return {
        "seconds": round(load.seconds, 1),
        "requests": count,
        "errors": load.errors,
        "problems": load.problems,
        "requests_per_second": round(count / load.seconds, 1),
        "latency_ms": {f"p{p}": value for p, value in zip(PERCENTILES, found, strict=True)}
        | {"max": round(max(load.latencies) * 1e3, 2)},
        "server_us_per_request": round(sum(used) / count * 1e6, 1),
        "server_cores": [round(one / load.seconds, 2) for one in used],
        "client_cores": round(load.client_seconds / load.seconds, 2),
    }


def _memory(looks: Sequence[tuple[float, dict[str, int]]]) -> dict[str, Any]:
    """MB of 10^6 bytes at each look, and how far they are apart once the run has settled."""
    found: dict[str, Any] = {"at": [round(at, 1) for at, _ in looks]}
    for name in ("rss", "pss"):
        found[f"{name}_mb"] = [round(look[name] / 1e6, 2) for _, look in looks]
        settled = [look[name] for at, look in looks if at >= looks[-1][0] * (1 - SETTLED)]
        found[f"{name}_spread"] = round((max(settled) - min(settled)) / max(max(settled), 1), 4)
    return found


class _Watch:
    """Looks at the memory of a process and its children every second, in a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._pid, self._stop = pid, threading.Event()
        self.looks: list[tuple[float, dict[str, int]]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        began = time.perf_counter()
        while True:
            self.looks.append((time.perf_counter() - began, memory_of(self._pid)))
            if self._stop.wait(PAUSE):
                return


@dataclass(frozen=True)
class RunningServer:
    """A server, where it listens, and the lines it has said."""

    pid: int
    address: tuple[str, int]
    said: Sequence[str]


@contextmanager
def running_server(
    folder: Path, workers: int, *, options: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> Iterator[RunningServer]:
    """A real ``textcnn serve`` in a process of its own, on a free port of the loopback; it is stopped at the end.

    Args:
        folder: a model.
        workers: processes.
        options: more words of the command.
        variables: of the environment, beside those of this process.

    Raises:
        TextCNNError: it did not start.
    """
    command = [sys.executable, "-m", "textcnn_cli", "serve", str(folder), "--port", "0", "--workers", str(workers)]
    process = subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, text=True, env={**os.environ, **(variables or {})}
    )
    said: list[str] = []
    reader: threading.Thread | None = None
    try:
        port = _port_once_ready(process, workers, said)
        reader = threading.Thread(target=_read_on, args=(process, said), daemon=True)
        reader.start()
        yield RunningServer(process.pid, ("127.0.0.1", port), said)
    finally:
        process.terminate()
        process.wait()
        if reader is not None:
            reader.join()
        assert process.stderr is not None
        process.stderr.close()


def _port_once_ready(process: subprocess.Popen[str], workers: int, said: list[str]) -> int:
    assert process.stderr is not None
    port = 0
    for line in process.stderr:
        said.append(line.strip())
        if found := re.search(r"serving at \S+:(\d+)$", said[-1]):
            port = int(found[1])
        if sum("ready: " in line for line in said) == workers:
            return port
    raise TextCNNError(f"expected a server to start, it said: {' / '.join(said[-3:])}")


def _read_on(process: subprocess.Popen[str], said: list[str]) -> None:
    """A server that says much must not wait for somebody to listen."""
    assert process.stderr is not None
    said.extend(line.strip() for line in process.stderr)


def to_markdown(document: Mapping[str, Any]) -> str:
    """The document as tables."""
    machine = document["machine"]
    lines = [
        "# The server under load",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['other_work']} other threads running. {document['clients']} connections, each asking for one text "
        f"a request as soon as it has its answer; {document['texts']:,} texts of {document['data']} round and round, "
        f"their words met before; {document['runtime']} runtime. Server and client share the cores.",
        "",
        "| workers | seconds | requests | errors | requests/s | p50 ms | p95 ms | p99 ms | longest ms "
        "| server us/request | cores: server | client |",
        "| " + " | ".join(["---:"] * 12) + " |",
    ]
    for run in document["runs"]:
        wait, cores = run["latency_ms"], " + ".join(map(str, run["server_cores"]))
        lines.append(
            f"| {run['workers']} | {run['seconds']} | {run['requests']:,} | {run['errors']} | "
            f"{run['requests_per_second']:,.0f} | {wait['p50']} | {wait['p95']} | {wait['p99']} | {wait['max']} | "
            f"{run['server_us_per_request']:.0f} | {cores} | {run['client_cores']} |"
        )
    lines += [
        "",
        "Memory of the server and its workers, MB; spread: (largest - smallest) / largest, in the last two thirds:",
        "",
        "| workers | first RSS | last RSS | spread | first PSS | last PSS | spread |",
        "| " + " | ".join(["---:"] * 7) + " |",
    ]
    for run in document["runs"]:
        found = run["memory"]
        cells = [
            f"{found[f'{n}_mb'][0]:.0f} | {found[f'{n}_mb'][-1]:.0f} | {found[f'{n}_spread']:.2%}"
            for n in ("rss", "pss")
        ]
        lines.append(f"| {run['workers']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def serve(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, as `evaluate` reads them")],
    workers: Annotated[str, typer.Option(metavar="N,N,...", help="processes of the server, a run each")] = "1,2",
    clients: Annotated[int, typer.Option(min=1, help="connections, each with one request under way")] = 8,
    seconds: Annotated[float, typer.Option(min=1, help="of each run")] = 60.0,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """Requests a second, latency, errors and memory of a real server that is asked as fast as it answers.

    Example: python -m benchmarks.serve model reviews.csv --seconds 10
    """
    prepare_outputs(output, None, table)
    counts = split_numbers("--workers", workers) or ()
    document = serve_benchmark(
        model, data, workers=counts, clients=clients, seconds=seconds, arguments=words_of("serve")
    )
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(serve)
