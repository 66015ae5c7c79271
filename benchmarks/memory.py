"""The memory that `classify` takes for a file of any size."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.command import main, words_of, write_outputs
from benchmarks.peers_files import write_texts
from benchmarks.process_memory import watched_run
from textcnn.benchmark.document import command_line, data_name, describe_machine
from textcnn.progress import Reporter
from textcnn.reading.rows import read_examples
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs

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


def memory(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="texts, which are repeated until they fill the file")],
    folder: Annotated[Path, typer.Option(metavar="DIR", help="for the file and its answers")] = Path("build"),
    megabytes: Annotated[float, typer.Option(min=0.001, help="size of the file")] = 1000.0,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """The peak memory of classify on a big file, with one worker and with two."""
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = memory_benchmark(
        model, data, reporter(), folder=folder, megabytes=megabytes, arguments=words_of("memory")
    )
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(memory)
