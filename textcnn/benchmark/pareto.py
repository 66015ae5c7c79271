"""Renders an accuracy benchmark as a table and a plot of accuracy against training time, with the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import import_extra

_MARKERS = "os^Dv*XPhd<>p8"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe & Ito
_WIDTH, _HEIGHT, _DPI = 8.0, 5.0, 150  # inches, inches, pixels an inch
Result = Mapping[str, Any]


def columns(document: Mapping[str, Any]) -> list[str]:
    """Return the headings of :func:`rows`."""
    unit = document["unit"]
    costs = ["parameters", "train, s", f"{unit}/s in training", f"{unit}/s in classifying"]
    return ["model", "accuracy, %", "macro F1, %", *costs]


def rows(document: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each model: means over the seeds, with standard deviations if there are several."""
    return [
        [
            found["model"] + (" *" if found["model"] in pareto_front(document["results"]) else ""),
            _percent(found, "accuracy"),
            _percent(found, "macro_f1"),
            *(_cost(found, name) for name in COSTS),
        ]
        for found in document["results"]
    ]


COSTS = ("num_parameters", "train_seconds", "trained_per_second", "classified_per_second")
LEGEND = "Means and standard deviations over {seeds} seeds; * no other model is as accurate in less training time."


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the conditions, the command and the table as Markdown."""
    heads = columns(document)
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows(document)]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    settings = ", ".join(f"`{name}={value}`" for name, value in document["settings"].items()) or "defaults"
    epochs = sorted({run["epochs"] for found in document["results"] for run in found["runs"] if "epochs" in run})
    parts = [
        f"# Architectures on {document['data']}",
        f"{document['cpu']}, threads: {document['threads']}, {document['platform']}; {versions}; "
        f"commit {document['commit'] or 'unknown'}.",
        f"Command: `{document['command']}`.",
        f"{document['num_test']:,} test rows. One budget for all: {', '.join(map(str, epochs))} epochs, {settings}.",
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
        legend(document),
    ]
    return "\n\n".join(parts) + "\n"


def legend(document: Mapping[str, Any]) -> str:
    """Return the legend of the table."""
    return LEGEND.format(seeds=max(len(found["runs"]) for found in document["results"]))


def pareto_front(results: Sequence[Result]) -> list[str]:
    """Return the models of the Pareto front, the fastest first: no other is as accurate in less training time."""
    timed = sorted(
        (found for found in results if found["train_seconds"] is not None),
        key=lambda found: (found["train_seconds"], -found["mean"]["accuracy"]),
    )
    front: list[str] = []
    best = -1.0
    for found in timed:
        if found["mean"]["accuracy"] > best:
            front.append(found["model"])
            best = found["mean"]["accuracy"]
    return front


def save_plot(document: Mapping[str, Any], path: Path) -> None:
    """Plot accuracy against training time into a file whose extension (.png, .svg, .pdf) selects the format."""
    draw(document).savefig(path)


def draw(document: Mapping[str, Any]) -> Any:
    """Return a matplotlib figure with a marker and standard deviation for each model, and the Pareto front."""
    figure_module = import_extra("matplotlib.figure", extra="plot", feature="benchmark --plot")
    figure = figure_module.Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    timed = [found for found in document["results"] if found["train_seconds"] is not None]
    for number, found in enumerate(timed):
        axes.errorbar(
            found["train_seconds"],
            100 * found["mean"]["accuracy"],
            xerr=_spread(found, "train_seconds"),
            yerr=100 * found["std"]["accuracy"],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKERS[number % len(_MARKERS)],
            linestyle="none",
            capsize=2,
            elinewidth=0.9,
            label=found["model"],
        )
    by_name = {found["model"]: found for found in timed}
    front = [by_name[name] for name in pareto_front(timed)]
    points = [(found["train_seconds"], 100 * found["mean"]["accuracy"]) for found in front]
    axes.step(*zip(*points, strict=True), where="post", color="0.6", linewidth=1, label="Pareto front")
    axes.set_xscale("log")
    for set_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        set_formatter(lambda seconds, _: f"{seconds:g}")
    axes.set_xlabel("training time, s")
    axes.set_ylabel("test accuracy, %")
    axes.grid(color="0.9", linewidth=0.6)
    figure.legend(loc="outside right upper", frameon=False)
    axes.set_title(f"Architectures on {document['data']}; bars: one standard deviation", fontsize=10)
    return figure


def _percent(found: Result, metric: str) -> str:
    spread = f" ± {100 * found['std'][metric]:.1f}" if len(found["runs"]) > 1 else ""
    return f"{100 * found['mean'][metric]:.1f}{spread}"


def _cost(found: Result, name: str) -> str:
    values = [run[name] for run in found["runs"] if name in run]
    if not values:
        return ""
    if name != "train_seconds":
        return f"{np.mean(values):,.0f}"
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def _spread(found: Result, name: str) -> float:
    values = [run[name] for run in found["runs"]]
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
