"""Dropout with counter-based masks, which depend on seed, epoch and row but not on the batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from textcnn.tokenization.masking import FEATURE_MASKS, uniform_rows


@dataclass
class Step:
    """Training context whose dropout masks are seeded per row (counter-based), not by torch's global generator.

    Attributes:
        seed: seed of the run.
        epoch: from 0.
        rows: ``(B,)`` numbers of the batch's rows among the training rows.
        first: number of the first row of the whole batch, of which ``rows`` may be a part.
        total: sums a tensor over the parts of the batch, differentiably; none: ``rows`` is the whole batch.
        counts: whether ``rows`` are this part's own; without a row of its own it has borrowed one.
    """

    seed: int
    epoch: int
    rows: npt.NDArray[np.int64]
    first: int
    total: Callable[[Tensor], Tensor] | None = None
    counts: bool = True
    _masks: int = 0

    def uniform(self, *sizes: int, shared: bool = False) -> Tensor:
        """Return numbers in [0, 1), ``(B, *sizes)``, a function of seed, epoch, row, position and call count.

        Args:
            sizes: shape of a row.
            shared: all rows have the same, those of the first row of the whole batch: ``(1, *sizes)``.
        """
        rows = np.array([self.first]) if shared else self.rows
        self._masks += 1
        found = uniform_rows(self.seed, self.epoch + FEATURE_MASKS * self._masks, rows, math.prod(sizes))
        return torch.from_numpy(found.reshape(len(rows), *sizes))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make this the current step of all layers within the block."""
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)


_running: ContextVar[Step | None] = ContextVar("step", default=None)


def running_step() -> Step | None:
    """Return the current step; none outside of training runs, where masks come from torch's generator."""
    return _running.get()


class Dropout(nn.Dropout):
    """Dropout seeded per row within a :class:`textcnn.nn.dropout.Step`; elsewhere it is ``nn.Dropout``."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout to ``(B, ...)``; the first axis are the rows."""
        step = running_step()
        if step is None or not self.training or not self.p:
            return super().forward(x)
        keep = (step.uniform(*x.shape[1:]) >= self.p).to(x.device, x.dtype)
        return x * keep / (1 - self.p)
