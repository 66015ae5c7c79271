"""Implements `textcnn benchmark`, which compares the speed of CNNs and RNNs and measures accuracy over seeds."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from textcnn.atomic import write_text
from textcnn.benchmark.protocol import MIN_BATCHES, PHASES, QUICK, SpeedConfig
from textcnn.config import describe
from textcnn.errors import ConfigError
from textcnn_cli import console, options
from textcnn_cli.accuracy import accuracy
from textcnn_cli.options import prepare_outputs, split_list, split_numbers

app = typer.Typer(name="benchmark", help="Measure speed and accuracy.", no_args_is_help=True, add_completion=False)


app.command("accuracy")(accuracy)


@app.callback()
def benchmark() -> None:
    """Measure speed and accuracy."""


def _help(name: str) -> str:
    default = getattr(SpeedConfig(), name)
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return describe(SpeedConfig, name) + ("" if shown is None else f" (default {shown})")


@app.command()
def speed(
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="labelled texts to measure with; default: synthetic texts")
    ] = None,
    lengths: Annotated[str | None, typer.Option(metavar="N,N,...", help=_help("lengths"))] = None,
    batch_sizes: Annotated[str | None, typer.Option(metavar="N,N,...", help=_help("batch_sizes"))] = None,
    architectures: Annotated[str | None, typer.Option(metavar="A,A,...", help=_help("architectures"))] = None,
    embedding_dim: Annotated[int | None, typer.Option(min=1, help=_help("embedding_dim"))] = None,
    vocabulary_size: Annotated[int | None, typer.Option(min=4, help=_help("vocabulary_size"))] = None,
    batches: Annotated[int | None, typer.Option(min=MIN_BATCHES, help=_help("batches"))] = None,
    cell_seconds: Annotated[float | None, typer.Option(min=0, help=_help("cell_seconds"))] = None,
    seed: Annotated[int | None, typer.Option(min=0, help=_help("seed"))] = None,
    threads: Annotated[int | None, typer.Option(min=1, help=_help("threads"))] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="measure fewer cells and batches, in about half a minute")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="plot the speed ratios into this .png, .svg or .pdf file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables of results to this Markdown file")] = None,
    saved: Annotated[
        Path | None, typer.Option("--from", help="render a JSON document of --output instead of measuring")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    json: options.Json = False,
) -> None:
    """Compare the speed of the CNN with RNNs of its size: training steps and inference by text length and batch size.

    With DATA, a whole training epoch is timed as well.

    Example: textcnn benchmark speed reviews.csv --quick
    """
    settings = {
        "lengths": split_numbers("--lengths", lengths),
        "batch_sizes": split_numbers("--batch-sizes", batch_sizes),
        "architectures": split_list("--architectures", architectures, str, "names"),
        "embedding_dim": embedding_dim,
        "vocabulary_size": vocabulary_size,
        "batches": batches,
        "cell_seconds": cell_seconds,
        "seed": seed,
        "threads": threads,
    }
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if saved is not None and (data is not None or given or quick):
        raise ConfigError("--from takes a saved document, and nothing is measured; leave out DATA and its options")
    config = replace(QUICK if quick else SpeedConfig(), **given)
    prepare_outputs(output, plot, table)
    document = _read(saved) if saved else _measure(config, data, text_column, label_column, format, encoding)
    _write(document, output, plot, table)
    if json:
        console.write_json(document)
    else:
        _show(document)


def _measure(
    config: SpeedConfig,
    data: str | None,
    text_column: list[str] | None,
    label_column: list[str] | None,
    format: str,
    encoding: str,
) -> dict[str, Any]:
    from textcnn.benchmark.document import command_line
    from textcnn.benchmark.speed import run_speed
    from textcnn_cli.train import reporter

    reading = options.data_config(text_column, label_column, format, encoding)
    return run_speed(config, reporter(), data=data, reading=reading, command=command_line(["textcnn", *sys.argv[1:]]))


def _read(path: Path) -> dict[str, Any]:
    from textcnn.benchmark.document import read_document

    return read_document(path)


def _write(document: dict[str, Any], output: Path | None, plot: Path | None, table: Path | None) -> None:
    from textcnn.benchmark.document import write_document
    from textcnn.benchmark.plot import save_plot
    from textcnn.benchmark.tables import to_markdown

    if output is not None:
        write_document(document, output)
    if plot is not None:
        save_plot(document, plot)
    if table is not None:
        write_text(table, to_markdown(document))
    for path in filter(None, (output, plot, table)):
        console.say(f"wrote {path}")


def _show(document: dict[str, Any]) -> None:
    from textcnn.benchmark.tables import LEGEND, columns, rows, summarize

    sizes = [f"{entry['architecture']} {entry['encoder_parameters']:,}" for entry in document["contestants"]]
    print(f"encoder parameters: {', '.join(sizes)}")
    for phase, title in PHASES.items():
        console.write_table(columns(document), rows(document, phase), title=title)
    print(LEGEND)
    print(summarize(document))
