"""Logits of many rows: a pass without training, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Encoded = TypeVar("Encoded")
EncodedIn = TypeVar("EncodedIn", contravariant=True)
Rows = npt.NDArray[np.int64]


class Inputs(Protocol[EncodedIn]):
    """How raw rows become batches: texts and images each have their own."""

    def sizes(self, encoded: EncodedIn) -> Rows:
        """Tokens (or pixels) of each row as the model sees it, ``(N,)``."""

    def batch(self, encoded: EncodedIn, rows: Rows) -> Any:
        """The rows of that number as a batch with a method ``to(device)``."""


def logits_of(
    model: nn.Module, inputs: Inputs[Encoded], encoded: Encoded, rows: slice = slice(None)
) -> npt.NDArray[np.float32]:
    """Logits ``(N, C)`` of all rows, or of a range of them, in their order; the model is left in evaluation mode."""
    found = _passes(model, inputs, encoded, lambda batch: {"sum": model(batch)}, rows)
    return found.get("sum", np.zeros((0, 0), np.float32))


def branch_logits_of(model: nn.Module, inputs: Inputs[Encoded], encoded: Encoded) -> dict[str, npt.NDArray[np.float32]]:
    """Logits ``(N, C)`` of each branch of a model by its name, ``main`` first; branches it lacks are left out."""

    def branches(batch: Any) -> dict[str, Tensor]:
        found = model.branches(batch)._asdict()  # type: ignore[operator]
        return {name: logits for name, logits in found.items() if logits is not None}

    return _passes(model, inputs, encoded, branches)


@torch.no_grad()
def _passes(
    model: nn.Module,
    inputs: Inputs[Encoded],
    encoded: Encoded,
    forward: Callable[[Any], dict[str, Tensor]],
    rows: slice = slice(None),
) -> dict[str, npt.NDArray[np.float32]]:
    model.eval()
    device = next(model.parameters()).device
    sizes = inputs.sizes(encoded)
    first = rows.indices(len(sizes))[0]
    batches = evaluation_batches(sizes[rows])
    parts = [forward(inputs.batch(encoded, first + batch).to(device)) for batch in batches]
    logits = {}
    for name in parts[0] if parts else ():
        together = torch.cat([part[name] for part in parts]).cpu().numpy()
        logits[name] = np.empty_like(together)
        logits[name][np.concatenate(batches)] = together
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
