"""Searches for better settings within a time budget, then trains the final model with the best ones."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from textcnn.config import Config
from textcnn.errors import ConfigError, import_extra
from textcnn.progress import Reporter
from textcnn.runs.finish import Run
from textcnn.runs.prepare import Prepared, prepare_text
from textcnn.runs.text import train_prepared
from textcnn.training.loop import DivergedError
from textcnn.training.sampler import default_epochs
from textcnn.tuning.budget import SLACK, AgainReporter, Budget, Clock, PrunedError, TrialReporter
from textcnn.tuning.parallel_trials import Work, run_apart
from textcnn.tuning.space import Space
from textcnn.tuning.study import Trials, number_of

DEV_FRACTION = 0.1


@dataclass(frozen=True)
class Tuned:
    """The result of a search.

    Attributes:
        run: the final training with the best settings.
        summary: the results that ``tune --json`` prints, without the folder's name.
        values: the values of the trials in order; none for those that were pruned or failed.
    """

    run: Run
    summary: dict[str, Any]
    values: list[float | None]


def tune(
    data: Any,
    settings: Mapping[str, Any],
    time_budget: float,
    reporter: Reporter,
    *,
    dev: Any = None,
    num_trials: int | None = None,
    storage: Path | None = None,
    processes: int | None = None,
    began: float | None = None,
    clock: Clock = time.perf_counter,
) -> Tuned:
    """Search for better settings, and train with the best ones again on the rows of the trials.

    The first trial has the default settings; then come single kernel widths and combinations near the best of them,
    then a seeded TPE sampler. Trial n depends only on the seed and the trials before it, not on time; the budget
    determines how many there are.

    Args:
        data: as for ``textcnn.train``.
        settings: the settings, by name, that are fixed in every trial and not searched.
        time_budget: the seconds for everything, including reading and the final training.
        reporter: receives a message for each trial.
        dev: the rows that measure the trials; none: ``dev_fraction`` of the training rows, 0.1 unless it is set.
        num_trials: the largest number of trials, including those in the storage.
        storage: an SQLite file that stores the trials; a second run with the same file continues.
        processes: the number of processes, one thread each, that run ``num_trials`` trials. Each trial then depends
            only on the seed and its number, and none is pruned: any number of processes finds the same best trial.
        began: the start of the budget, by the clock.
        clock: returns the time in seconds.

    Raises:
        ConfigError: settings are out of range, the budget is too short for one epoch, or the storage is another's.
        DataError: the data cannot be read with these settings.
        MissingExtraError: Optuna is not installed.
    """
    _check(settings, time_budget, num_trials, processes)
    budget = Budget(time_budget, began=began, clock=clock)
    given = dict(settings)
    if processes is not None and given.get("threads") is None:
        given["threads"] = 1
    if dev is None and not given.get("dev_fraction"):
        given["dev_fraction"] = DEV_FRACTION
        reporter.say(f"no dev rows: {DEV_FRACTION:.0%} of the rows measure the trials")
    with _quiet_optuna():
        prepared = prepare_text(data, Config.from_flat(given), reporter, dev=dev)
        if prepared.others["dev"] is None:
            raise ConfigError("tune needs dev rows, and these are too few to hold some out; give dev rows of your own")
        config = prepared.config
        rows = len(prepared.train.truth)
        space = Space.build(given, config, config.training.epochs or default_epochs(rows))
        identity = _identity(prepared)
        if processes is None:
            trials = Trials(space, config.training.seed, identity, storage)
            if trials.num_loaded:
                reporter.say(f"{trials.num_loaded:,} trials are in {storage}")
            search = _Search(prepared, space, trials, budget, reporter)
            interrupted = search.run(num_trials)
        else:
            work = Work(data, dev, given, space, config.training.seed, identity, _metric(prepared))
            trials, interrupted = run_apart(work, storage, num_trials or 0, processes, budget, reporter)
            search = _Search(prepared, space, trials, budget, reporter)
        run = search.train_best()
        importances = trials.importances()
    if interrupted:
        run = replace(run, stopped="interrupted")
    summary = search.summary(run, importances)
    return Tuned(run, summary, trials.values())


def _check(settings: Mapping[str, Any], time_budget: float, num_trials: int | None, processes: int | None) -> None:
    if not 0 < time_budget < float("inf"):
        raise ConfigError(f"time_budget must be seconds above 0, got {time_budget!r}")
    if settings.get("regression") or settings.get("ordinal"):
        raise ConfigError("tune searches for models of labels, got regression or ordinal; leave it out, or use train")
    if num_trials is not None and num_trials < 1:
        raise ConfigError(f"trials must be 1 or more, got {num_trials}")
    if (size := Config.from_flat(settings).training.ensemble) > 1:
        raise ConfigError(f"tune searches for one network, got ensemble {size}; train one with the settings it finds")
    if processes is not None and (processes < 1 or num_trials is None):
        raise ConfigError(
            f"processes must be 1 or more with a number of trials, so that every run has the same ones; got "
            f"{processes} and {num_trials} trials"
        )


class _Search:
    """One search: runs trials while there is time, and the final training."""

    def __init__(self, prepared: Prepared, space: Space, trials: Trials, budget: Budget, reporter: Reporter) -> None:
        self._prepared, self._space, self._trials = prepared, space, trials
        self._budget, self._reporter = budget, reporter
        self._cut: tuple[int, Run] | None = None  # the trial cut off by the deadline, and its model
        self._name = _metric(prepared)

    def run(self, num_trials: int | None) -> bool:
        """Run trials until the time or their number is used up; return whether the user interrupted."""
        while (num_trials is None or len(self._trials) < num_trials) and self._has_time():
            if (stopped := self._trial()) != "done":
                return stopped == "interrupted"
        return False

    def _has_time(self) -> bool:
        """Whether there is time for a trial of median length and the final training."""
        best = self._trials.best()
        if best is None:
            return self._budget.left() > 0
        typical = median(trial.user_attrs["seconds"] for trial in self._trials.finished)
        return bool(self._budget.left() >= typical + SLACK * best.user_attrs["cost"])

    def _trial(self) -> str:
        """Run one trial; return ``done``, ``cut`` (by the deadline) or ``interrupted``."""
        best, trial = self._trials.best(), self._trials.ask()

        def prune(value: float, epoch: int) -> bool:
            trial.report(value, epoch)
            return bool(trial.should_prune())

        known = None if best is None else best.user_attrs["cost"]
        watch = TrialReporter(self._budget, f"dev_{self._name}", known, prune)
        try:
            run = self._train(trial.params, watch)
        except PrunedError:
            self._trials.tell(trial, None, "PRUNED", seconds=watch.seconds)
            self._say(trial, f"given up at {watch.value:.4f}")
            return "done"
        except DivergedError as err:
            self._trials.tell(trial, None, "FAIL", seconds=watch.seconds)
            self._say(trial, str(err))
            return "done"
        if not watch.best_epoch:
            self._trials.forget(trial)
            return "interrupted" if run.stopped == "interrupted" else "cut"
        self._cut = (trial.number, run) if watch.cut else None
        facts = {"seconds": watch.seconds, "cost": watch.cost, "best_epoch": watch.best_epoch, "cut": watch.cut}
        self._trials.tell(trial, watch.value, "COMPLETE", **facts)
        self._say(trial, f"{self._name} {watch.value:.4f} in {watch.seconds:.1f} s")
        return "interrupted" if run.stopped == "interrupted" else "cut" if watch.cut else "done"

    def _train(self, params: Mapping[str, Any], reporter: Reporter) -> Run:
        config = Config.from_flat(self._space.settings(params))
        return train_prepared(self._prepared.with_config(config), reporter)

    def _say(self, trial: Any, what: str) -> None:
        shown = ", ".join(f"{n} {v:.3g}" if isinstance(v, float) else f"{n} {v}" for n, v in trial.params.items())
        self._reporter.say(f"trial {trial.number}: {what} ({shown})")

    def train_best(self) -> Run:
        """Train with the best settings again, up to their best epoch.

        If one epoch took more than half of the budget, the weights of the trial itself are used.

        Raises:
            ConfigError: no trial has finished an epoch.
        """
        best = self._trials.best()
        if best is None:
            raise ConfigError(
                f"time_budget of {self._budget.seconds:g} s was too short: no trial has finished an epoch; give more"
            )
        if self._cut and self._cut[0] == number_of(best) and self._budget.left() < SLACK * best.user_attrs["cost"]:
            self._reporter.say("no time to train the trial again: its weights are kept; give more time for a search")
            return self._cut[1]
        self._reporter.say(f"training trial {number_of(best)} again, up to epoch {best.user_attrs['best_epoch']}")
        return self._train(best.params, AgainReporter(self._budget, best.user_attrs["best_epoch"]))

    def summary(self, run: Run, importances: Mapping[str, float]) -> dict[str, Any]:
        """Return the summary of the search, which is also recorded in the artifact, without times."""
        best, values = self._trials.best(), self._trials.values()
        settings = self._space.settings(best.params)
        tuning = {
            "metric": self._name,
            "trials": {name: self._trials.count(state) for name, state in _STATES.items()},
            "default": values[0],
            "best": {"trial": number_of(best), "value": best.value, "settings": settings},
            "importances": dict(importances),
        }
        run.predictor.artifact.training["tuning"] = tuning
        timed = {"time_budget": self._budget.seconds, "seconds": self._budget.spent()}
        return {**run.summary, "tuning": {**tuning, **timed}}


_STATES = {"finished": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


def _metric(prepared: Prepared) -> str:
    """Return the name of the dev metric that is maximized."""
    return "micro_f1" if prepared.labels.multi_label else "accuracy"


def _identity(prepared: Prepared) -> dict[str, Any]:
    """Return the data and settings that trials belong to; only trials with the same ones can be compared."""
    part = prepared.others["dev"]
    assert part is not None
    settings = prepared.config.to_dict()
    for name in ("threads", "device"):  # they may differ between runs of one search
        del settings["training"][name]
    dev = hashlib.sha256(part.encoded.ids.tobytes() + repr(part.truth).encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "data": prepared.source["fingerprint"],
        "dev rows": dev,
        "settings": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
    }


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Silence Optuna's line for every trial, since the reporter has one too."""
    logging = import_extra("optuna", extra="tune", feature="tune").logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)
