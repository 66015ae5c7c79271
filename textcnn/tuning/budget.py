"""Defines a budget of wall time, and the reporters that keep trials and the final training within it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textcnn.progress import Silent, StopTraining

Clock = Callable[[], float]
SLACK = 1.1  # retraining may take this many times as long as the trial


class Budget:
    """A time budget that starts at a given moment.

    Args:
        seconds: the size of the budget.
        began: the start of the budget, by the clock; none: now.
        clock: returns the time in seconds.
    """

    def __init__(self, seconds: float, *, began: float | None = None, clock: Clock = time.perf_counter) -> None:
        self.seconds, self.clock = seconds, clock
        self.began = clock() if began is None else began
        self.closing = max(1.0, 0.02 * seconds)  # reserved for measuring, drawing and saving at the end

    def spent(self) -> float:
        """Return the seconds that have passed."""
        return self.clock() - self.began

    def left(self) -> float:
        """Return the seconds left for training, negative after the deadline."""
        return self.seconds - self.closing - self.spent()


class PrunedError(Exception):
    """Raised to end a trial that is worse than most others were at the same epoch."""


class TrialReporter(Silent):
    """A reporter that stops a trial at the deadline, reports every epoch to the pruner, and tracks the best epoch.

    Args:
        budget: the time budget.
        metric: the name of the dev metric in the history.
        best: the seconds that the best trial so far took until its best epoch, or none.
        prune: a function of value and epoch that returns whether to prune the trial.
    """

    def __init__(self, budget: Budget, metric: str, best: float | None, prune: Callable[[float, int], bool]) -> None:
        self._budget, self._metric, self._best, self._prune = budget, metric, best, prune
        self.began = budget.clock()
        self.value = float("-inf")
        self.best_epoch = 0
        self.cost = 0.0  # seconds until the end of the best epoch
        self.cut = False

    @property
    def seconds(self) -> float:
        """The seconds since the trial began."""
        return self._budget.clock() - self.began

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Stop when there is only just enough time left to retrain the best trial, or this one up to here."""
        again = 0.0 if self._is_first else max(self.seconds, self._best or 0.0)
        if self._budget.left() <= SLACK * again:
            self.give_up()

    def epoch(self, entry: dict[str, Any]) -> None:
        """Record the best epoch that there is time to retrain up to, and prune a bad trial."""
        value = entry[self._metric]
        late, first = self._budget.left() <= SLACK * self.seconds, self._is_first
        if value > self.value and (first or not late):
            self.value, self.best_epoch, self.cost = value, entry["epoch"], self.seconds
        if late:
            self.give_up()
        if self._prune(value, entry["epoch"]):
            raise PrunedError

    @property
    def _is_first(self) -> bool:
        """Whether no trial has finished an epoch yet, so that this trial's weights may have to serve as the result."""
        return self._best is None and not self.best_epoch

    def give_up(self) -> None:
        """End the trial here because of the deadline."""
        self.cut = True
        raise StopTraining


class AgainReporter(Silent):
    """A reporter that ends the final training at the best trial's best epoch, or at the deadline if that is earlier."""

    def __init__(self, budget: Budget, best_epoch: int) -> None:
        self._budget, self._best_epoch = budget, best_epoch

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Stop when the budget is exceeded by 5 %."""
        if epoch > 0 and self._budget.left() < -0.05 * self._budget.seconds:
            raise StopTraining

    def epoch(self, entry: dict[str, Any]) -> None:
        """Stop at the best epoch."""
        if entry["epoch"] >= self._best_epoch:
            raise StopTraining
