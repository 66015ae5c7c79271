"""Time and memory limits of a run: estimates before training, and monitoring during it."""

from __future__ import annotations

import _thread
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from textcnn.config import TrainingConfig
from textcnn.config_types import parse_size
from textcnn.errors import ConfigError, TextCNNError
from textcnn.progress import Silent, StopTraining
from textcnn.training.checkpoints import Checkpoints, FitCheckpoints
from textcnn.training.distributed import ALONE, ProcessGroup

if TYPE_CHECKING:
    from torch import nn

    from textcnn.training.batches import Precision
    from textcnn.training.losses import BranchLoss

Item = TypeVar("Item")

_PROBES = 4  # batches timed; the first one only warms up


@dataclass(frozen=True)
class Estimate:
    """Expected wall time of an epoch in seconds, and bytes of weights, gradients and optimizer state."""

    seconds: float
    model_bytes: int

    def describe(self, epochs: int) -> str:
        """Describe the estimate for ``epochs`` epochs in a sentence."""
        return (
            f"expecting about {max(epochs * self.seconds, 1):.0f} s of training, and "
            f"{self.model_bytes / 2**20:,.0f} MiB for the weights and their state"
        )


def time_steps(
    step: Callable[[Item], Any], batches: Iterable[Item], steps_per_epoch: int, model_bytes: int
) -> Estimate:
    """Time ``step`` on the first batches, not counting the very first, which warms up.

    Args:
        step: the work of a training step, without moving a weight.
        batches: batches of an epoch.
        steps_per_epoch: number of batches.
        model_bytes: bytes of weights and optimizer state.
    """
    times = []
    for batch in islice(batches, _PROBES):
        began = time.perf_counter()
        step(batch)
        times.append(time.perf_counter() - began)
    timed = times[1:] or times
    return Estimate(steps_per_epoch * sum(timed) / max(len(timed), 1), model_bytes)


def estimate(
    model: nn.Module,
    batches: Callable[[int], Iterable[Any]],
    loss: BranchLoss,
    steps_per_epoch: int,
    precision: Precision,
) -> Estimate:
    """Time a few steps of a network without changing a weight or the random state."""
    import torch

    from textcnn.training.batches import loss_of

    model.train()
    # Weights, two averages each, and the best weights so far; gradients are small or of the same size.
    model_bytes = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    with torch.random.fork_rng():
        found = time_steps(
            lambda batch: loss_of(precision, loss, batch).backward(),  # type: ignore[no-untyped-call]
            batches(0),
            steps_per_epoch,
            model_bytes,
        )
    model.zero_grad()
    return found


_PAUSE = 0.02  # seconds between two looks at the memory
# Time reserved for evaluating, saving and exiting after the last step: seconds and a share of the limit; and, for
# slow machines, a share of the time before the first step, up to some seconds.
_SPARE = 3.0, 0.05
_SLOW, _MOST_SLOW = 0.5, 10.0
_FORWARD = 0.5  # time of evaluating a row relative to training on it

MEMINFO = Path("/proc/meminfo")  # proc_meminfo(5)


class OverMemoryError(TextCNNError):
    """The run used more memory than max_memory allows."""


