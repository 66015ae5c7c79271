"""`textcnn benchmark lookup`: the look-up runtime beside torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers, write_outputs


def lookup(
    model: options.Model,
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, as `evaluate` reads them")],
    threads: Annotated[str, typer.Option(metavar="N,N,...", help="threads for many texts")] = "1,2",
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """Agreement with torch, latency of one text, tokens a second, and cold start of the look-up runtime."""
    from textcnn.benchmark.lookup import lookup_benchmark, to_markdown

    prepare_outputs(output, None, table)
    counts = split_numbers("--threads", threads) or ()
    document = lookup_benchmark(model, data, threads=counts, arguments=sys.argv[1:])
    write_outputs(document, to_markdown, output, table, json)
