"""`textcnn benchmark scale`: what runs here say of many nodes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, write_outputs
from textcnn_cli.train import reporter


def scale(
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, long ones: others are cut from them")],
    folder: Annotated[Path, typer.Option(help="folder of the model and of files that are classified")] = Path("scale"),
    bandwidth: Annotated[float, typer.Option(metavar="GB/S", help="assumed between two nodes")] = 1.25,
    latency: Annotated[float, typer.Option(metavar="US", help="assumed of a message between two nodes")] = 50.0,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """Fit what files, rows, tokens and steps cost, check it on other runs, and plan for 1, 10 and 100 nodes."""
    from textcnn.benchmark.scale import run_scale
    from textcnn.benchmark.scale_table import to_markdown

    prepare_outputs(output, None, table)
    document = run_scale(
        data,
        folder=folder,
        bandwidth=bandwidth * 1e9,
        latency=latency / 1e6,
        reporter=reporter(),
        arguments=sys.argv[1:],
    )
    write_outputs(document, to_markdown, output, table, json)
