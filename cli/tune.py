"""Implements `textcnn tune`, which searches for better settings within a time budget."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from textcnn_cli import console, options, signals
from textcnn_cli.train import Output, finish, reporter


def tune(
    data: Annotated[str, typer.Argument(metavar="TRAIN", help="labelled texts, as for train")],
    time_budget: Annotated[
        float, typer.Option("--time-budget", metavar="S", help="total time in seconds, including the final training")
    ],
    dev: Annotated[str | None, typer.Option("--dev", help="dev rows, on which the trials are measured")] = None,
    dev_fraction: options.DevFraction = None,
    output: Output = Path("model"),
    storage: Annotated[
        Path | None, typer.Option(metavar="F.db", help="file that stores the trials, from which a later run continues")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="largest number of trials, including those in the storage")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="number of processes for --trials; a trial then depends only on the seed and its number, so that "
            "the result is the same for any number of processes",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="plot parameter importances and trials into this .png, .svg or .pdf file")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    format: options.FormatIfGiven = None,
    encoding: options.EncodingIfGiven = None,
    label_separator: options.LabelSeparator = None,
    quotes: options.Quotes = None,
    escape: options.Escape = None,
    multi_label: options.MultiLabel = None,
    allow_rare_labels: options.AllowRareLabels = None,
    weight_column: options.WeightColumn = None,
    hierarchy: options.Hierarchy = None,
    architecture: options.Architecture = None,
    config: options.ConfigFile = None,
    set: options.Set = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    json: options.Json = False,
) -> None:
    """Search for better settings and train a model with the best ones; settings that you give are not searched.

    Example: textcnn tune reviews.csv --time-budget 300 --dev-fraction 0.1 -o model
    """
    began = time.perf_counter()
    given = {
        "text_column": tuple(text_column or ()),
        "label_column": tuple(label_column or ()),
        "format": format,
        "encoding": encoding,
        "label_separator": label_separator,
        "quotes": quotes,
        "escape": escape,
        "multi_label": multi_label,
        "allow_rare_labels": allow_rare_labels,
        "weight_column": weight_column,
        "hierarchy": hierarchy,
        "architecture": architecture,
        "seed": seed,
        "threads": threads,
        "dev_fraction": dev_fraction,
    }
    settings = options.merge_settings(config, set, given)
    from textcnn.benchmark.plot import check_plot
    from textcnn.runs import checkpoints_beside
    from textcnn.training.distributed import require_alone
    from textcnn.tuning import tune as search
    from textcnn.tuning.plot import save_plot

    require_alone("tune")
    if plot is not None:
        check_plot(plot, "tune --plot")
    signals.interrupt_at_sigterm()
    with checkpoints_beside(output):  # only for the lock: a search resumes from --storage, not from checkpoints
        tuned = search(
            data,
            settings,
            time_budget,
            reporter(),
            dev=dev,
            num_trials=trials,
            storage=storage,
            processes=processes,
            began=began,
        )
        if plot is not None:
            plot.parent.mkdir(parents=True, exist_ok=True)
            save_plot(tuned, plot)
            console.say(f"wrote {plot}")
        found = tuned.summary["tuning"]
        counts = ", ".join(f"{count} {name}" for name, count in found["trials"].items())
        before, after = found["default"] or 0, found["best"]["value"]
        console.say(f"trials: {counts}; dev {found['metric']} {before:.4f} -> {after:.4f}")
        finish(tuned.run, output, json, tuning=found)
