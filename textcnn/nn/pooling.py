"""Pooling over time with masked padding, and output lengths of convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.nn import kernels
from textcnn.tokenization.batch import Batch, is_exporting


def padded_vectors(embedded: Tensor, batch: Batch) -> Tensor:
    """Return the vectors of every token, ``(B, T, D)``, zero-padded; T is at least 1, so that every layer can run."""
    vectors = torch.cat([embedded, embedded.new_zeros(1, embedded.shape[1])])
    index = batch.padded()
    if index.shape[1] == 0:  # only empty texts
        index = index.new_full((batch.num_rows, 1), len(embedded))
    return F.embedding(index, vectors)


def zero_empty(features: Tensor, lengths: Tensor) -> Tensor:
    """Zero the ``features (B, F)`` of texts without a token, whose logits are then the bias of the head."""
    return features.masked_fill((lengths == 0)[:, None], 0.0)


POOLINGS = ("max", "mean", "last")


def is_outside(x: Tensor, lengths: Tensor) -> Tensor:
    """Return a mask ``(B, T)`` of the steps of ``x (B, T, ...)`` that are padding."""
    return torch.arange(x.shape[1], device=x.device) >= lengths[:, None]


def pool_time(x: Tensor, lengths: Tensor, pooling: str) -> Tensor:
    """Pool ``x (B, T, F)`` over its first ``lengths (B,)`` steps to ``(B, F)``; a text without steps gives zeros.

    Args:
        x: features of every step; padding is ignored, whatever it contains.
        lengths: steps of each text.
        pooling: ``max``, ``mean`` or ``last`` (the last step of the text, not of the batch).

    Raises:
        ConfigError: ``pooling`` is none of these.
    """
    if pooling not in POOLINGS:
        raise ConfigError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
    if x.shape[1] == 0:
        return x.sum(1)
    outside = is_outside(x, lengths)[..., None]  # (B, T, 1)
    empty = (lengths == 0)[:, None]
    if pooling == "max":
        pooled = x.masked_fill(outside, -torch.inf).amax(1)
    elif pooling == "mean":
        pooled = x.masked_fill(outside, 0.0).sum(1) / lengths.clamp(min=1)[:, None]
    else:
        last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, x.shape[2])
        pooled = x.gather(1, last).squeeze(1)
    return pooled.masked_fill(empty, 0.0)


def k_max(x: Tensor, lengths: Tensor, k: int) -> Tensor:
    """Return the ``k`` largest values of each feature in temporal order (Kalchbrenner et al. 2014, arXiv 1404.2188).

    ``x (B, T, F)`` becomes ``(B, k * F)``; of equal values the earlier ones are taken, and a text of fewer steps has
    zeros in the last places.
    """
    scores = x.masked_fill(is_outside(x, lengths)[..., None], -torch.inf)
    scores = F.pad(scores, (0, 0, 0, k), value=-torch.inf)  # k steps at least, whatever T is
    if is_exporting():  # ONNX's TopK takes the earlier of equal values; torch's does not say
        order = scores.topk(k, 1).indices
    else:
        order = scores.sort(stable=True, dim=1, descending=True).indices[:, :k]
    largest = order.sort(1).values  # (B, k, F)
    chosen = scores.gather(1, largest)
    return chosen.masked_fill(chosen == -torch.inf, 0.0).flatten(1)


class AttentionPooling(nn.Module):
    """Attention-weighted mean of the steps of a text (Yang et al. 2016, NAACL, section 2.2).

    ``(B, T, F) -> (B, F)`` with weights ``softmax(v . tanh(W x + b))`` over the text's steps; ``F * (F + 2)``
    parameters.

    Args:
        num_features: F.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(num_features, num_features)
        self.score = nn.Linear(num_features, 1, bias=False)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Pool the first ``lengths (B,)`` steps; a text without steps gives zeros."""
        outside = is_outside(x, lengths)[..., None]  # (B, T, 1)
        scores = self.score(self.hidden(x).tanh()).masked_fill(outside, torch.finfo(x.dtype).min)
        weights = scores.softmax(1).masked_fill(outside, 0.0)
        pooled: Tensor = (weights * x.masked_fill(outside, 0.0)).sum(1)
        return pooled


def mean_of_types(embedded: Tensor, batch: Batch) -> Tensor:
    """Return the mean vector of each text's tokens, ``(B, D)``, from the vectors of the unique types ``(U, D)``."""
    lengths = batch.lengths
    if is_exporting():
        return pool_time(padded_vectors(embedded, batch), lengths, "mean")
    shares = 1 / lengths.clamp(min=1).to(embedded.dtype)
    weights = torch.repeat_interleave(shares, lengths, output_size=batch.num_tokens)
    return kernels.bag_sum(embedded, batch.inverse, batch.offsets, weights)


Size = TypeVar("Size", int, Tensor)


def output_size(size: Size, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> Size:
    """Return the number of windows, ``floor((W - F + 2P) / S) + 1`` with ``F = dilation * (kernel_size - 1) + 1``.

    ``size`` may be a number or an integer tensor of lengths; a size too small for one window gives 0.
    """
    span = dilation * (kernel_size - 1) + 1
    # With the 1 inside the division, a negative dividend always gives 0, however an exported graph rounds.
    windows = (size + 2 * padding - span + stride) // stride
    return windows.clamp(min=0) if isinstance(windows, Tensor) else max(windows, 0)


@dataclass(frozen=True)
class ReceptiveField:
    """Receptive field of one unit: ``size`` input positions, ``stride`` input positions apart from the next unit."""

    size: int = 1
    stride: int = 1

    def through(self, kernel_size: int, *, stride: int = 1, dilation: int = 1) -> ReceptiveField:
        """Return the field after one more window of that kernel size, stride and dilation."""
        return ReceptiveField(self.size + dilation * (kernel_size - 1) * self.stride, self.stride * stride)
