"""Pooling over the time steps of texts of different lengths: always masked by length."""

from __future__ import annotations

import torch
from torch import Tensor

from textcnn import kernels
from textcnn.errors import ConfigError

POOLINGS = ("max", "mean", "last")


def pool_time(x: Tensor, lengths: Tensor, pooling: str) -> Tensor:
    """Pool ``x (B, T, F)`` over its first ``lengths (B,)`` steps to ``(B, F)``; a text without steps gives zeros.

    Args:
        x: features of every step; steps at and behind a text's length are ignored, whatever they hold.
        lengths: steps of each text.
        pooling: ``max``, ``mean`` or ``last`` (the last step of the text, not of the batch).

    Raises:
        ConfigError: ``pooling`` is none of these.
    """
    if pooling not in POOLINGS:
        raise ConfigError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
    if x.shape[1] == 0:
        return x.sum(1)
    steps = torch.arange(x.shape[1], device=x.device)
    outside = (steps >= lengths[:, None])[..., None]  # (B, T, 1)
    empty = (lengths == 0)[:, None]
    if pooling == "max":
        pooled = x.masked_fill(outside, -torch.inf).amax(1)
    elif pooling == "mean":
        pooled = x.masked_fill(outside, 0.0).sum(1) / lengths.clamp(min=1)[:, None]
    else:
        last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, x.shape[2])
        pooled = x.gather(1, last).squeeze(1)
    return pooled.masked_fill(empty, 0.0)


def mean_of_types(embedded: Tensor, inverse: Tensor, offsets: Tensor) -> Tensor:
    """Mean vector of each text's tokens, ``(B, D)``, from the vectors of the unique types ``(U, D)``."""
    lengths = torch.diff(offsets)
    weights = torch.repeat_interleave(1 / lengths.clamp(min=1).to(embedded.dtype), lengths, output_size=len(inverse))
    return kernels.bag_sum(embedded, inverse, offsets, weights)
