"""Manages the trials of an Optuna study, whose order depends only on the seed and which can be stored in a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from textcnn.errors import ConfigError, import_extra
from textcnn.tuning.space import LINE, Space

_NAME = "textcnn"
_PATIENCE = 60  # seconds to wait for the database while another process writes
_STEP = 1_000_003  # distance between the seeds of consecutive trials


class Trials:
    """The study of one run: proposes trials and records their results.

    A trial is stored when it is finished; one that a crash or Ctrl-C interrupted is repeated by the next run on the
    same file.

    Args:
        space: the search space.
        seed: the seed that determines each trial together with its number and the values of earlier trials.
        identity: the data and settings that the trials belong to; a file with trials of others is refused.
        storage: an SQLite file, created if it does not exist; none: trials are not stored.

    Raises:
        ConfigError: the file is not a storage, or has trials of other data or settings.
        MissingExtraError: Optuna is not installed.
    """

    def __init__(self, space: Space, seed: int, identity: Mapping[str, Any], storage: Path | None) -> None:
        self._optuna = import_extra("optuna", extra="tune", feature="tune")
        self._space, self._seed = space, seed
        pruner = self._optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1)
        self._study = self._optuna.create_study(direction="maximize", pruner=pruner)
        self._kept: Any = None
        if storage is not None:
            self._kept = _open(self._optuna, storage, identity)
            self._study.add_trials(sorted(self._kept.get_trials(deepcopy=False), key=number_of))
        self.num_loaded = len(self._study.trials)

    def __len__(self) -> int:
        return len(self._study.trials)

    @property
    def finished(self) -> list[Any]:
        """Optuna's records of all completed trials, without pruned ones."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]

    def values(self) -> list[float | None]:
        """Return the value of every trial in order; none for trials that were not completed."""
        return [trial.value if trial.state.name == "COMPLETE" else None for trial in self._study.trials]

    def count(self, state: str) -> int:
        """Count the trials in a state of Optuna: ``COMPLETE``, ``PRUNED`` or ``FAIL``."""
        return sum(trial.state.name == state for trial in self._study.get_trials(deepcopy=False))

    def best(self) -> Any:
        """Return the record of the best trial, the first if several are equal; none before a trial is completed."""
        return max(self.finished, key=lambda trial: (trial.value, -number_of(trial)), default=None)

    def ask(self) -> Any:
        """Create the next trial and choose its parameters."""
        number = len(self)
        # A new sampler for each trial, seeded by its number: a resumed search then proposes the same trials.
        self._study.sampler = self._optuna.samplers.TPESampler(seed=self._seed_of(number))
        start = self._space.start(number, {trial.number: trial.value for trial in self.finished})
        if start is not None:
            self._study.enqueue_trial(start)
        return self._study.ask(self._space.distributions())

    def tell(self, trial: Any, value: float | None, state: str, **facts: Any) -> None:
        """Record the value and final state (Optuna's) of a trial, with further facts."""
        for name, fact in facts.items():
            trial.set_user_attr(name, fact)
        finished = self._study.tell(trial, value, state=self._optuna.trial.TrialState[state])
        if self._kept is not None:
            self._kept.add_trial(finished)

    def alone(self, number: int) -> dict[str, Any]:
        """Return parameters that do not depend on other trials: the default, then single widths, then random ones."""
        if number <= len(LINE) and (start := self._space.start(number, {})) is not None:
            return start
        sampler = self._optuna.samplers.RandomSampler(seed=self._seed_of(number))
        drawn = self._optuna.create_study(sampler=sampler).ask(self._space.distributions())
        return dict(drawn.params)

    def missing(self, count: int) -> list[int]:
        """Return those of the first ``count`` trial numbers that have no trial yet."""
        present = {number_of(trial) for trial in self._study.get_trials(deepcopy=False)}
        return [number for number in range(count) if number not in present]

    def add(self, number: int, value: float | None, state: str, **facts: Any) -> None:
        """Store the value and final state (Optuna's) of a trial of :meth:`alone`, with further facts."""
        trial = self._optuna.trial.create_trial(
            state=self._optuna.trial.TrialState[state],
            value=value,
            params=self.alone(number),
            distributions=self._space.distributions(),
            user_attrs={"number": number, **facts},
        )
        self._kept.add_trial(trial)

    def _seed_of(self, number: int) -> int:
        return (self._seed * _STEP + number) % 2**32

    def forget(self, trial: Any) -> None:
        """Discard a trial that was cut off before its first epoch, without storing it."""
        self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)

    def importances(self) -> dict[str, float]:
        """Return the importance of each parameter, by a random forest over the trials; empty for too few trials."""
        if len({trial.value for trial in self.finished}) < 3:
            return {}
        evaluator = self._optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=self._seed % 2**32)
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items()}


def number_of(trial: Any) -> int:
    """Return the number of a trial; parallel trials are stored in the order in which they finished."""
    return int(trial.user_attrs.get("number", trial.number))


def _open(optuna: Any, path: Path, identity: Mapping[str, Any]) -> Any:
    if path.exists() and not _is_database(path):
        raise ConfigError(f"storage must be a new file or an SQLite one of `tune`, got {str(path)!r}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{path.resolve().as_posix()}", engine_kwargs={"connect_args": {"timeout": _PATIENCE}}
        )
    except (OSError, import_extra("sqlalchemy.exc", extra="tune", feature="tune").SQLAlchemyError) as err:
        raise ConfigError(f"storage {str(path)!r} cannot be opened: {str(err).splitlines()[0]}") from err
    study = optuna.create_study(study_name=_NAME, storage=storage, direction="maximize", load_if_exists=True)
    saved = study.user_attrs
    other = [name for name in {**identity, **saved} if saved and saved.get(name) != identity.get(name)]
    if other:
        raise ConfigError(
            f"storage {str(path)!r} holds trials of other {' and '.join(other)}; choose another --storage"
        )
    for name, value in identity.items() if not saved else ():
        study.set_user_attr(name, value)
    return study


def _is_database(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.Error:
        return False
    return True
