"""The plain torch definition of every fused operation; a fast twin has the same signature and is tested against it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from textcnn.kernels.padding import padded_index


def conv_max(
    embedded: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    inverse: Tensor,
    offsets: Tensor,
    keep: Tensor | None = None,
) -> Tensor:
    """Largest score of every filter over the windows of every text (Kim 2014, arXiv 1408.5882).

    Windows reach over both ends of a text, each by the text's own length; a place outside the text adds nothing.

    Args:
        embedded: ``(U, D)`` vectors of the batch's unique types.
        weights: for each kernel size h, ``(F, D, h)``, as ``nn.Conv1d`` holds them.
        biases: for each kernel size, ``(F,)``.
        inverse: ``(N,)``; token n has the vector ``embedded[inverse[n]]``.
        offsets: ``(B + 1,)``; text b holds the tokens ``offsets[b]`` to ``offsets[b + 1]``.
        keep: ``(B, sum of F)`` of 0 and 1: where 0 the score is 0 and has no gradient, so that a twin need not find it.

    Returns:
        ``(B, sum of F)`` scores before any activation, in the order of ``weights``; a text without tokens has zeros.
    """
    lengths = torch.diff(offsets)
    index = padded_index(inverse, offsets, len(embedded))  # (B, T)
    blank = embedded.new_zeros(1, embedded.shape[1])
    tokens = F.embedding(index, torch.cat([embedded, blank])).transpose(1, 2)  # (B, D, T)
    pooled = []
    for weight, bias in zip(weights, biases, strict=True):
        overhang = weight.shape[2] - 1
        if tokens.shape[2] == 0:
            pooled.append(tokens.new_zeros(len(lengths), len(weight)) + 0 * bias)
            continue
        scores = F.conv1d(tokens, weight, bias, padding=overhang)  # (B, F, T + h - 1)
        windows = torch.arange(scores.shape[2], device=scores.device)
        outside = windows >= (lengths + overhang)[:, None]
        pooled.append(scores.masked_fill(outside[:, None], -torch.inf).max(dim=2).values)  # (B, F)
    features = torch.cat(pooled, 1).masked_fill((lengths == 0)[:, None], 0.0)
    return features if keep is None else features * keep
