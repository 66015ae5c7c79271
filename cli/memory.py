"""`textcnn benchmark memory`: what a big file takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, write_outputs


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
    from textcnn.benchmark.memory import memory_benchmark, to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, None, table)
    document = memory_benchmark(model, data, reporter(), folder=folder, megabytes=megabytes, arguments=sys.argv[1:])
    write_outputs(document, to_markdown, output, table, json)
