"""Checkpoints of a training run: atomically written files from which a killed run resumes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from textcnn.atomic import PARTIAL, put_file
from textcnn.errors import ConfigError

SECONDS = 60.0  # no more than this much training is lost
KEPT = 2  # files of a fit: the newest, and one before it should that be damaged
SUFFIX = ".safetensors"
Value = TypeVar("Value")


@dataclass(frozen=True)
class State:
    """Progress of a fit, as saved in a checkpoint.

    Attributes:
        facts: JSON values.
        tensors: the rest, arrays by name.
    """

    facts: dict[str, Any]
    tensors: dict[str, npt.NDArray[Any]]


class Checkpoints:
    """Checkpoints of a run, which may train several networks (folds, ensemble members) one after another.

    A file is written under a temporary name and renamed once it is on disk. Its name ends with the start of its
    SHA-256, by which damaged files are recognized and skipped.

    Args:
        folder: an existing folder that only this run writes to.
        resume: continue from the files in the folder; otherwise they are removed, with a note.
        say: receives messages.
        seconds: interval between checkpoints.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        resume: bool = False,
        say: Callable[[str], None] = lambda message: None,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._say, self._seconds, self._clock = folder, say, seconds, clock
        self._fits = 0
        self._written = clock()
        self._failed = False
        if not resume:
            if self.files():
                say("note: checkpoints of a run that was not finished are removed; --resume would have gone on with it")
            self.remove()
        elif not self.files():
            say("no checkpoint to go on from: the run starts from the beginning")

    def fit(self, run: Mapping[str, Any]) -> FitCheckpoints:
        """Return the checkpoints of the next network to be trained.

        Args:
            run: the inputs that determine its weights, by name; reading a checkpoint with other inputs is an error.
        """
        self._fits += 1
        return FitCheckpoints(self, f"fit-{self._fits:03d}", dict(run))

    def due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        return self._clock() - self._written >= self._seconds

    def files(self, prefix: str = "fit-") -> list[Path]:
        """Return the complete files with that prefix, oldest first."""
        return sorted(path for path in self._folder.glob(f"{prefix}*{SUFFIX}"))

    def remove(self) -> None:
        """Remove all checkpoints."""
        self.remove_partial()
        for path in self.files():
            path.unlink(missing_ok=True)

    def remove_partial(self) -> None:
        """Remove files whose writing was interrupted."""
        for path in self._folder.glob(f"*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def write(self, name: str, state: State, run: Mapping[str, Any]) -> None:
        """Write a file durably before renaming it; failures, such as a full disk, only warn, once."""
        partial = self._folder / f"{name}{PARTIAL}"
        arrays = {key: np.asarray(value, order="C") for key, value in state.tensors.items()}
        metadata = {"facts": json.dumps(state.facts), "run": json.dumps(run, sort_keys=True)}
        try:
            safetensors.numpy.save_file(arrays, partial, metadata=metadata)
            put_file(partial, self._folder / f"{name}-{_checksum(partial)}{SUFFIX}")
        except (OSError, safetensors.SafetensorError) as err:
            partial.unlink(missing_ok=True)
            if not self._failed:
                self._say(f"warning: no checkpoint could be written to {str(self._folder)!r}: {err}; training goes on")
            self._failed = True
        self._written = self._clock()

    def read(self, path: Path, run: Mapping[str, Any]) -> State | None:
        """Return the state in a file; none if it is damaged.

        Raises:
            ConfigError: the file belongs to a run with other inputs.
        """
        if _checksum(path) != path.name.removesuffix(SUFFIX).rpartition("-")[2]:
            self._say(f"warning: {str(path)!r} is damaged: its checksum is not that in its name; it is left out")
            return None
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            _require_same(json.loads(metadata["run"]), json.loads(json.dumps(run)), path)
            names = list(file.keys())
            return State(json.loads(metadata["facts"]), {name: file.get_tensor(name) for name in names})


class FitCheckpoints:
    """Checkpoints of one network: during its training, or at its end."""

    def __init__(self, run: Checkpoints, name: str, of: dict[str, Any]) -> None:
        self._run, self._name, self._of = run, name, of
        self.due = run.due

    def latest(self) -> State | None:
        """Return the newest undamaged state; none to start from the beginning."""
        for path in reversed(self._run.files(self._name)):
            if (state := self._run.read(path, self._of)) is not None:
                return state
        return None

    def write(self, step: int, state: State) -> None:
        """Save the state after ``step`` steps, keeping one earlier file."""
        self._run.write(f"{self._name}-step-{step:09d}", state, self._of)
        self.tidy()

    def tidy(self) -> None:
        """Remove all but the newest files, and the remains of an interrupted write."""
        self._run.remove_partial()
        self._forget(KEPT)

    def finish(self, state: State) -> None:
        """Save the final state, and remove all earlier files."""
        self._run.write(f"{self._name}-z-end", state, self._of)  # sorts after every step
        self._forget(1)

    def _forget(self, kept: int) -> None:
        for path in self._run.files(self._name)[:-kept]:
            path.unlink(missing_ok=True)


def with_prefix(prefix: str, tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Prefix the names of tensors or arrays, for a :class:`State` with several sets of them."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def of_prefix(prefix: str, tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Select the entries with a prefix and strip it: the inverse of :func:`with_prefix`."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _require_same(saved: Mapping[str, Any], own: Mapping[str, Any], path: Path) -> None:
    changed = [
        f"{name} was {_short(was)} and is {_short(now)}"
        for name, was, now in _pairs(saved, own)
        if was != now and not (isinstance(was, Mapping) and isinstance(now, Mapping))
    ]
    if changed:
        raise ConfigError(
            f"expected to go on with the run of {str(path)!r}, but {'; '.join(changed[:5])}; "
            f"use the same data and settings, or leave --resume out to start from the beginning"
        )


def _pairs(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield every name in either mapping with both values, including those of inner mappings."""
    for name in sorted(one.keys() | other.keys()):
        was, now = one.get(name), other.get(name)
        yield name, was, now
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _pairs(was, now)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
