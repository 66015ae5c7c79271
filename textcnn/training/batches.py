"""Training batches of one process, and the loss of each in full or half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from textcnn.config import TrainingConfig
from textcnn.errors import ConfigError
from textcnn.models.base import Branches
from textcnn.nn.dropout import Step
from textcnn.training.distributed import ProcessGroup
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import Optimizers
from textcnn.training.sampler import Rows, shuffled_batches

DTYPES: Mapping[str | None, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Mixed-precision training step; weights, optimizer state, loss and evaluation are always float32.

    fp16 has few exponents: the loss is multiplied before the backward pass so that small gradients do not vanish, and a
    step whose gradients overflow is left out (arXiv 1710.03740).

    Args:
        amp: ``bf16``, ``fp16``, or none: float32 throughout.
        model: the network, where it is trained.

    Raises:
        ConfigError: half precision for an LSTM on the CPU, which only some processors have.
    """

    def __init__(self, amp: str | None, model: nn.Module) -> None:
        self._model, self._dtype = model, DTYPES.get(amp)
        self._device_type = next(model.parameters()).device.type
        if amp and self._device_type == "cpu" and any(isinstance(module, nn.LSTM) for module in model.modules()):
            raise ConfigError(f"amp is {amp!r}, and an LSTM on the CPU has no half precision; leave it out")
        self._scaler = torch.amp.GradScaler(self._device_type, enabled=amp == "fp16")

    def branches(self, batch: Any) -> Branches:
        """Return the float32 logits ``(B, C)`` of each branch."""
        if self._dtype is None:
            found: Branches = self._model.branches(batch)  # type: ignore[operator]
            return found
        with torch.autocast(self._device_type, self._dtype):
            main, wide, _ = self._model.branches(batch)  # type: ignore[operator]
        return Branches(main.float(), None if wide is None else wide.float())

    def backward(self, loss: Tensor, optimizers: Optimizers, exchange: Callable[[], None] = lambda: None) -> None:
        """Compute the gradients of the loss for the weights of the optimizers.

        Args:
            loss: a scalar.
            optimizers: own the weights.
            exchange: done before the scale is taken out again and gradients are looked at.
        """
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        exchange()
        for optimizer in optimizers:
            self._scaler.unscale_(optimizer)

    def step(self, optimizers: Optimizers) -> None:
        """Apply the optimizers, unless gradients overflowed."""
        optimizers.step(self._scaler.step)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """Return the loss scale, for a resumed run."""
        found: dict[str, Any] = self._scaler.state_dict()
        return found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` returned."""
        self._scaler.load_state_dict(dict(state))


@dataclass(frozen=True)
class Share:
    """This process's part of a batch; its loss is that part's term of the batch's loss.

    Attributes:
        part: a batch of this process's rows.
        step: identifies the rows to dropout layers.
        divisor: divisor of the whole batch's loss.
        num_rows: rows of the whole batch.
        num_tokens: tokens of the whole batch.
    """

    part: Any
    step: Step
    divisor: float | Tensor
    num_rows: int
    num_tokens: int

    @property
    def labels(self) -> Tensor | None:
        """Targets of this process's rows."""
        found: Tensor | None = self.part.labels
        return found

    @property
    def weights(self) -> Tensor | None:
        """Weights of this process's rows."""
        found: Tensor | None = self.part.weights
        return found


def loss_of(precision: Precision, loss: BranchLoss, batch: Any) -> Tensor:
    """Return the scalar loss of a batch, or a share's term of it."""
    if not isinstance(batch, Share):
        return loss(precision.branches(batch), batch.labels, batch.weights)  # type: ignore[no-any-return]
    with batch.step.running():
        branches = precision.branches(batch.part)
    found: Tensor = loss(branches, batch.labels, batch.weights, batch.divisor)
    return found if batch.step.counts else found * 0.0  # the row is another's


@dataclass(frozen=True)
class Epochs:
    """Iterates over the batches of an epoch, or over this process's shares of them.

    Attributes:
        inputs: makes batches of encoded rows.
        encoded: N training rows.
        targets: targets of all rows.
        config: decides the order, and with its seed the masks of dropout.
        loss: the loss, which determines the divisor of a batch.
        augment: further arguments of ``inputs.batch``, such as word dropout.
        group: the processes that share the batches.
        device: device of the batches.
    """

    inputs: Any
    encoded: Any
    targets: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    config: TrainingConfig
    loss: BranchLoss
    augment: Mapping[str, Any]
    group: ProcessGroup
    device: torch.device

    def order(self, epoch: int) -> list[Rows]:
        """Return the rows of every batch, the same for all processes."""
        c = self.config
        sizes = self.inputs.sizes(self.encoded)
        return shuffled_batches(sizes, c.batch_size, seed=c.seed, epoch=epoch, batch_tokens=c.batch_tokens)

    def __call__(self, epoch: int) -> Iterator[Any]:
        """Yield the batches of an epoch."""
        sizes = self.inputs.sizes(self.encoded)
        for rows in self.order(epoch):
            yield self._share(rows, epoch, int(sizes[rows].sum()))

    def _batch(self, rows: Rows, epoch: int) -> Any:
        extra = {**self.augment, "epoch": epoch} if self.augment else {}
        return self.inputs.batch(self.encoded, rows, labels=self.targets, **extra).to(self.device)

    def _share(self, rows: Rows, epoch: int, num_tokens: int) -> Share:
        """Return this process's share of a batch; without a row of its own it takes the first one with weight 0."""
        own = rows[self.group.part(len(rows))]
        total = self.group.sum if self.group.size > 1 else None
        taken = own if len(own) else rows[:1]
        step = Step(self.config.seed, epoch, taken, int(rows[0]), total, counts=len(own) > 0)
        divisor = self.loss.divisor(torch.from_numpy(self.targets[rows]).to(self.device))
        return Share(self._batch(taken, epoch), step, divisor, len(rows), num_tokens)
