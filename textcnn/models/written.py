"""Stacks of layers written in a line, e.g. ``conv 64@3x3 same, max 2x2``: for `inspect`, to try shapes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from textcnn.errors import ConfigError

_LAYER = re.compile(r"(conv|max|average)\s+(?:(\d+)@)?(\d+)((?:x\d+)?)\s*(.*)", re.ASCII)
_OPTIONS = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
_POOLS: Mapping[tuple[str, int], type[nn.Module]] = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}
EXPECTED = (
    "expected layers with commas between them, 'conv 64@3x3 [same] [stride N] [padding N] [dilation N] [groups N]' or "
    "'max 2x2 [stride N] [padding N]' or 'average ...'"
)


def is_written(text: str) -> bool:
    """Whether the text is meant as a stack of layers."""
    return re.match(r"(conv|max|average)\s+\d", text) is not None


def written_layers(text: str, in_channels: int, dim: int) -> nn.Sequential:
    """The layers that a text names.

    Args:
        text: e.g. ``conv 64@3x3 same, max 2x2``: K@F of a convolution, F of a window, the same on each side.
        in_channels: C of the input.
        dim: 1 for sequences, 2 for images.

    Raises:
        ConfigError: something else is written there.
    """
    layers = []
    for part in text.split(","):
        layer, in_channels = _layer(part.strip(), in_channels, dim)
        layers.append(layer)
    return nn.Sequential(*layers)


def _layer(part: str, in_channels: int, dim: int) -> tuple[nn.Module, int]:
    match = _LAYER.fullmatch(part)
    if match is None or (match[1] == "conv") != (match[2] is not None) or match[4] not in ("", f"x{match[3]}"):
        raise ConfigError(f"{EXPECTED}, got {part!r}")
    kind, size = match[1], int(match[3])
    options = _options(match[5], part)
    try:
        if kind == "conv":
            channels = int(match[2])
            convolution = nn.Conv1d if dim == 1 else nn.Conv2d
            return convolution(in_channels, channels, size, **{**_OPTIONS, **options}), channels
        return _POOLS[kind, dim](size, **options), in_channels
    except (TypeError, ValueError, RuntimeError) as err:
        raise ConfigError(f"{part!r} cannot be built on {in_channels} channels: {err}") from err


def _options(text: str, part: str) -> dict[str, Any]:
    words = text.split()
    options: dict[str, Any] = {}
    while words:
        name = words.pop(0)
        if name == "same":
            options["padding"] = "same"
        elif name in _OPTIONS and words and words[0].isdecimal():
            options[name] = int(words.pop(0))
        else:
            raise ConfigError(f"{EXPECTED}, got {name!r} in {part!r}")
    return options
