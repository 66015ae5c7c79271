"""Shows the progress of a command on stderr: as a bar on a terminal, otherwise as a line every few seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from textcnn_cli import console

if TYPE_CHECKING:
    from rich.progress import Progress

_INTERVAL = 10.0  # seconds between plain lines


class RowsProgress:
    """Shows the number of rows, rows per second, and the remaining time if the size of the input is known."""

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()
        self._bar = _bar() if sys.stderr.isatty() and not console.is_quiet() else None

    def update(self, rows: int, fraction: float | None) -> None:
        """Show that ``rows`` rows are done, and what fraction of the input (0 to 1), if that is known."""
        now = time.monotonic()
        if self._bar is not None:
            total = None if fraction is None else 1.0
            words = _words(rows, fraction, now - self._start)
            self._bar.update(self._bar.task_ids[0], completed=fraction or 0.0, total=total, description=words)
        elif now - self._said >= _INTERVAL:
            self._said = now
            console.say(_words(rows, fraction, now - self._start))

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


def _bar() -> Progress:
    """Create and start a progress bar."""
    # Imported here, since importing rich takes as long as classifying a short text.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(), TextColumn("{task.description}"))
    bar = Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
    bar.add_task("reading", total=None)
    bar.start()
    return bar


def _words(rows: int, fraction: float | None, seconds: float) -> str:
    said = f"{rows:,} rows, {rows / max(seconds, 1e-9):,.0f} rows/s"
    if not fraction:
        return said
    return f"{said}, {fraction:.0%} of the input, {seconds / fraction - seconds:,.0f} s left"
