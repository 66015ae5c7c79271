"""Renders a report as a single HTML file that loads nothing from the network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import textcnn
from textcnn.atomic import replaced_file
from textcnn.errors import ConfigError, DataError, import_extra
from textcnn.labels import MULTI_LABEL, REGRESSION, Labels
from textcnn.report import figures
from textcnn.report.content import Measured, MeasuredNumbers, Reason, Report


class Segment(NamedTuple):
    """A part of a text, its contribution to the logit, and that relative to the strongest part's (-1 to 1)."""

    text: str
    contribution: float = 0.0
    strength: float = 0.0


def highlight(text: str, reasons: Sequence[Reason]) -> list[Segment]:
    """Split ``text`` into consecutive segments, each with a constant contribution.

    Raises:
        DataError: a span lies outside the text.
    """
    added = np.zeros(len(text))
    cuts = {0, len(text)}
    for start, end, contribution in reasons:
        if not 0 <= start <= end <= len(text):
            raise DataError(f"expected a reason within the {len(text)} characters of its text, got {start} to {end}")
        added[start:end] += contribution
        cuts |= {start, end}
    strongest = float(np.abs(added).max(initial=0.0)) or 1.0
    places = sorted(cuts)
    return [
        Segment(text[start:end], float(added[start]), float(added[start]) / strongest)
        for start, end in pairwise(places)
    ]


PAGE = "report.html"
MOST_LABELS, EXTREMES = 1_000, 25  # lines of the table of labels; of more labels, so many best and worst ones
TABLE_LABELS = 16  # rows of the confusion matrix; further labels are combined
PAIRS = 10  # most frequent confusions listed
SHOWN = 4_000  # characters shown of a text


