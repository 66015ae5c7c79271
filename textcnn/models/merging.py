"""Several trained networks of one kind as one: side by side in wider layers, their logits averaged exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.models import registry
from textcnn.models.base import TextClassifier
from textcnn.models.kim import KimEncoder

Weights = Sequence[dict[str, Tensor]]


def merged_config(config: ModelConfig, num_members: int) -> ModelConfig:
    """The config of a network that holds ``num_members`` of this one: as many times the numbers and filters.

    Raises:
        ConfigError: networks of this kind cannot stand side by side.
    """
    if config.architecture != "kim" or config.embedding_channels == "multichannel":
        raise ConfigError(
            f"ensemble is for the architecture 'kim' with one channel, got {config.architecture!r} with "
            f"embedding_channels {config.embedding_channels!r}"
        )
    num_filters = {**registry.settings_of("text", "kim"), **config.settings}["num_filters"]
    settings = {**config.settings, "num_filters": num_members * num_filters}
    return replace(config, embedding_dim=num_members * config.dim, settings=settings)


@torch.no_grad()
def merge_members(members: Sequence[TextClassifier], merged: TextClassifier) -> None:
    """Set the weights of ``merged`` so that its logits are the mean of the members' logits, up to rounding.

    A word's vector is the members' vectors side by side; a filter sees its own member's part, through zeros elsewhere.

    Args:
        members: ``kim`` models of one shape in evaluation mode, over the same types, n-grams and wide features.
        merged: a model of the config that :func:`merged_config` gives.
    """
    weights = [member.state_dict() for member in members]
    state: dict[str, Any] = {}
    for name in weights[0]:
        each = [w[name] for w in weights]
        if name.startswith("embedding."):
            state[name] = torch.cat(each, 1)  # (V, M D)
        elif name.startswith("encoder."):  # biases (F,), those of nested widths (G, F), or weights (F, D, h)
            state[name] = torch.cat(each, -1) if name.endswith("bias") else _side_by_side(each)
        elif name == "head.weight":
            encoder = members[0].encoder
            assert isinstance(encoder, KimEncoder)
            state[name] = _wide_head(each, encoder.num_maxima, len(encoder.sizes))
        elif name in ("wide.keys", "wide.idf"):
            state[name] = each[0]
        else:
            state[name] = torch.stack(each).mean(0)
    merged.load_state_dict(state)


def _side_by_side(filters: Sequence[Tensor]) -> Tensor:
    """``(F, D, h)`` of each of M members to ``(M F, M D, h)``, zero where a filter and a vector are of two members."""
    count, dim, size = filters[0].shape
    joined = filters[0].new_zeros(len(filters), count, len(filters), dim, size)
    for number, own in enumerate(filters):
        joined[number, :, number] = own
    return joined.reshape(len(filters) * count, len(filters) * dim, size)


def _wide_head(heads: Sequence[Tensor], num_maxima: int, num_sizes: int) -> Tensor:
    """The members' weights in the order of the merged features (width, member, filter; member, number), over M."""
    maxima = torch.stack([head[:, :num_maxima].reshape(len(head), num_sizes, -1) for head in heads], 2)  # (C, h, M, F)
    means = torch.stack([head[:, num_maxima:] for head in heads], 1)  # (C, M, D)
    return torch.cat([maxima.flatten(1), means.flatten(1)], 1) / len(heads)
