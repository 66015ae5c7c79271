"""Process group that trains one network: this process alone, or those started by torchrun. Loads without torch."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError, TextCNNError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from textcnn.progress import Reporter

Value = TypeVar("Value")

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # as torchrun sets them


class RankLostError(TextCNNError):
    """A process of the group has exited before the others."""


class RanksDifferError(TextCNNError):
    """Processes of the group have different values that should be equal."""


class ProcessGroup:
    """A group of one process; :class:`textcnn.training.torch_distributed.TorchGroup` is one of several.

    Arguments and return values are the same for both, so the training loop does not distinguish them.

    Attributes:
        size: number of processes.
        rank: number of this process, from 0.
    """

    size = 1
    rank = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the model and reports to the user."""
        return self.rank == 0

    def part(self, num_rows: int) -> slice:
        """Return the range of ``num_rows`` rows for this process; it may be empty."""
        return slice(num_rows * self.rank // self.size, num_rows * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes; its gradient is the sum of their gradients."""
        return tensor

    def sum_gradients(self, dense: Sequence[nn.Parameter], tables: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by the sum over all processes.

        Args:
            dense: weights with dense gradients; a missing gradient counts as 0.
            tables: weights ``(V, D)`` with sparse gradients. They stay uncoalesced: the entries of all processes one
                after the other by rank, which is the order of the whole batch.
        """

    def same(self, value: Value) -> Value:
        """Return the value of the first process."""
        return value

    def each(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank."""
        return [value]

    def agree(self, loss: float) -> float:
        """Return the loss of the whole batch, the sum of all processes' terms.

        Raises:
            StopTraining: one of the processes is to stop.
            KeyboardInterrupt: one of the processes was interrupted.
        """
        return loss

    def listening(self, reporter: Reporter) -> Reporter:
        """Return callbacks that stop all processes when ``reporter`` stops this one."""
        return reporter

    def training(self) -> AbstractContextManager[None]:
        """Within the block, an interrupt of one process interrupts all, at their next :meth:`agree`."""
        return nullcontext()

    def wait(self) -> None:
        """Wait until all processes have called this."""
        self.each(None)

    def require_same(self, what: str, digest: Callable[[], object]) -> None:
        """Check that all processes computed the same digest; a single process does not compute it.

        Raises:
            RanksDifferError: they are not the same.
        """
        if self.size == 1:
            return
        found = self.each(digest())
        if other := [rank for rank, value in enumerate(found) if value != found[0]]:
            raise RanksDifferError(
                f"expected the same {what} on all {self.size} ranks, but rank {other[0]} has {found[other[0]]!r} and "
                f"rank 0 {found[0]!r}; give all of them the same data, settings, library versions and kind of machine"
            )


ALONE = ProcessGroup()


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the group of the processes that torchrun started, or without torchrun that of this process alone.

    Raises:
        ConfigError: WORLD_SIZE is set and a variable that belongs to it is not, or torchrun may restart ranks of
            several machines.
        RankLostError: another process ended before the block did.
    """
    if num_processes() == 1:
        yield ALONE
        return
    if missing := [name for name in _VARIABLES if name not in os.environ]:
        raise ConfigError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']!r}, and {', '.join(missing)} must be set too; start the run with "
            f"torchrun, or unset WORLD_SIZE"
        )
    # Each torchrun counts its restarts by itself, and TorchGroup needs a count that all ranks share.
    if _variable("GROUP_WORLD_SIZE", 1) > 1 and (restarts := _variable("TORCHELASTIC_MAX_RESTARTS", 0)):
        raise ConfigError(
            f"expected --max-restarts 0 where torchrun runs on several machines, found {restarts}; leave it out, and "
            f"start the run again with --resume on every machine when a rank was lost"
        )
    from textcnn.training.torch_distributed import joined

    with joined() as group:
        yield group


def num_processes() -> int:
    """Return the number of processes that torchrun started; 1 without it."""
    return _variable("WORLD_SIZE", 1)


def restart_count() -> int:
    """Return how often torchrun has restarted these processes because one was lost."""
    return _variable("TORCHELASTIC_RESTART_COUNT", 0)


def require_alone(command: str) -> None:
    """Raise an error if a command that runs in a single process was started by torchrun.

    Raises:
        ConfigError: torchrun has started several processes.
    """
    if num_processes() > 1:
        raise ConfigError(
            f"expected one process for {command}, found WORLD_SIZE={num_processes()}; start it without torchrun"
        )


def weights_digest(weights: Mapping[str, npt.NDArray[Any]]) -> int:
    """Return a checksum (CRC-32) of all weights and buffers."""
    found = 0
    for value in weights.values():
        found = zlib.crc32(np.ascontiguousarray(value).tobytes(), found)
    return found


def _variable(name: str, default: int) -> int:
    return int(os.environ.get(name, default))
