"""`textcnn benchmark accuracy` and `panel`: how good models are, over seeds and over sets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from textcnn.atomic import write_text
from textcnn_cli import console, options
from textcnn_cli.options import prepare_outputs, split_list, split_numbers

Baselines = Annotated[
    str,
    typer.Option(
        metavar="B,B,...",
        help="models beside ours: svm, logistic, svm-char, svm-words+char, fasttext (where installed), or none",
    ),
]


def accuracy(
    data: Annotated[
        str, typer.Argument(metavar="TRAIN", help="labelled texts to train on, or images for image architectures")
    ],
    test: Annotated[str, typer.Option("--test", help="rows that are only measured, once a run")],
    dev: Annotated[str | None, typer.Option("--dev", help="rows that choose the best epoch and calibrate")] = None,
    architectures: Annotated[
        str, typer.Option(metavar="A,A,...", help="architectures to train; all: every one for texts")
    ] = "kim",
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="one run each")] = "1,2,3",
    baselines: Baselines = "svm,logistic,fasttext",
    config: options.ConfigFile = None,
    set: options.Set = None,
    output: Annotated[
        Path | None,
        typer.Option(help="write the JSON document to this file; a stopped start is continued from beside it"),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="draw accuracy against training time into this .png, .svg or .pdf file")
    ] = None,
    json: options.Json = False,
) -> None:
    """Train each architecture with each seed under the same budget, and measure it on the test rows: mean and spread.

    Example: textcnn benchmark accuracy train.csv --test test.csv --architectures kim,lstm
    """
    from textcnn.benchmark import pareto
    from textcnn.benchmark.accuracy import accuracy_benchmark
    from textcnn_cli.train import reporter

    prepare_outputs(output, plot, table)
    document = accuracy_benchmark(
        data,
        test,
        options.merge_settings(config, set, {}),
        split_list("--architectures", architectures, str, "names") or (),
        split_numbers("--seeds", seeds) or (),
        reporter(),
        dev=dev,
        baselines=() if baselines == "none" else split_list("--baselines", baselines, str, "names") or (),
        output=output,
        arguments=sys.argv[1:],
    )
    if table is not None:
        write_text(table, pareto.to_markdown(document))
    if plot is not None:
        pareto.save_plot(document, plot)
    if json:
        console.write_json(document)
        return
    console.write_table(pareto.columns(document), pareto.rows(document))
    print(pareto.legend(document))


def panel(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds NAME/{train,test}.csv.gz or NAME/all.csv.gz")],
    sets: Annotated[str, typer.Option(metavar="S,S,...", help="names of the sets; NAME:N takes N seeds")],
    seeds: Annotated[int, typer.Option(min=1, help="runs of each set, by seeds from 1")] = 3,
    baselines: Baselines = "svm,svm-char,fasttext",
    baselines_of: Annotated[
        Path | None,
        typer.Option(help="an earlier document: its baselines on the same rows are taken over, with their commit"),
    ] = None,
    set: options.Set = None,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the table to this Markdown file")] = None,
    plot: Annotated[Path | None, typer.Option(help="draw the panel into this .png, .svg or .pdf file")] = None,
) -> None:
    """Our default, its branches alone, and baselines on every set of a folder."""
    from textcnn.benchmark.panel import read_panel, run_panel, save_plot, to_markdown
    from textcnn_cli.train import reporter

    prepare_outputs(output, plot, table)
    parts = [name.partition(":") for name in split_list("--sets", sets, str, "names") or ()]
    wanted = {name: range(1, (int(count) if count else seeds) + 1) for name, _, count in parts}
    beside = () if baselines == "none" else split_list("--baselines", baselines, str, "names") or ()
    document = run_panel(
        folder,
        {name: list(numbers) for name, numbers in wanted.items()},
        options.merge_settings(None, set, {}),
        dict.fromkeys(wanted, beside),
        reporter(),
        earlier=None if baselines_of is None else read_panel(baselines_of),
        output=output,
        arguments=sys.argv[1:],
    )
    if table is not None:
        write_text(table, to_markdown(document))
    if plot is not None:
        save_plot(document, plot)
    print(to_markdown(document), end="")
