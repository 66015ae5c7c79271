"""How long a run will take and how much memory it needs, said before it starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

    from textcnn.training.losses import BranchLoss
    from textcnn.training.precision import Precision

Item = TypeVar("Item")

_PROBES = 4  # batches timed; the first one only warms up


@dataclass(frozen=True)
class Estimate:
    """Expected wall time of an epoch in seconds, and bytes of weights, gradients and optimizer state."""

    seconds: float
    model_bytes: int

    def describe(self, epochs: int) -> str:
        """A sentence for the user about that many epochs."""
        return (
            f"expecting about {max(epochs * self.seconds, 1):.0f} s of training, and "
            f"{self.model_bytes / 2**20:,.0f} MiB for the weights and their state"
        )


def time_steps(
    step: Callable[[Item], Any], batches: Iterable[Item], steps_per_epoch: int, model_bytes: int
) -> Estimate:
    """Time ``step`` on the first batches, the very first of which only warms up.

    Args:
        step: the work of a training step, without moving a weight.
        batches: of an epoch.
        steps_per_epoch: how many they are.
        model_bytes: of weights and their state.
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
    """Time a few steps of a network without moving a weight or a random state."""
    import torch

    from textcnn.training.shares import loss_of

    model.train()
    # Weights, two averages each, and the best weights so far; gradients are small or of the same size.
    held = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    with torch.random.fork_rng():
        found = time_steps(
            lambda batch: loss_of(precision, loss, batch).backward(),  # type: ignore[no-untyped-call]
            batches(0),
            steps_per_epoch,
            held,
        )
    model.zero_grad()
    return found
