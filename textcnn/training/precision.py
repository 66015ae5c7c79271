"""Half precision in training: forward passes under autocast, and for fp16 a scaled loss (Micikevicius et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.models.base import Branches
from textcnn.training.optimizers import Optimizers

DTYPES: Mapping[str | None, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """How a training step computes; weights, optimizer state, loss and evaluation are float32 in any case.

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
        """Logits ``(B, C)`` of each branch, float32."""
        if self._dtype is None:
            found: Branches = self._model.branches(batch)  # type: ignore[operator]
            return found
        with torch.autocast(self._device_type, self._dtype):
            main, wide = self._model.branches(batch)  # type: ignore[operator]
        return Branches(main.float(), None if wide is None else wide.float())

    def backward(self, loss: Tensor, optimizers: Optimizers, exchange: Callable[[], None] = lambda: None) -> None:
        """Gradients of the loss in the weights that the optimizers own.

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
        """Move the weights, unless gradients overflowed."""
        optimizers.step(self._scaler.step)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """The scale of the loss, for a resumed run."""
        found: dict[str, Any] = self._scaler.state_dict()
        return found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue where :meth:`state` was taken."""
        self._scaler.load_state_dict(dict(state))
