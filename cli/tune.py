"""`textcnn tune`: better settings inside a budget of time."""

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
        float, typer.Option("--time-budget", metavar="S", help="seconds for everything, the last training included")
    ],
    dev: Annotated[str | None, typer.Option("--dev", help="rows that measure the trials")] = None,
    dev_fraction: options.DevFraction = None,
    output: Output = Path("model"),
    storage: Annotated[
        Path | None, typer.Option(metavar="F.db", help="keep the trials in this file; with it, a later run continues")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="stop after this many, those in the storage included")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="run --trials in so many processes; each depends on the seed and its number alone, so any number of "
            "processes finds the same",
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="draw what mattered into this .png, .svg or .pdf file")] = None,
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
    architecture: options.Architecture = None,
    config: options.ConfigFile = None,
    set: options.Set = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    json: options.Json = False,
) -> None:
    """Search for better settings and train the best ones again; what you set yourself is not searched.

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
    with checkpoints_beside(output):  # none are written: --storage is what a search goes on from
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
