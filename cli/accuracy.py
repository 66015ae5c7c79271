"""Implements `textcnn benchmark accuracy`, which measures models over several seeds."""

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
        help="baselines to compare with: svm, logistic, svm-char, svm-words+char, fasttext (if installed), or none",
    ),
]


def accuracy(
    data: Annotated[
        str, typer.Argument(metavar="TRAIN", help="labelled texts to train on, or images for image architectures")
    ],
    test: Annotated[str, typer.Option("--test", help="test rows, on which each run is measured once")],
    dev: Annotated[
        str | None, typer.Option("--dev", help="dev rows, which select the best epoch and calibrate the model")
    ] = None,
    architectures: Annotated[
        str, typer.Option(metavar="A,A,...", help="architectures to train; all: every text architecture")
    ] = "kim",
    seeds: Annotated[
        str, typer.Option(metavar="N,N,...", help="random seeds; each architecture is trained once with each seed")
    ] = "1,2,3",
    baselines: Baselines = "svm,logistic,fasttext",
    config: options.ConfigFile = None,
    set: options.Set = None,
    output: Annotated[
        Path | None,
        typer.Option(help="write the JSON document to this file; an interrupted start resumes from FILE.partial"),
    ] = None,
    table: Annotated[Path | None, typer.Option(help="write the table of results to this Markdown file")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="plot accuracy against training time into this .png, .svg or .pdf file")
    ] = None,
    json: options.Json = False,
) -> None:
    """Train each architecture with each seed and the same settings, and report its mean and deviation on test rows.

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
        arguments=["textcnn", *sys.argv[1:]],
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
