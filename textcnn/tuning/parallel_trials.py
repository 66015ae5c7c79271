"""Runs trials in several processes; trial k depends only on the seed and k, so the best is the same for any number.

Each process reads the rows itself and writes its results into a shared storage; the parent assigns the trial numbers.
No trial is pruned, since that would depend on which other trials have finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from textcnn.config import Config
from textcnn.errors import TextCNNError
from textcnn.prediction.workers import live_with_parent
from textcnn.progress import Reporter, Silent
from textcnn.runs.prepare import Prepared, prepare_text
from textcnn.runs.text import train_prepared
from textcnn.training.loop import DivergedError
from textcnn.tuning.budget import SLACK, Budget, TrialReporter
from textcnn.tuning.space import Space
from textcnn.tuning.study import Trials

# Part of the identity of a storage: sequential trials depend on each other, so they are another search.
_MODE = {"trials": "each by itself"}


@dataclass(frozen=True)
class Work:
    """The arguments of a worker process, which are pickled.

    Attributes:
        data: the training rows, as for ``tune``.
        dev: the rows that measure the trials, or none.
        settings: the fixed settings by name.
        space: the search space.
        seed: the seed that determines each trial together with its number.
        identity: the data and settings that the trials belong to.
        metric: the name of the dev metric that is maximized.
    """

    data: Any
    dev: Any
    settings: Mapping[str, Any]
    space: Space
    seed: int
    identity: Mapping[str, Any]
    metric: str

    def trials(self, storage: Path) -> Trials:
        """Return the trials in a storage at this moment."""
        return Trials(self.space, self.seed, {**self.identity, **_MODE}, storage)


def run_apart(
    work: Work, storage: Path | None, num_trials: int, processes: int, budget: Budget, reporter: Reporter
) -> tuple[Trials, bool]:
    """Run trials in parallel; return all trials of the storage, and whether the user interrupted.

    Those of the first ``num_trials`` that the storage lacks are started in the order of their numbers, as long as there
    is time for a trial as long as the longest so far and for the final training.

    Args:
        work: the search space and the rows.
        storage: an SQLite file; none: a temporary one.
        num_trials: the number of trials.
        processes: the number of processes.
        budget: the time budget.
        reporter: receives a message for each trial.

    Raises:
        TextCNNError: a process died before it was finished, or reading the rows failed.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "trials.db") if storage is None else storage
        before = work.trials(path)
        if before.num_loaded:
            reporter.say(f"{before.num_loaded:,} trials are in {path}")
        try:
            _deal_out(work, path, before.missing(num_trials), processes, budget, reporter)
        except KeyboardInterrupt:
            return work.trials(path), True
        return work.trials(path), False


def _deal_out(
    work: Work, storage: Path, numbers: list[int], processes: int, budget: Budget, reporter: Reporter
) -> None:
    context = get_context("spawn")
    stop = context.Event()
    left, waiting = deque(numbers), set[Future[_Told]]()
    longest = cost = 0.0
    pool = ProcessPoolExecutor(processes, context, _start, (work, storage, stop))
    try:
        while waiting or left:
            while left and len(waiting) < processes and budget.left() > longest + SLACK * cost:
                waiting.add(pool.submit(_trial, left.popleft(), budget.left()))
            if not waiting:
                reporter.say(f"no time for {len(left):,} trials more; give more, and the same --storage, to go on")
                break
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for result in (future.result() for future in done):
                longest, cost = max(longest, result.seconds), max(cost, result.cost)
                reporter.say(result.line)
    except BrokenProcessPool as err:
        raise TextCNNError(
            f"one of {processes} processes ended before its trial, perhaps killed for want of memory; the trials that "
            f"ended are in the storage; try fewer --processes"
        ) from err
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Told:
    """The result of a trial: a line for the user, its duration, and the seconds until its best epoch."""

    line: str
    seconds: float
    cost: float = 0.0


# ------------------------------------------------------------------------------------ within a process of trials


@dataclass(frozen=True)
class _Place:
    work: Work
    prepared: Prepared
    trials: Trials
    stop: Event


_place: _Place | None = None


def _start(work: Work, storage: Path, stop: Event) -> None:
    global _place
    live_with_parent()
    prepared = prepare_text(work.data, Config.from_flat(work.settings), Silent(), dev=work.dev)
    _place = _Place(work, prepared, work.trials(storage), stop)


class _Watched(TrialReporter):
    """A trial reporter that also ends the trial when the user stops the search."""

    def __init__(self, budget: Budget, metric: str, stop: Event) -> None:
        super().__init__(budget, f"dev_{metric}", None, lambda value, epoch: False)
        self._stop = stop

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        if self._stop.is_set():
            self.give_up()
        super().step(epoch, loss, tokens_per_second)


def _trial(number: int, seconds: float) -> _Told:
    """Run one trial within the given time; it is stored only if it was not cut off."""
    assert _place is not None  # the pool has called _start
    work, trials = _place.work, _place.trials
    config = Config.from_flat(work.space.settings(trials.alone(number)))
    watch = _Watched(Budget(seconds), work.metric, _place.stop)
    try:
        train_prepared(_place.prepared.with_config(config), watch)
    except DivergedError as err:
        trials.add(number, None, "FAIL", seconds=watch.seconds)
        return _Told(f"trial {number}: {err}", watch.seconds)
    if watch.cut:
        return _Told(f"trial {number}: no time to end it", watch.seconds)
    facts = {"seconds": watch.seconds, "cost": watch.cost, "best_epoch": watch.best_epoch, "cut": False}
    trials.add(number, watch.value, "COMPLETE", **facts)
    return _Told(f"trial {number}: {work.metric} {watch.value:.4f} in {watch.seconds:.1f} s", watch.seconds, watch.cost)
