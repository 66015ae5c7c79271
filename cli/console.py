"""What the commands say: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textcnn.prediction.predictor import Predictor
    from textcnn.reading.rows import Examples

_level = 0


def set_level(level: int) -> None:
    """-1: errors only, 0: normal, 1: details too."""
    global _level
    _level = level


def is_quiet() -> bool:
    """Whether the user asked for errors only."""
    return _level < 0


def error(message: str) -> None:
    """One line on stderr, always shown."""
    _write_line(f"error: {message}".replace("\n", " "))


def say(message: str) -> None:
    """A line on stderr, unless the user asked for silence."""
    if _level >= 0:
        _write_line(message)


class _Notes(logging.Handler):
    """Says what the library logs; errors, with their traceback, always."""

    def emit(self, record: logging.LogRecord) -> None:
        (_write_line if record.levelno >= logging.ERROR else say)(self.format(record))


def say_what_is_logged() -> None:
    """Let the library's notes (logger ``textcnn``) be lines on stderr; a second call changes nothing."""
    logger = logging.getLogger("textcnn")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
        logger.setLevel(logging.INFO)
        logger.propagate = False


def say_what_was_read(examples: Examples) -> None:
    """Format, columns, rows and labels, and what was noticed."""
    for sentence in (examples.source, examples.describe(), *(f"note: {notice}" for notice in examples.notices)):
        say(sentence)


def detail(message: str) -> None:
    """A line on stderr for those who asked for more."""
    if _level > 0:
        _write_line(message)


def _write_line(line: str) -> None:
    # One write, not print's two: lines of processes that share stderr stay whole.
    sys.stderr.write(f"{line}\n")


def write_json(document: Any) -> None:
    """One JSON document on one line of stdout."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """A table on stdout; numbers are to be formatted by the caller. All columns but the first are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, emoji=False, highlight=False).print(table)


def scores_line(scores: dict[str, Any]) -> str:
    """The main metrics on one line."""
    if not scores["n"]:
        return "no labelled rows"
    return (
        f"accuracy {scores['accuracy']:.4f}, macro F1 {scores['macro_f1']:.4f}, micro F1 {scores['micro_f1']:.4f}, "
        f"ECE {scores['ece']:.3f} on {scores['n']:,} rows"
    )


def write_report(
    predictor: Predictor, model: Path, examples: Examples | None, folder: Path, *, part: str = "test"
) -> None:
    """Make the page about a model and say where it is; arguments as for :func:`textcnn.report.gather`."""
    from textcnn.report import gather, with_reasons, write_report

    report = with_reasons(gather(predictor, model, examples, part=part), predictor, examples)
    say(f"report: {write_report(report, folder)}")
