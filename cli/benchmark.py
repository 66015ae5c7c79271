"""`textcnn benchmark`: what the CNN costs beside recurrent nets, and how good models are over seeds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from textcnn.benchmark.protocol import MIN_BATCHES, PHASES, QUICK, SpeedConfig
from textcnn.config import describe
from textcnn.errors import ConfigError
from textcnn_cli import console, options

app = typer.Typer(help="Measure speed and accuracy.", no_args_is_help=True)
Value = TypeVar("Value")


Baselines = Annotated[
    str,
    typer.Option(metavar="B,B,...", help="linear models beside ours: svm, logistic, svm-char, svm-words+char, or none"),
]


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
        str | None, typer.Argument(metavar="DATA", help="labelled texts to time on; none: made-up texts")
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
    quick: Annotated[bool, typer.Option("--quick", help="fewer cells and batches: about half a minute")] = False,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the ratios into this .png, .svg or .pdf file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    saved: Annotated[
        Path | None, typer.Option("--from", help="measure nothing: take the document that --output wrote")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.Format = "auto",
    encoding: options.Encoding = "utf-8",
    json: options.Json = False,
) -> None:
    """Time the CNN beside RNNs of its size: a training step and inference, by length and batch; an epoch on DATA.

    Example: textcnn benchmark speed reviews.csv --quick
    """
    settings = {
        "lengths": _numbers("--lengths", lengths),
        "batch_sizes": _numbers("--batch-sizes", batch_sizes),
        "architectures": _split("--architectures", architectures, str, "names"),
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
    _prepare(output, plot, table)
    document = _read(saved) if saved else _measure(config, data, text_column, label_column, format, encoding)
    _write(document, output, plot, table)
    if json:
        console.write_json(document)
    else:
        _show(document)


@app.command()
def accuracy(
    data: Annotated[str, typer.Argument(metavar="TRAIN", help="labelled texts to train on")],
    test: Annotated[str, typer.Option("--test", help="rows that are only measured, once a run")],
    dev: Annotated[str | None, typer.Option("--dev", help="rows that choose the best epoch and calibrate")] = None,
    architectures: Annotated[str, typer.Option(metavar="A,A,...", help="architectures to train")] = "kim",
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="one run each")] = "1,2,3",
    baselines: Annotated[
        str,
        typer.Option(
            metavar="B,B,...", help="linear models beside ours: svm, logistic, svm-char, svm-words+char, none"
        ),
    ] = "svm,logistic",
    config: options.ConfigFile = None,
    set: options.Set = None,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    json: options.Json = False,
) -> None:
    """Train each architecture with each seed, and measure it on the test rows: mean and spread.

    Example: textcnn benchmark accuracy train.csv --test test.csv --architectures kim,lstm
    """
    from textcnn.benchmark.accuracy import accuracy_benchmark
    from textcnn.benchmark.document import write_document
    from textcnn_cli.train import reporter

    _prepare(output, None, None)
    document = accuracy_benchmark(
        data,
        test,
        options.merge_settings(config, set, {}),
        _split("--architectures", architectures, str, "names") or (),
        _numbers("--seeds", seeds) or (),
        reporter(),
        dev=dev,
        baselines=() if baselines == "none" else _split("--baselines", baselines, str, "names") or (),
        arguments=sys.argv[1:],
    )
    if output is not None:
        write_document(document, output)
    if json:
        console.write_json(document)
        return
    rows = [
        [
            found["model"],
            *(f"{found['mean'][name]:.4f} ± {found['std'][name]:.4f}" for name in ("accuracy", "macro_f1", "micro_f1")),
            "" if found["train_seconds"] is None else f"{found['train_seconds']:.1f}",
        ]
        for found in document["results"]
    ]
    console.write_table(["model", "accuracy", "macro F1", "micro F1", "seconds"], rows)


@app.command()
def panel(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds NAME/{train,test}.csv.gz or NAME/all.csv.gz")],
    sets: Annotated[str, typer.Option(metavar="S,S,...", help="names of the sets; NAME:N takes N seeds")],
    seeds: Annotated[int, typer.Option(min=1, help="runs of each set, by seeds from 1")] = 3,
    baselines: Baselines = "svm,svm-char",
    set: options.Set = None,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the panel into this .png, .svg or .pdf file")] = None,
) -> None:
    """Our default, its branches alone, and linear baselines on every set of a folder."""
    from textcnn.benchmark.document import write_document
    from textcnn.benchmark.panel import run_panel, save_plot, to_markdown
    from textcnn_cli.train import reporter

    _prepare(output, plot, table)
    parts = [name.partition(":") for name in _split("--sets", sets, str, "names") or ()]
    wanted = {name: range(1, (int(count) if count else seeds) + 1) for name, _, count in parts}
    linear = () if baselines == "none" else _split("--baselines", baselines, str, "names") or ()
    document = run_panel(
        folder,
        {name: list(numbers) for name, numbers in wanted.items()},
        options.merge_settings(None, set, {}),
        dict.fromkeys(wanted, linear),
        reporter(),
        arguments=sys.argv[1:],
    )
    if output is not None:
        write_document(document, output)
    if table is not None:
        table.write_text(to_markdown(document), encoding="utf-8")
    if plot is not None:
        save_plot(document, plot)
    print(to_markdown(document), end="")


def _numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    return _split(name, text, int, "whole numbers")


def _split(name: str, text: str | None, kind: Callable[[str], Value], expected: str) -> tuple[Value, ...] | None:
    if text is None:
        return None
    try:
        return tuple(kind(part.strip()) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{name} expects {expected} with commas between them, got {text!r}") from None


def _prepare(output: Path | None, plot: Path | None, table: Path | None) -> None:
    """Find out before the measuring what would fail after it."""
    from textcnn.benchmark.plot import check_plot

    if plot is not None:
        check_plot(plot)
    for path in filter(None, (output, plot, table)):
        if path.is_dir():
            raise ConfigError(f"expected a file to write, got the folder {str(path)!r}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise ConfigError(f"expected a file that can be written, got {str(path)!r}: {err}") from err


def _measure(
    config: SpeedConfig,
    data: str | None,
    text_column: list[str] | None,
    label_column: list[str] | None,
    format: str,
    encoding: str,
) -> dict[str, Any]:
    from textcnn.benchmark.machine import command_line
    from textcnn.benchmark.speed import run_speed
    from textcnn_cli.train import reporter

    reading = options.data_config(text_column, label_column, format, encoding)
    return run_speed(config, reporter(), data=data, reading=reading, command=command_line(sys.argv[1:]))


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
        table.write_text(to_markdown(document), encoding="utf-8")
    for path in filter(None, (output, plot, table)):
        console.say(f"wrote {path}")


def _show(document: dict[str, Any]) -> None:
    from textcnn.benchmark.summary import summarize
    from textcnn.benchmark.tables import LEGEND, columns, rows

    sizes = [f"{entry['architecture']} {entry['encoder_parameters']:,}" for entry in document["contestants"]]
    print(f"encoder parameters: {', '.join(sizes)}")
    for phase, title in PHASES.items():
        console.write_table(columns(document), rows(document, phase), title=title)
    print(LEGEND)
    print(summarize(document))