class Watch:
    """Enforces ``time_limit`` and ``max_memory`` on a run, and hands out its checkpoints; a context manager.

    Args:
        config: the limits, if any.
        num_fits: networks that the run trains one after another, and which share the time.
        checkpoints: those of the run; none: it writes none.
        began: clock time from which the limit counts; none: now.
        clock: returns the time in seconds.
        resident: returns the resident memory of the process in bytes.
        group: the processes that share the run, each with a watch of its own.

    Attributes:
        measured: rows to be evaluated at the end, relative to the training rows; time is reserved for them.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        num_fits: int = 1,
        checkpoints: Checkpoints | None = None,
        began: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        resident: Callable[[], int] | None = None,
        group: ProcessGroup = ALONE,
    ) -> None:
        self._limit, self._clock = config.time_limit, clock
        self._most = None if config.max_memory is None else parse_size("max_memory", config.max_memory)
        self._fits_left, self._checkpoints = num_fits, checkpoints  # that are not begun
        self._began = clock() if began is None else began
        self._resident = resident or resident_bytes
        self._until = float("inf")
        self._before: float | None = None  # seconds spent when the first network was begun
        self._ended = threading.Event()
        self._over: int | None = None
        self._is_main = threading.current_thread() is threading.main_thread()
        self.measured, self.group = 0.0, group

    def __enter__(self) -> Watch:
        if self._most is not None:
            threading.Thread(target=self._look_at_memory, args=(self._most,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if kind is KeyboardInterrupt and self._over is not None:
            raise OverMemoryError(self.over_memory) from None

    @property
    def over_memory(self) -> str:
        """The error message if the run used too much memory; else empty."""
        if self._over is None or self._most is None:
            return ""
        return (
            f"the run may hold {_mib(self._most)} (max_memory) and held {_mib(self._over)}; raise max_memory, give "
            f"fewer rows, or lower embedding_dim, batch_tokens or wide_megabytes"
        )

    def checkpoints(self, run: Callable[[], Mapping[str, Any]]) -> FitCheckpoints | None:
        """Return the checkpoints of the next network; ``run`` describes it, and is called only if any are written."""
        self._fits_left -= 1
        return None if self._checkpoints is None else self._checkpoints.fit(run())

    def add_fits(self, count: int) -> None:
        """Share the time among ``count`` more networks, which calibrate the model."""
        self._fits_left += count

    def planned(self, epochs: int, expected: Estimate, dev_share: float, say: Callable[[str], None]) -> int:
        """Return how many epochs of the next network fit into the time left, at least one.

        Args:
            epochs: the number asked for.
            expected: the estimate for one epoch.
            dev_share: dev rows, evaluated after each epoch, relative to the training rows.
            say: receives a message if they are fewer.

        Raises:
            ConfigError: no time is left, or there is no room for the weights.
        """
        self._require_room(expected.model_bytes)
        if self._limit is None:
            return epochs
        spent = self._clock() - self._began
        self._before = spent if self._before is None else self._before
        spare = _SPARE[0] + _SPARE[1] * self._limit + min(_SLOW * self._before, _MOST_SLOW)
        left = self._limit - spent - spare
        if left <= 0:
            raise ConfigError(
                f"time_limit is {self._limit:g} s: {spent:.1f} s of it were gone before training began, and "
                f"{spare:.1f} s are kept for what comes after it; raise it, or give fewer rows"
            )
        share = left / (self._fits_left + 1) - _FORWARD * (self.measured + dev_share) * expected.seconds
        self._until = self._clock() + share
        planned = max(1, min(epochs, int(share / max((1 + _FORWARD * dev_share) * expected.seconds, 1e-9))))
        if planned < epochs:
            say(f"time_limit is {self._limit:g} s: {planned} of {epochs} epochs are planned")
        return planned

    def _require_room(self, needed: int) -> None:
        if self._most is None:
            return
        room = max(self._most - self._resident(), 0)
        if room < needed:
            raise ConfigError(
                f"max_memory is {_mib(self._most)}: {_mib(room)} of it are left, and the weights and their state take "
                f"{_mib(needed)}; raise max_memory, or lower embedding_dim, or give fewer rows"
            )

    def reporter(self) -> Silent:
        """Return callbacks that stop training at the first step beyond a limit."""
        return _Stopping(lambda: self._over is not None or self._clock() >= self._until)

    def _look_at_memory(self, most: int) -> None:
        while not self._ended.wait(_PAUSE):
            if (found := self._resident()) > most:
                self._over = found
                if self._is_main:  # any other thread is stopped at its next step
                    _thread.interrupt_main()
                return


class _Stopping(Silent):
    def __init__(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over

    def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
        if self._is_over():
            raise StopTraining


def require_memory(needed: int, what: str) -> None:
    """Check, before anything is allocated, that the machine has room for what a run needs.

    Args:
        needed: bytes.
        what: what they are for, and what to do if they are too many, as the end of a sentence.

    Raises:
        ConfigError: there is less.
    """
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:  # not on Linux
        return
    for free in (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")):
        if needed > free:
            raise ConfigError(f"training needs about {_mib(needed)}, and this machine has {_mib(free)} left: {what}")


def resident_bytes() -> int:
    """Return the resident memory by proc_pid_statm(5); on systems without it, its peak."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource
        import sys

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
