"""Writes the output of commands: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.labels import Labels
    from textcnn.prediction.predictor import Predictor
    from textcnn.reading.rows import Examples

_level = 0


def set_level(level: int) -> None:
    """Set the verbosity: -1 for errors only, 0 for normal messages, 1 for details as well."""
    global _level
    _level = level


def is_quiet() -> bool:
    """Whether only errors are shown."""
    return _level < 0


def error(message: str) -> None:
    """Write an error as one line to stderr; it is always shown."""
    _write_line(f"error: {message}".replace("\n", " "))


def say(message: str) -> None:
    """Write a message as a line to stderr, unless only errors are shown."""
    if _level >= 0:
        _write_line(message)


class _Notes(logging.Handler):
    """A log handler that shows the library's records as messages, and errors with their traceback always."""

    def emit(self, record: logging.LogRecord) -> None:
        (_write_line if record.levelno >= logging.ERROR else say)(self.format(record))


def say_what_is_logged() -> None:
    """Show records of the logger ``textcnn`` as lines on stderr; calling it again has no effect."""
    logger = logging.getLogger("textcnn")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
        logger.setLevel(logging.INFO)
        logger.propagate = False


def say_what_was_read(examples: Examples) -> None:
    """Show the format, columns, rows and labels of data that was read, and the reader's notices."""
    for sentence in (examples.source, examples.describe(), *(f"note: {notice}" for notice in examples.notices)):
        say(sentence)


def warn_of_unseen(examples: Examples, labels: Labels, what: str) -> None:
    """Warn of labels in the data that the model does not know, and say ``what`` becomes of them."""
    from textcnn.labels import named

    if labels.targets:
        return
    if unseen := sorted({label for row in examples.labels for label in row} - set(labels.names)):
        say(f"warning: labels unseen in training {what}: {named(unseen)}")


def detail(message: str) -> None:
    """Write a detail as a line to stderr, if details are shown."""
    if _level > 0:
        _write_line(message)


def _write_line(line: str) -> None:
    # One write instead of print's two, so that lines of processes that share stderr are not mixed.
    sys.stderr.write(f"{line}\n")


def write_json(document: Any) -> None:
    """Write a JSON document as one line to stdout."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Write a table of formatted cells to stdout; all columns but the first are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, emoji=False, highlight=False).print(table)


def scores_line(scores: dict[str, Any]) -> str:
    """Return the main metrics as one line."""
    if not scores["n"]:
        return "no labelled rows"
    if "mae" in scores:
        names = {"mae": "MAE", "rmse": "RMSE", "r2": "R2", "pearson": "Pearson", "spearman": "Spearman"}
        if "quadratic_kappa" in scores:
            names |= {"accuracy": "accuracy", "within_one_accuracy": "within one", "quadratic_kappa": "kappa"}
        return f"{', '.join(f'{name} {scores[key]:.4f}' for key, name in names.items())} on {scores['n']:,} rows"
    return (
        f"accuracy {scores['accuracy']:.4f}, macro F1 {scores['macro_f1']:.4f}, micro F1 {scores['micro_f1']:.4f}, "
        f"ECE {scores['ece']:.3f} on {scores['n']:,} rows"
    )


def write_scores(scores: dict[str, Any], *, name: str = "") -> None:
    """Write the main metrics as one line to stdout, and those of a tree of labels as another."""
    print(f"{name}{scores_line(scores)}")
    if found := scores.get("hierarchy"):
        levels = ", ".join(f"level {entry['level']} {entry['accuracy']:.4f}" for entry in found["levels"])
        ratios = ", ".join(f"{kind} {found[kind]:.4f}" for kind in ("precision", "recall"))
        print(f"{name}tree: accuracy at {levels}; hierarchical {ratios}")


def write_report(
    predictor: Predictor, model: Path, examples: Examples | None, folder: Path, *, part: str = "test"
) -> None:
    """Write the report about a model and show its path; arguments are as for :func:`textcnn.report.gather`."""
    from textcnn.report import gather, with_reasons, write_report

    report = with_reasons(gather(predictor, model, examples, part=part), predictor, examples)
    say(f"report: {write_report(report, folder)}")
