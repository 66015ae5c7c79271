"""`textcnn benchmark serve` and `soak`: the server under load, and among faults."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import options
from textcnn_cli.options import prepare_outputs, split_numbers, write_outputs


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

    Example: textcnn benchmark serve model reviews.csv --seconds 10
    """
    from textcnn.benchmark.serve import serve_benchmark, to_markdown

    prepare_outputs(output, None, table)
    counts = split_numbers("--workers", workers) or ()
    document = serve_benchmark(model, data, workers=counts, clients=clients, seconds=seconds, arguments=sys.argv[1:])
    write_outputs(document, to_markdown, output, table, json)


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

    Example: textcnn benchmark soak model model2 reviews.csv --seconds 60
    """
    from textcnn.benchmark.soak import soak as run_soak
    from textcnn.benchmark.soak_table import to_markdown

    prepare_outputs(output, None, table)
    document = run_soak(
        [model, other],
        data,
        workers=workers,
        clients=clients,
        slow_clients=slow_clients,
        seconds=seconds,
        seed=seed,
        arguments=sys.argv[1:],
    )
    write_outputs(document, to_markdown, output, table, json)
