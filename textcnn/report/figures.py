"""Draws the figures of a report as SVG that takes its colours and fonts from the page.

Names of labels are not drawn: the page shows them in its own legends, so that every script is rendered.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from textcnn.errors import import_extra
from textcnn.evaluation.calibration import Floats
from textcnn.evaluation.metrics import BINS, CalibrationBins, PrecisionRecall
from textcnn.evaluation.promises import Answered

FEATURE = "--report"
SERIES = 6  # number of line colours that the page defines
_WIDTH, _HEIGHT = 5.2, 3.5  # inches; the page scales the figure
# Placeholder colours, which are replaced by CSS variables so that a figure follows the page's light or dark scheme.
_INK, _MUTED, _GRID = "#010203", "#010204", "#010205"
_COLOURS = [f"#01030{number}" for number in range(SERIES)]
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _GRID: "var(--line)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(_COLOURS)},
}
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10.5,
    "text.color": _INK,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.major.pad": 6,
    "xtick.major.size": 0,
    "ytick.major.pad": 6,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
}
_POINTS = 2_000  # rows drawn in a scatter plot
_LENGTH_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def draw_loss(history: Sequence[Mapping[str, Any]], best_epoch: int) -> str:
    """Draw the mean training loss of each epoch."""

    def draw(axes: Any) -> None:
        _draw_epochs(axes, history, {"loss": "training loss"}, best_epoch)
        axes.set_ylim(bottom=0)

    return _svg("loss", draw)


def draw_dev(history: Sequence[Mapping[str, Any]], best_epoch: int) -> str:
    """Draw the metrics on the dev rows after each epoch."""
    names = {"dev_accuracy": "accuracy", "dev_macro_f1": "macro F1", "dev_r2": "R2", "dev_spearman": "Spearman"}
    names = {key: name for key, name in names.items() if any(key in entry for entry in history)}
    return _svg("dev", lambda axes: _draw_epochs(axes, history, names, best_epoch))


def _draw_epochs(axes: Any, history: Sequence[Mapping[str, Any]], names: Mapping[str, str], best_epoch: int) -> None:
    for colour, (key, name) in zip(_COLOURS, names.items(), strict=False):
        entries = [entry for entry in history if key in entry]
        epochs, values = [entry["epoch"] for entry in entries], [entry[key] for entry in entries]
        axes.plot(epochs, values, color=colour, marker="o", label=name)
    if len(history) > 1:
        axes.axvline(best_epoch, color=_MUTED, linewidth=1, linestyle=":", label="kept")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.legend()


def draw_reliability(before: CalibrationBins, after: CalibrationBins) -> str:
    """Draw the reliability diagram: accuracy against confidence, before and after calibration, with a histogram."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=_MUTED, linewidth=1, linestyle=":")
        for colour, marker, name, bins in zip(
            _COLOURS, "so", ("before calibration", "after calibration"), (before, after), strict=False
        ):
            filled = bins.counts > 0
            share = bins.counts[filled]
            at, right = bins.confidence[filled] / share, bins.success[filled] / share
            axes.plot(at, right, color=colour, linewidth=1, alpha=0.6)
            axes.scatter(at, right, 12 + 150 * share / share.sum(), color=colour, marker=marker, label=name)
        shares = after.counts / after.counts.sum()
        axes.bar((np.arange(BINS) + 0.5) / BINS, shares, 0.8 / BINS, color=_COLOURS[1], alpha=0.25)
        axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="confidence", ylabel="accuracy")
        axes.legend(loc="upper left")

    return _svg("reliability", draw)


def draw_answered(answered: Sequence[Answered]) -> str:
    """Draw the accuracy of the most confident answers against their share of the rows."""

    def draw(axes: Any) -> None:
        shares, accuracies = [entry.share for entry in answered], [entry.accuracy for entry in answered]
        axes.plot(shares, accuracies, color=_COLOURS[1])
        low = min(accuracies)
        axes.set(xlim=(0, 1.01), ylim=(max(low - 0.1 * (1 - low) - 0.01, 0), 1.005))
        axes.set(xlabel="share of the rows answered", ylabel="accuracy of these answers")

    return _svg("answered", draw)


def draw_predicted(truth: Floats, predicted: Floats, number: int) -> str:
    """Draw predicted against true numbers ``(N,)`` of a target; of many rows, evenly chosen ones."""

    def draw(axes: Any) -> None:
        rows = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), _POINTS)).astype(int))
        ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
        axes.plot(ends, ends, color=_MUTED, linewidth=1, linestyle=":")
        axes.scatter(truth[rows], predicted[rows], 9, color=_COLOURS[1], alpha=0.4, linewidths=0)
        axes.set(xlabel="true", ylabel="predicted")

    return _svg(f"predicted-{number}", draw)


def draw_residuals(errors: Floats, number: int) -> str:
    """Draw the histogram of the errors ``(N,)`` of a target."""

    def draw(axes: Any) -> None:
        axes.hist(errors, bins=40, color=_COLOURS[1], alpha=0.6)
        axes.axvline(0, color=_MUTED, linewidth=1, linestyle=":")
        axes.set(xlabel="predicted - true", ylabel="rows")

    return _svg(f"residuals-{number}", draw)


def draw_precision_recall(curves: Sequence[PrecisionRecall]) -> str:
    """Draw the precision-recall curve of each label, the first six in colours, in the order of the page's legend."""

    def draw(axes: Any) -> None:
        for number, curve in reversed(list(enumerate(curves))):
            coloured = number < SERIES
            axes.plot(
                curve.recall,
                curve.precision,
                color=_COLOURS[number] if coloured else _MUTED,
                alpha=1 if coloured else 0.35,
                linewidth=1.8 if coloured else 0.8,
                drawstyle="steps-post",
            )
        axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")

    return _svg("precision-recall", draw)


def draw_lengths(lengths: Mapping[str, Sequence[int]], max_length: int | None) -> str:
    """Draw the cumulative distribution of text lengths for each set of rows, from quantiles at even steps."""

    def draw(axes: Any) -> None:
        longest = max(max(values) for values in lengths.values())
        for colour, dashes, (name, values) in zip(_COLOURS, ("-", "--"), lengths.items(), strict=False):
            shares = np.linspace(0, 1, len(values))
            axes.plot(np.maximum(values, 1), shares, color=colour, linestyle=dashes, label=name)
        if max_length is not None and max_length < longest:
            axes.axvline(max_length, color=_MUTED, linewidth=1, linestyle=":", label="max_length")
        axes.set_xscale("log")
        ticks = [tick for tick in _LENGTH_TICKS if tick <= longest]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.set(ylim=(0, 1.03), xlabel="tokens per text", ylabel="cumulative share of texts")
        axes.legend(loc="lower right")

    return _svg("lengths", draw)


def _svg(name: str, draw: Callable[[Any], None]) -> str:
    """Draw one set of axes and return it as an ``<svg>`` element; ``name`` makes its ids unique on the page."""
    matplotlib = import_extra("matplotlib", extra="report", feature=FEATURE)
    figure_module = import_extra("matplotlib.figure", extra="report", feature=FEATURE)
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = figure_module.Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        draw(figure.subplots())
        content = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(content, format="svg", transparent=True, metadata=nothing)
    text = content.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)  # would style all
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # ids of groups, which would repeat in every figure
    return re.sub("|".join(_VARIABLES), lambda match: _VARIABLES[match.group()], text)
