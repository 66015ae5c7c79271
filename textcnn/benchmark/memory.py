"""The memory that `classify` takes for a file of any size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from textcnn.benchmark.document import data_name
from textcnn.benchmark.machine import command_line, describe_machine
from textcnn.benchmark.peers_files import write_texts
from textcnn.benchmark.process_memory import watched_run
from textcnn.text.reading import read_examples
from textcnn.training.progress import Reporter

KIND = "memory"
WORKERS = (1, 2)


def memory_benchmark(
    model: Path, data: str, reporter: Reporter, *, folder: Path, megabytes: float, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Peak anonymous memory of `classify` on a file of repeated texts, with one worker and with two.

    Args:
        model: a model folder.
        data: texts, which are repeated until they fill the file.
        reporter: is told of progress.
        folder: for the file and its answers; they are removed afterwards.
        megabytes: of the file, 10^6 bytes each.
        arguments: of the command line, for the document.

    Raises:
        DataError: the data cannot be read.
    """
    texts = read_examples(data).texts
    big, answers = folder / "big.csv", folder / "big.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        write_texts(big, cycle(texts), most_bytes=int(megabytes * 1e6))
        found = []
        for workers in WORKERS:
            reporter.say(f"{megabytes:g} MB with {workers} workers")
            command = [sys.executable, "-m", "textcnn_cli", "classify", str(model), "--input", str(big)]
            found.append(
                {"workers": workers, **watched_run([*command, "--output", str(answers), "--workers", str(workers)])}
            )
    finally:
        for path in (big, answers):
            path.unlink(missing_ok=True)
    return {
        "benchmark": KIND,
        "command": command_line(arguments),
        "machine": describe_machine(),
        "data": data_name(data),
        "megabytes": megabytes,
        "runs": found,
    }


def to_markdown(document: dict[str, Any]) -> str:
    """The document as a table."""
    machine = document["machine"]
    lines = [
        "# The memory of a big file",
        "",
        f"Made by `{document['command']}` at {machine['commit']}, on {machine['cores']} cores ({machine['cpu']}): the "
        f"texts of {document['data']} again and again, {document['megabytes']:g} MB. Anonymous memory of all processes "
        "together; a flat course has four quarters alike.",
        "",
        "| workers | peak, MB | by quarter of the time | seconds |",
        "| ---: | ---: | --- | ---: |",
    ]
    for run in document["runs"]:
        quarters = ", ".join(f"{size:.0f}" for size in run["peak_mb_by_quarter"])
        lines.append(f"| {run['workers']} | {run['peak_mb']:.0f} | {quarters} | {run['seconds']:.0f} |")
    return "\n".join(lines) + "\n"
