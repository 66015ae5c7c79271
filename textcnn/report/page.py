"""The page of a report: one HTML file that asks nothing of the network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import textcnn
from textcnn.atomic import replaced_file
from textcnn.errors import ConfigError, DataError, import_extra
from textcnn.labels import MULTI_LABEL
from textcnn.report import figures
from textcnn.report.content import Measured, Reason, Report


class Segment(NamedTuple):
    """A part of a text, what it adds to the logit, and that as a share of the strongest part's (-1 to 1)."""

    text: str
    contribution: float = 0.0
    strength: float = 0.0


def highlight(text: str, reasons: Sequence[Reason]) -> list[Segment]:
    """Cut ``text`` into parts of one contribution each; together they are the text again.

    Raises:
        DataError: a reason that does not lie inside the text.
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
TABLE_LABELS = 16  # lines of the table of confusions
PAIRS = 10  # confusions in words
SHOWN = 4_000  # characters of a text


def check_report(folder: Path, model: Path) -> None:
    """Find out before anything is measured whether the page can be made and where it goes.

    Args:
        folder: where the page goes; it is made.
        model: the model's own folder, which holds nothing but the model.

    Raises:
        ConfigError: the folder is a file, the model's own, or cannot be made.
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
    """Write the page into a folder; the answer is its file.

    Raises:
        ConfigError: the folder cannot be written.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    path, page = Path(folder) / PAGE, render(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Halves of surrogate pairs, which a label may hold, are not UTF-8.
        with replaced_file(path, errors="replace") as file:
            file.write(page)
    except OSError as err:
        raise ConfigError(f"--report expects a folder that can be written, got {str(folder)!r}: {err}") from err
    return path


def render(report: Report) -> str:
    """The page as a string; every text in it is escaped.

    Raises:
        DataError: reasons that do not fit the errors they are for.
        MissingExtraError: jinja2 or matplotlib is not installed.
    """
    jinja2 = import_extra("jinja2", extra="report", feature=figures.FEATURE)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("textcnn.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
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
        if any("dev_accuracy" in entry for entry in history):
            pictures["dev"] = figures.draw_dev(history, best)
    if measured is not None:
        pictures["reliability"] = figures.draw_reliability(measured.before, measured.after)
        if measured.curves:
            pictures["precision_recall"] = figures.draw_precision_recall(
                [measured.curves[n] for n in _ranked(measured)]
            )
    if lengths := {name: values["lengths"] for name, values in _statistics(report).items() if values["lengths"]}:
        pictures["lengths"] = figures.draw_lengths(lengths, report.config["max_length"])
    return pictures


def _statistics(report: Report) -> dict[str, Any]:
    """Of the training rows, where the model knows them, and of the rows measured."""
    found = {"training": report.training.get("data", {}).get("statistics")}
    if report.measured is not None:
        found[report.measured.part] = report.measured.statistics
    return {name: values for name, values in found.items() if values}


def _facts(report: Report) -> list[tuple[str, str]]:
    """Lines of the last table: what the model is, how long it took, and how fast it answers."""
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
            ("answered by", speed.runtime),
            ("one text alone, median", f"{speed.single_ms:.2f} ms"),
            ("one text alone, 95 % are faster than", f"{speed.single_ms_95:.2f} ms"),
            (f"{speed.batch_size:,} at once", f"{speed.texts_per_second:,.0f} texts/s"),
            ("the same in tokens", f"{speed.tokens_per_second:,.0f} tokens/s"),
        ]
    return facts


def _ranked(measured: Measured) -> list[str]:
    """Labels that have a curve, the most frequent first."""
    per_label = measured.scores["per_label"]
    return sorted(measured.curves, key=lambda name: (-per_label[name]["support"], name))


def _tables(report: Report, measured: Measured) -> dict[str, Any]:
    ranked = _ranked(measured)
    per_label = sorted(measured.scores["per_label"].items(), key=lambda item: (-item[1]["support"], item[0]))
    return {
        "legend": ranked[: figures.SERIES],
        "num_faint": max(len(ranked) - figures.SERIES, 0),
        "per_label": per_label,
        "table": measured.confusion.folded_to(TABLE_LABELS),
        "pairs": measured.confusion.pairs(PAIRS),
        "segments": _segments(report, measured),
        "shown": SHOWN,
    }


def _segments(report: Report, measured: Measured) -> Sequence[Sequence[Segment]]:
    """The text of every error, cut where its reasons are, and no longer than a reader will bear."""
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
