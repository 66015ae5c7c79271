"""`textcnn benchmark ranks`: two processes that train together beside one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers, write_outputs


def ranks(
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="labelled texts")],
    test: Annotated[Path, typer.Argument(metavar="TEST", help="labelled texts that are only measured")],
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="of the trainings")] = "1,2,3",
    batch_size: Annotated[int, typer.Option(min=2, help="rows of a step, of all ranks together")] = 64,
    set: options.Set = None,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """Two ranks of one thread beside one process of one thread and of two: accuracy, seconds, bytes exchanged."""
    from textcnn.benchmark.ranks import run_ranks, to_markdown

    prepare_outputs(output, None, table)
    numbers = split_numbers("--seeds", seeds) or ()
    document = run_ranks(train, test, seeds=numbers, settings=set or [], batch_size=batch_size, arguments=sys.argv[1:])
    write_outputs(document, to_markdown, output, table, json)
