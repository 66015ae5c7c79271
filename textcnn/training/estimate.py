"""How long a run will take and how much memory it needs, said before it starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from textcnn.training.losses import BranchLoss
    from textcnn.training.precision import Precision

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
    times = []
    with torch.random.fork_rng():
        for batch in islice(batches(0), _PROBES):
            began = time.perf_counter()
            loss_of(precision, loss, batch).backward()  # type: ignore[no-untyped-call]
            times.append(time.perf_counter() - began)
    model.zero_grad()
    timed = times[1:] or times
    # Weights, two averages each, and the best weights so far; gradients are small beside them or of the same size.
    held = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    return Estimate(steps_per_epoch * sum(timed) / max(len(timed), 1), held)
