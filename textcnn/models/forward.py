"""Logits of many rows: a pass without training, in batches of bounded size."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Encoded = TypeVar("Encoded")
EncodedIn = TypeVar("EncodedIn", contravariant=True)
Rows = npt.NDArray[np.int64]


class Inputs(Protocol[EncodedIn]):
    """How raw rows become batches: texts and images each have their own."""

    def sizes(self, encoded: EncodedIn) -> Rows:
        """Tokens (or pixels) of each row as the model sees it, ``(N,)``."""

    def batch(self, encoded: EncodedIn, rows: Rows) -> Any:
        """The rows of that number as a batch with a method ``to(device)``."""


def logits_of(model: nn.Module, inputs: Inputs[Encoded], encoded: Encoded) -> npt.NDArray[np.float32]:
    """Logits ``(N, C)`` of all rows, in their order; the model is left in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    sizes = inputs.sizes(encoded)
    parts = []
    batches = evaluation_batches(sizes)
    with torch.no_grad():
        for rows in batches:
            parts.append(model(inputs.batch(encoded, rows).to(device)).cpu().numpy())
    if not parts:
        return np.zeros((0, 0), np.float32)
    logits = np.empty((len(sizes), parts[0].shape[1]), np.float32)
    logits[np.concatenate(batches)] = np.concatenate(parts)
    return logits


def evaluation_batches(sizes: Rows, *, budget: int = 32_768, most: int = 1_024) -> list[Rows]:
    """Rows of batches for a pass without training: by length, each padded to at most ``budget`` tokens, or one text."""
    order = np.argsort(sizes, kind="stable")
    batches = []
    start = 0
    for end in range(1, len(order) + 1):
        longest = int(sizes[order[end]]) if end < len(order) else 0
        if end == len(order) or end - start == most or (end - start + 1) * longest > budget:
            batches.append(order[start:end])
            start = end
    return batches
