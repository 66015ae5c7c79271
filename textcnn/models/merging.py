"""Several trained networks of one kind as one: side by side in wider layers, their logits averaged exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.models.kim_settings import KimSettings
from textcnn.models.weights import WIDE_IDF, WIDE_KEYS, Weights

Array = npt.NDArray[Any]


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
    settings = {**config.settings, "num_filters": num_members * KimSettings.of(config).num_filters}
    return replace(config, embedding_dim=num_members * config.dim, settings=settings)


def merged_weights(members: Sequence[Weights], config: ModelConfig) -> Weights:
    """Weights whose logits are the mean of the members' logits, up to rounding.

    A word's vector is the members' vectors side by side; a filter sees its own member's part, through zeros elsewhere.

    Args:
        members: weights of ``kim`` models of one config, over the same types, n-grams and wide features.
        config: of each; the merged model is of the config that :func:`merged_config` gives.
    """
    settings, found = KimSettings.of(config), {}
    for name in members[0]:
        each = [weights[name] for weights in members]
        if name.startswith("embedding."):
            found[name] = np.concatenate(each, 1)  # (V, M D)
        elif name.startswith("encoder."):
            found[name] = np.concatenate(each, -1) if name.endswith("bias") else _side_by_side(each)
        elif name == "head.weight":
            found[name] = _wide_head(each, settings.num_maxima, len(settings.widths))
        elif name in (WIDE_KEYS, WIDE_IDF):
            found[name] = each[0]
        else:
            found[name] = np.mean(each, 0)
    return found


def _side_by_side(filters: Sequence[Array]) -> Array:
    """``(F, D, h)`` of each of M members to ``(M F, M D, h)``, zero where a filter and a vector are of two members."""
    count, dim, size = filters[0].shape
    joined = np.zeros((len(filters), count, len(filters), dim, size), filters[0].dtype)
    for number, own in enumerate(filters):
        joined[number, :, number] = own
    return joined.reshape(len(filters) * count, len(filters) * dim, size)


def _wide_head(heads: Sequence[Array], num_maxima: int, num_sizes: int) -> Array:
    """The members' weights in the order of the merged features (width, member, filter; member, number), over M."""
    maxima = np.stack([head[:, :num_maxima].reshape(len(head), num_sizes, -1) for head in heads], 2)  # (C, h, M, F)
    means = np.stack([head[:, num_maxima:] for head in heads], 1)  # (C, M, D)
    flat = [part.reshape(len(part), -1) for part in (maxima, means)]
    return np.concatenate(flat, 1) / np.float32(len(heads))
