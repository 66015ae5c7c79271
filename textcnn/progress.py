"""Callbacks of training: what a user sees while a model trains."""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from textcnn.errors import warn_of_data

LOG = logging.getLogger("textcnn.training")
NOTICES = ("note", "warning")  # what a line begins with that is about the data


class StopTraining(Exception):
    """Raised by a reporter at a step or an epoch: training ends here, with the best weights so far."""


class Reporter(Protocol):
    """What the training loop tells; every method may do nothing, or raise :class:`StopTraining`."""

    def say(self, message: str) -> None:
        """A sentence for the user."""

    def start(self, num_steps: int) -> None:
        """Training begins, and will take that many steps."""

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """A step is done."""

    def epoch(self, entry: dict[str, Any]) -> None:
        """An epoch is done; ``entry`` is its line of the history."""

    def stop(self) -> None:
        """Training has ended, in whatever way."""


class Silent:
    """A reporter that says nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def start(self, num_steps: int) -> None:
        """Nothing."""

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Nothing."""

    def epoch(self, entry: dict[str, Any]) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Telling(Silent):
    """What callers of the library hear: warnings (:class:`textcnn.DataWarning`), and records of a logger."""

    def say(self, message: str) -> None:
        """A warning, if it is a note or a warning, else a record."""
        kind, _, sentence = message.partition(": ")
        if kind in NOTICES:
            warn_of_data(sentence)
        else:
            LOG.info("%s", message)

    def epoch(self, entry: dict[str, Any]) -> None:
        """A record for every epoch."""
        self.say(_epoch_line(entry))


class Remembering(Silent):
    """Passes on every message, and remembers it as far as the data and settings decide it, to be kept with the model.

    Args:
        reporter: receives everything.

    Attributes:
        said: what was read, and all notes and warnings.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter, self.said = reporter, list[str]()
        for name in ("start", "step", "epoch", "stop"):
            setattr(self, name, getattr(reporter, name))

    def say(self, message: str) -> None:
        """Pass it on."""
        if message.partition(" ")[0] in ("reading", "read", *(f"{kind}:" for kind in NOTICES)):
            self.said.append(message)
        self._reporter.say(message)


class TerminalReporter(Silent):
    """Writes to stderr: a bar with loss, speed and time left on a terminal, plain lines now and then elsewhere."""

    _INTERVAL = 10.0  # seconds between plain lines

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._num_steps = self._done = 0
        self._began = self._said = time.perf_counter()

    def say(self, message: str) -> None:
        """A line on stderr."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    def start(self, num_steps: int) -> None:
        """Open the bar."""
        self._num_steps, self._done = num_steps, 0
        self._began = self._said = time.perf_counter()
        if self._console.is_terminal:
            columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("", total=num_steps)
            self._bar.start()

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Move the bar, or write a line if the last is old."""
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
        """A line for every epoch."""
        self.say(_epoch_line(entry))

    def stop(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Together(Silent):
    """Tells several reporters the same, in their order.

    Args:
        reporters: if one stops training, it stops when all have been told.
    """

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters

    def say(self, message: str) -> None:
        """To all."""
        self._tell("say", message)

    def start(self, num_steps: int) -> None:
        """To all."""
        self._tell("start", num_steps)

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """To all."""
        self._tell("step", epoch, loss, tokens_per_second)

    def epoch(self, entry: dict[str, Any]) -> None:
        """To all."""
        self._tell("epoch", entry)

    def stop(self) -> None:
        """To all."""
        self._tell("stop")

    def _tell(self, name: str, *what: Any) -> None:
        stop: StopTraining | None = None
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
