"""Callbacks of the training loop that report its progress to a user or a logger."""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from textcnn.errors import warn_of_data

LOG = logging.getLogger("textcnn.training")
NOTICES = ("note", "warning")  # prefixes of messages about the data


class StopTraining(Exception):
    """Raised by a callback to end training at this step or epoch, keeping the best weights so far."""


class Reporter(Protocol):
    """Interface of the callbacks; every method may do nothing, or raise :class:`StopTraining`."""

    def say(self, message: str) -> None:
        """Show a sentence to the user."""

    def start(self, num_steps: int) -> None:
        """Called before the first step with the expected number of steps."""

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Called after every step."""

    def epoch(self, entry: dict[str, Any]) -> None:
        """Called after every epoch with ``entry``, its line of the history."""

    def stop(self) -> None:
        """Called once training has ended, for whatever reason."""


class Silent:
    """Callbacks that do nothing; base class of the others."""

    def say(self, message: str) -> None:
        """Do nothing."""

    def start(self, num_steps: int) -> None:
        """Do nothing."""

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Do nothing."""

    def epoch(self, entry: dict[str, Any]) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class Telling(Silent):
    """Callbacks for library users: notes become :class:`textcnn.DataWarning`, everything else is logged."""

    def say(self, message: str) -> None:
        """Issue notes and warnings as Python warnings, and log everything else."""
        kind, _, sentence = message.partition(": ")
        if kind in NOTICES:
            warn_of_data(sentence)
        else:
            LOG.info("%s", message)

    def epoch(self, entry: dict[str, Any]) -> None:
        """Log the metrics of the epoch."""
        self.say(_epoch_line(entry))


class Remembering(Silent):
    """Callbacks that forward everything and record the messages about the data, to be saved with the model.

    Args:
        reporter: the callbacks to forward to.

    Attributes:
        said: the messages about what was read, and all notes and warnings.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self.said = reporter, list[str]()
        # Bound methods instead of forwarding ones, because step is called often.
        for name in ("start", "step", "epoch", "stop"):
            setattr(self, name, getattr(reporter, name))

    def say(self, message: str) -> None:
        """Forward a message, and record it if it is about the data."""
        if message.partition(" ")[0] in ("reading", "read", *(f"{kind}:" for kind in NOTICES)):
            self.said.append(message)
        self._reporter.say(message)


class TerminalReporter(Silent):
    """Callbacks that write to stderr: a progress bar on a terminal, a plain line every few seconds elsewhere."""

    _INTERVAL = 10.0  # seconds between plain lines

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._num_steps = self._done = 0
        self._began = self._said = time.perf_counter()

    def say(self, message: str) -> None:
        """Print a line on stderr."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def start(self, num_steps: int) -> None:
        """Start the progress bar."""
        self._num_steps, self._done = num_steps, 0
        self._began = self._said = time.perf_counter()
        if self._console.is_terminal:
            columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("", total=num_steps)
            self._bar.start()

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Advance the bar, or print a line if the last one is old."""
        self._done += 1
        now = time.perf_counter()
        state = f"epoch {epoch + 1}, loss {loss:.4f}, {tokens_per_second:,.0f} tokens/s"
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=state)
        elif now - self._said >= self._INTERVAL:
            left = (now - self._began) / self._done * (self._num_steps - self._done)
            self.say(f"step {self._done:,} of {self._num_steps:,}: {state}, {left:.0f} s left")
            self._said = now

    def epoch(self, entry: dict[str, Any]) -> None:
        """Print the metrics of the epoch."""
        self.say(_epoch_line(entry))

    def stop(self) -> None:
        """Close the progress bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Together(Silent):
    """Callbacks that forward every call to several reporters, in their order.

    Args:
        reporters: a :class:`StopTraining` of one is raised after all have been called.
    """

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def say(self, message: str) -> None:
        """Forward to all reporters."""
        self._tell("say", message)

    def start(self, num_steps: int) -> None:
        """Forward to all reporters."""
        self._tell("start", num_steps)

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Forward to all reporters."""
        self._tell("step", epoch, loss, tokens_per_second)

    def epoch(self, entry: dict[str, Any]) -> None:
        """Forward to all reporters."""
        self._tell("epoch", entry)

    def stop(self) -> None:
        """Forward to all reporters."""
        self._tell("stop")

    def _tell(self, name: str, *what: Any) -> None:
        stop: StopTraining | None = None
        # Every reporter is called even if one stops training, so that bars and files are completed.
        for reporter in self._reporters:
            try:
                getattr(reporter, name)(*what)
            except StopTraining as err:
                stop = stop or err
        if stop is not None:
            raise stop


def _epoch_line(entry: dict[str, Any]) -> str:
    numbers = [f"{name} {value:.4f}" for name, value in entry.items() if isinstance(value, float)]
    return f"epoch {entry['epoch']}: {', '.join(numbers)}"
