"""A budget of wall time, and the reporter that keeps a trial inside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textcnn.progress import Silent, StopTraining

Clock = Callable[[], float]
SLACK = 1.1  # training again may take this much longer than it took


class Budget:
    """Seconds from a moment on.

    Args:
        seconds: how many.
        began: since when, by the clock; none: now.
        clock: tells the time.
    """

    def __init__(self, seconds: float, *, began: float | None = None, clock: Clock = time.perf_counter) -> None:
        self.seconds, self.clock = seconds, clock
        self.began = clock() if began is None else began
        self.closing = max(1.0, 0.02 * seconds)  # kept for what comes after the last step: measuring, drawing, saving

    def spent(self) -> float:
        """Seconds gone."""
        return self.clock() - self.began

    def left(self) -> float:
        """Seconds left for training; below 0 behind the deadline."""
        return self.seconds - self.closing - self.spent()


class PrunedError(Exception):
    """A trial is worse than most were at this epoch."""


class TrialReporter(Silent):
    """Watches one trial: stops it at the deadline, hands every epoch to the pruner, remembers the best epoch.

    Args:
        budget: the time there is.
        metric: name of the dev metric in the history.
        best: seconds that the best trial so far took until its best epoch; or none.
        prune: is told value and epoch, and says whether to give up.
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
        """Since the trial began."""
        return self._budget.clock() - self.began

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """Stop when the best trial so far, or this one as far as it has come, could not be trained again after that."""
        again = 0.0 if self._is_first else max(self.seconds, self._best or 0.0)
        if self._budget.left() <= SLACK * again:
            self.give_up()

    def epoch(self, entry: dict[str, Any]) -> None:
        """Remember the best epoch that there is time to come to again; give up a bad trial."""
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
        """Whether no trial has finished an epoch yet: then this one's weights are better than none."""
        return self._best is None and not self.best_epoch

    def give_up(self) -> None:
        """End the trial here."""
        self.cut = True
        raise StopTraining


class AgainReporter(Silent):
    """Trains the best trial again: ends at its best epoch, or, should it take longer this time, at the deadline."""

    def __init__(self, budget: Budget, best_epoch: int) -> None:
        self._budget, self._best_epoch = budget, best_epoch

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        """A twentieth over the budget is the end."""
        if epoch > 0 and self._budget.left() < -0.05 * self._budget.seconds:
            raise StopTraining

    def epoch(self, entry: dict[str, Any]) -> None:
        """The best epoch is the last."""
        if entry["epoch"] >= self._best_epoch:
            raise StopTraining
