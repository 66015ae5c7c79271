"""Whether a network that config.json describes can be the one of the weights, before any room is made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.models.weights import Weights

_REPEATED = ("num_layers", "num_blocks")  # settings that say how many modules there are, each with tensors of its own
_FEW = 100  # of anything: never refused
Network = TypeVar("Network", bound=nn.Module)


def check_claims(config: Mapping[str, Any], weights: Weights) -> None:
    """No setting may name more than the weights can hold: a layer has a tensor, whatever is counted has a number.

    Raises:
        ConfigError: one does.
    """
    num_tensors = max(len(weights), _FEW)
    num_numbers = max(sum(weight.size for weight in weights.values()), _FEW)
    for name, value in _values(config):
        most = num_tensors if name in _REPEATED or isinstance(value, list) else num_numbers
        size = len(value) if isinstance(value, list) else value
        if size > most:
            found = f"a list of {size:,}" if isinstance(value, list) else str(value)[:30]
            raise ConfigError(
                f"{name} is {found}, but there are {len(weights)} tensors of {num_numbers:,} numbers together"
            )


def _values(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The whole numbers and the lists among the settings, at every depth, by the name of their setting."""
    left: list[tuple[str, Any]] = [("embedding_dim", config["embedding_dim"]), *config["settings"].items()]
    while left:
        name, value = left.pop()
        if isinstance(value, list):
            yield name, value
            left += [(name, inner) for inner in value[:_FEW]]
        elif isinstance(value, int):
            yield name, value


def filled(build: Callable[[], Network], weights: Mapping[str, Tensor]) -> Network:
    """The network with these weights; built first without memory, where sizes that do not fit cost nothing.

    Raises:
        RuntimeError: names or shapes do not fit.
    """
    with torch.device("meta"):
        empty = build()
    for name, tensor in empty.state_dict().items():
        found = weights[name].dtype if name in weights else tensor.dtype
        if found != tensor.dtype and {found, tensor.dtype} != {torch.float16, torch.float32}:
            raise RuntimeError(f"{name} is of {found}, and not of {tensor.dtype}")
    empty.load_state_dict(weights, strict=True, assign=True)
    network = build()
    network.load_state_dict(weights, strict=True)
    return network