def check_report(folder: Path, model: Path) -> None:
    """Check, before anything is measured, that the page can be rendered and written; create its folder.

    Args:
        folder: the folder of the page; it is created.
        model: the model's own folder, in which other files are not allowed.

    Raises:
        ConfigError: the folder is a file, the model's own folder, or cannot be created.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    for module in ("jinja2", "matplotlib.figure"):
        import_extra(module, extra="report", feature=figures.FEATURE)
    if os.path.realpath(folder) == os.path.realpath(model):
        raise ConfigError(f"--report expects a folder other than the model's own, got {str(folder)!r}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise ConfigError(f"--report expects a folder that can be written, got {str(folder)!r}: {err}") from err


def write_report(report: Report, folder: str | Path) -> Path:
    """Write the page into a folder and return the path of its file.

    Raises:
        ConfigError: the folder cannot be written.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    path, page = Path(folder) / PAGE, render(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A label may contain a lone surrogate, which UTF-8 cannot represent.
        with replaced_file(path, errors="replace") as file:
            file.write(page)
    except OSError as err:
        raise ConfigError(f"--report expects a folder that can be written, got {str(folder)!r}: {err}") from err
    return path


def render(report: Report) -> str:
    """Render the page as a string, with every text escaped.

    Raises:
        DataError: the attributions do not fit the errors.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    jinja2 = import_extra("jinja2", extra="report", feature=figures.FEATURE)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("textcnn.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,  # a misspelled name raises an error instead of rendering nothing
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["count"] = "{:,.0f}".format
    template = environment.get_template("report.html")
    page: str = template.render(
        report=report,
        measured=report.measured,
        version=textcnn.__version__,
        multi_label=report.config["problem_type"] == MULTI_LABEL,
        numbers=report.config["problem_type"] == REGRESSION,
        pictures=_pictures(report),
        statistics=_statistics(report),
        facts=_facts(report),
        **({} if report.measured is None else _tables(report, report.measured)),
    )
    return page


def _pictures(report: Report) -> dict[str, str]:
    history, measured = report.training.get("history") or [], report.measured
    pictures = {}
    if history:
        best = report.training.get("best_epoch", len(history))
        pictures["loss"] = figures.draw_loss(history, best)
        if any("dev_accuracy" in entry or "dev_r2" in entry for entry in history):
            pictures["dev"] = figures.draw_dev(history, best)
    if isinstance(measured, MeasuredNumbers):
        for k in range(min(len(measured.names), figures.SERIES)):
            truth, predicted = measured.truth[:, k], measured.predicted[:, k]
            pictures[f"predicted {k}"] = figures.draw_predicted(truth, predicted, k)
            pictures[f"residuals {k}"] = figures.draw_residuals(predicted - truth, k)
    elif measured is not None:
        pictures["reliability"] = figures.draw_reliability(measured.before, measured.after)
        if measured.answered:
            pictures["answered"] = figures.draw_answered(measured.answered)
        if measured.curves:
            pictures["precision_recall"] = figures.draw_precision_recall(
                [measured.curves[n] for n in _ranked(measured)]
            )
    if lengths := {name: values["lengths"] for name, values in _statistics(report).items() if values["lengths"]}:
        pictures["lengths"] = figures.draw_lengths(lengths, report.config["max_length"])
    return pictures


def _statistics(report: Report) -> dict[str, Any]:
    """Return the text statistics of the training rows, if the model has them, and of the measured rows."""
    found = {"training": report.training.get("data", {}).get("statistics")}
    if report.measured is not None:
        found[report.measured.part] = report.measured.statistics
    return {name: values for name, values in found.items() if values}


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return the rows of the last table: the size of the model, its training time and its speed."""
    training, timing, facts = report.training, report.timing, []
    if "num_parameters" in training:
        facts.append(("parameters", f"{training['num_parameters']:,}"))
    if "train_seconds" in timing:
        rows, epochs = training["examples"]["train"], training["epochs"]
        facts.append((f"training on {rows:,} rows, {epochs} epochs", f"{timing['train_seconds']:,.1f} s"))
        facts.append(("training speed", f"{timing['tokens_per_second']:,.0f} tokens/s"))
    if report.measured is not None:
        speed = report.measured.speed
        facts += [
            ("runtime", speed.runtime),
            ("latency of a single text, median", f"{speed.single_ms:.2f} ms"),
            ("latency of a single text, 95th percentile", f"{speed.single_ms_95:.2f} ms"),
            (f"throughput, batch of {speed.batch_size:,} texts", f"{speed.texts_per_second:,.0f} texts/s"),
            ("throughput in tokens", f"{speed.tokens_per_second:,.0f} tokens/s"),
        ]
    return facts


def _ranked(measured: Measured) -> list[str]:
    """Return the labels that have a curve, the most frequent first."""
    per_label = measured.scores["per_label"]
    return sorted(measured.curves, key=lambda name: (-per_label[name]["support"], name))


def _tables(report: Report, measured: Measured | MeasuredNumbers) -> dict[str, Any]:
    if isinstance(measured, MeasuredNumbers):
        return {"segments": _segments(report, measured), "shown": SHOWN}
    ranked = _ranked(measured)
    per_label = sorted(measured.scores["per_label"].items(), key=lambda item: (-item[1]["support"], item[0]))
    return {
        "legend": ranked[: figures.SERIES],
        "num_faint": max(len(ranked) - figures.SERIES, 0),
        "per_label": _extremes(per_label) if len(per_label) > MOST_LABELS else per_label,
        "num_labels": len(per_label),
        "table": measured.confusion.folded_to(TABLE_LABELS),
        "pairs": measured.confusion.pairs(PAIRS),
        "segments": _segments(report, measured),
        "tree": _tree(report, measured),
        "shown": SHOWN,
    }


def _tree(report: Report, measured: Measured) -> list[tuple[int, str, Mapping[str, Any] | None]]:
    """Return level, name and metrics of each node of the tree of labels, below inner nodes their own labels.

    There are no metrics of nodes that no row has or was given.
    """
    tree = Labels.of(report.config).tree
    if tree is None:
        return []
    per_label, per_node = measured.scores["per_label"], measured.scores["hierarchy"]["per_node"]
    rows: list[tuple[int, str, Mapping[str, Any] | None]] = []
    for name, level, column, is_inner in zip(tree.nodes, tree.levels, tree.columns, tree.is_inner, strict=True):
        if level and is_inner:
            rows.append((int(level), name, per_node.get(name)))
        if column >= 0:
            rows.append((int(level + is_inner), f"{name} itself" if is_inner else name, per_label.get(name)))
    return rows


def _extremes(per_label: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the labels of the largest and of the smallest F1; of equal ones those of more rows, which come first."""
    best = sorted(per_label, key=lambda item: -item[1]["f1"])[:EXTREMES]
    return best + sorted(per_label, key=lambda item: item[1]["f1"])[:EXTREMES]


def _segments(report: Report, measured: Measured | MeasuredNumbers) -> Sequence[Sequence[Segment]]:
    """Return the text of every error as segments of its attributions, truncated to :data:`SHOWN` characters."""
    texts = [mistake.text[:SHOWN] for mistake in measured.mistakes]
    if report.reasons is None:
        return [[Segment(text)] for text in texts]
    if len(report.reasons) != len(texts):
        raise DataError(f"expected reasons for each of {len(texts)} errors, got them for {len(report.reasons)}")
    found = []
    for mistake, reasons in zip(measured.mistakes, report.reasons, strict=True):
        parts, room = [], SHOWN
        for part in highlight(mistake.text, reasons):
            if room > 0 and part.text:
                parts.append(part._replace(text=part.text[:room]))
            room -= len(part.text)
        found.append(parts)
    return found
