"""The processes that train one model together, as training sees them; and the one that trains alone."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from textcnn.errors import TextCNNError
from textcnn.training.progress import Reporter

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")


class RanksDifferError(TextCNNError):
    """Processes that should hold the same have come to hold different things."""


class Ranks:
    """One process, alone: every sum is its own. :class:`textcnn.training.group.Group` is several.

    What a method takes and gives is the same for both, so that the training loop knows no difference.

    Attributes:
        size: processes.
        rank: the number of this one.
    """

    size = 1
    rank = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def part(self, num_rows: int) -> slice:
        """Which of so many rows are this process's: a range, empty where there are more processes than rows."""
        return slice(num_rows * self.rank // self.size, num_rows * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor, name: str = "") -> Tensor:
        """The sum over all processes, in place; its bytes are counted under that name."""
        return tensor

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes; its gradient is the sum of theirs."""
        return tensor

    def gather(self, tensor: Tensor, name: str = "") -> list[Tensor]:
        """The tensors ``(N,)`` of all processes, of whatever length each, by rank."""
        return [tensor]

    def broadcast(self, data: bytes | None) -> bytes | None:
        """What the first process has."""
        return data

    def agree(self, loss: float) -> float:
        """The loss of the whole batch, from the share of it that each process has.

        Raises:
            StopTraining: one of them is to stop.
            KeyboardInterrupt: one of them was interrupted.
        """
        return loss

    def listening(self, reporter: Reporter) -> Reporter:
        """A reporter that stops all processes where ``reporter`` stops this one."""
        return reporter

    @contextmanager
    def training(self) -> Iterator[None]:
        """In this block an interrupt of one process is one of all."""
        yield

    def wait(self) -> None:
        """Until all are here."""

    def exchange(self) -> dict[str, float]:
        """Seconds and bytes that were spent on each other so far, by name."""
        return {}

    def same(self, value: Value) -> Value:
        """What the first process has, of what JSON can hold."""
        if self.size == 1:
            return value
        found: Value = json.loads(self.broadcast(json.dumps(value).encode()) or b"null")
        return found

    def each(self, text: str) -> list[str]:
        """The texts of all processes, by rank."""
        if self.size == 1:
            return [text]
        data = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        return [found.numpy().astype(np.uint8).tobytes().decode() for found in self.gather(_tensor(data))]

    def rows(self, own: npt.NDArray[np.float32], num_columns: int) -> npt.NDArray[np.float32]:
        """The rows ``(n, C)`` of all processes, in the order of ranks, ``(N, C)``."""
        if self.size == 1:
            return own
        parts = [part.numpy() for part in self.gather(_tensor(own.reshape(-1)))]
        return np.concatenate(parts).reshape(-1, num_columns)

    def require_same(self, what: str, digest: Callable[[], Any]) -> None:
        """Compare a number of each process.

        Raises:
            RanksDifferError: they are not the same.
        """
        if self.size == 1:
            return
        found = self.each(str(digest()))
        if other := [rank for rank, value in enumerate(found) if value != found[0]]:
            raise RanksDifferError(
                f"expected the same {what} on all {self.size} ranks, but rank {other[0]} has {found[other[0]]!r} and "
                f"rank 0 {found[0]!r}; give all of them the same data, settings, library versions and kind of machine"
            )


ALONE = Ranks()


def weights_digest(weights: Mapping[str, npt.NDArray[Any]]) -> int:
    """A checksum of all weights and buffers."""
    found = 0
    for value in weights.values():
        found = zlib.crc32(value.tobytes(), found)
    return found


def refuse(ranks: Ranks, options: Mapping[str, Any]) -> list[str]:
    """What is to be said of the options that only one process can have, of those that are given."""
    return [
        f"{name} is {value!r}, but the run has {ranks.size} ranks, which train one network; leave it out, or train "
        f"without torchrun"
        for name, value in options.items()
        if ranks.size > 1 and value
    ]


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))
