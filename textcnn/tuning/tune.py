"""Search inside a budget of time, then train the best settings again: that is the model."""

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
    """A finished search.

    Attributes:
        run: the best settings, trained again.
        summary: what ``tune --json`` prints, without the folder's name.
        values: what the trials reached, in their order; none for those that were pruned or failed.
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
    """Search for better settings, and train the best ones again on the rows the trials had.

    The first trial has the default settings; then come single kernel widths and combinations near the best of them,
    then a seeded TPE sampler. Trial n depends on the seed and the trials before it alone, not on the time; the budget
    decides how many there are.

    Args:
        data: as for ``textcnn.train``.
        settings: by name; these are fixed in every trial, and not searched.
        time_budget: seconds for everything, reading and the last training included.
        reporter: is told of every trial.
        dev: rows that measure the trials; none: ``dev_fraction`` of the training rows, 0.1 unless it is set.
        num_trials: stop after that many, those in the storage included.
        storage: an SQLite file that keeps the trials; a second run with the same file continues.
        processes: run ``num_trials`` trials in so many processes, one thread each. Then a trial depends on the seed and
            its number alone, and none is given up early: any number of processes finds the same best trial.
        began: when the budget began, by the clock.
        clock: tells the time in seconds.

    Raises:
        ConfigError: settings out of range, a budget too short for one epoch, or a storage of something else.
        DataError: the data cannot be read as asked.
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
    """One search: trials while there is time, and the last training."""

    def __init__(self, prepared: Prepared, space: Space, trials: Trials, budget: Budget, reporter: Reporter) -> None:
        self._prepared, self._space, self._trials = prepared, space, trials
        self._budget, self._reporter = budget, reporter
        self._cut: tuple[int, Run] | None = None  # the trial that the deadline cut, and its model
        self._name = _metric(prepared)

    def run(self, num_trials: int | None) -> bool:
        """Trials until there is no time for another, or enough of them; whether the user interrupted."""
        while (num_trials is None or len(self._trials) < num_trials) and self._has_time():
            if (stopped := self._trial()) != "done":
                return stopped == "interrupted"
        return False

    def _has_time(self) -> bool:
        """For the median trial and the last training."""
        best = self._trials.best()
        if best is None:
            return self._budget.left() > 0
        typical = median(trial.user_attrs["seconds"] for trial in self._trials.finished)
        return bool(self._budget.left() >= typical + SLACK * best.user_attrs["cost"])

    def _trial(self) -> str:
        """One trial: ``done``, ``cut`` by the deadline, or ``interrupted``."""
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
        """Train the best settings again, up to their best epoch.

        Where one epoch took more than half of the budget, the weights of the trial itself are taken.

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
        """What was searched and found; written to the artifact too, without times."""
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
    """The dev metric that is searched for."""
    return "micro_f1" if prepared.labels.multi_label else "accuracy"


def _identity(prepared: Prepared) -> dict[str, Any]:
    """What trials are of: they can be compared only if all of it is the same."""
    part = prepared.others["dev"]
    assert part is not None
    settings = prepared.config.to_dict()
    for name in ("threads", "device"):
        del settings["training"][name]
    dev = hashlib.sha256(part.encoded.ids.tobytes() + repr(part.truth).encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "data": prepared.source["fingerprint"],
        "dev rows": dev,
        "settings": hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
    }


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Optuna says a line for every trial: so do we."""
    logging = import_extra("optuna", extra="tune", feature="tune").logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)
