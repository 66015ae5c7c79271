"""Draws the result of a search: the importance of each parameter, and the values of the trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textcnn.errors import import_extra
from textcnn.tuning.tune import Tuned

_BLUE, _ORANGE = "#0072B2", "#E69F00"  # of the colour-blind safe palette of Okabe & Ito


def draw(tuned: Tuned) -> Any:
    """Return a matplotlib figure with the importance of each parameter and the value of each trial."""
    figure_module = import_extra("matplotlib.figure", extra="plot", feature="tune --plot")
    figure = figure_module.Figure(figsize=(11.0, 4.2), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    found = tuned.summary["tuning"]
    shares = sorted(found["importances"].items(), key=lambda item: item[1])
    left.set_title("parameter importance")
    if shares:
        left.barh([name for name, _ in shares], [share for _, share in shares], color=_BLUE)
        left.set_xlabel("share of the variance between trials (random forest)")
    else:
        left.text(0.5, 0.5, "too few trials", ha="center", va="center", transform=left.transAxes)
        left.set_axis_off()
    done = [(number, value) for number, value in enumerate(tuned.values) if value is not None]
    numbers, values = [number for number, _ in done], [value for _, value in done]
    best = [max(values[: i + 1]) for i in range(len(values))]
    right.plot(numbers, values, "o", color=_BLUE, label="trial")
    right.step(numbers, best, where="post", color=_ORANGE, label="best so far")
    right.axhline(found["default"], color="0.4", linestyle=":", label="default settings")
    right.set_xlabel("trial")
    right.set_ylabel(f"dev {found['metric']}")
    right.legend(frameon=False)
    return figure


def save_plot(tuned: Tuned, path: Path) -> None:
    """Draw the figure into a file whose extension (.png, .svg, .pdf) selects the format."""
    draw(tuned).savefig(path)
