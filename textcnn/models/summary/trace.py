"""Tracing of a model's shapes in one real pass, and parsing of layers written as text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from textcnn.errors import ConfigError
from textcnn.models.summary.formulas import Flow, Shape, formula_of


@dataclass(frozen=True)
class Call:
    """One module's call in a pass. Its tensors are kept alive, so that their identities stay unique."""

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    output: Any
    seconds: float = 0.0

    @property
    def source(self) -> Any:
        """The tensor that the module read."""
        return self.args[0]

    @property
    def result(self) -> Any:
        """The tensor or packed steps that the module returned, without a recurrent net's final state."""
        is_pair = isinstance(self.output, tuple) and not isinstance(self.output, PackedSequence)
        return self.output[0] if is_pair else self.output

    @property
    def shape(self) -> Shape:
        """Shape of the result without the batch axis; none for packed steps and for vectors of unique types."""
        if isinstance(self.result, PackedSequence):
            return tuple(self.result.data.shape)
        shape: Shape = tuple(self.result.shape)
        if isinstance(self.module, nn.Embedding) and self.source.dim() == 1:
            return shape
        batch_axis = 1 if isinstance(self.module, nn.RNNBase) and not self.module.batch_first else 0
        return shape[:batch_axis] + shape[batch_axis + 1 :]


PASSES = 4  # the first one warms up


def run(model: nn.Module, batch: Any, *, watched: nn.Module | None = None) -> tuple[list[Call], float]:
    """Return the calls of modules with formula or weights, or in ``watched``, in an evaluation pass of ``batch``.

    With them the seconds of the whole pass; the times are those of the fastest of a few passes.
    """
    calls: list[Call] = []
    began: list[float] = []

    def start(_module: nn.Module, _args: tuple[Any, ...]) -> None:
        began.append(time.perf_counter())

    def end(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        return lambda module, args, output: calls.append(
            Call(name, module, args, output, time.perf_counter() - began.pop())
        )

    handles = []
    for name, module in model.named_modules():
        if module is watched or formula_of(module) is not None or own_parameters(module):
            handles += [module.register_forward_pre_hook(start), module.register_forward_hook(end(name))]
    modes = [(module, module.training) for module in model.modules()]
    times: list[list[float]] = []
    try:
        with torch.no_grad():
            model.eval()
            for _ in range(PASSES):
                calls.clear()
                first = time.perf_counter()
                model(batch)
                times.append([time.perf_counter() - first, *(call.seconds for call in calls)])
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    whole, *each = min(times)  # of the fastest pass
    return [replace(call, seconds=seconds) for call, seconds in zip(calls, each, strict=True)], whole


def own_parameters(module: nn.Module) -> int:
    """Return the number of parameters a module owns directly, without its children."""
    return sum(p.numel() for p in module.parameters(recurse=False))


class Wiring:
    """Tracks which layer produced each tensor, by the tensors' identities.

    A tensor that no layer gave was made by plain functions from the outputs that no layer has read yet: it has the
    sides of the last of them, and sees as far as the widest.
    """

    def __init__(self, start: Flow) -> None:
        self._known: dict[int, _Made] = {}
        self._unread: dict[int, _Made] = {}
        self._last = _Made(start, None)

    def read(self, tensor: Any) -> tuple[Flow, str | None]:
        """Return the flow of ``tensor`` and the layer that produced it; none for the input."""
        if id(tensor) not in self._known:
            flow, source = _joined(list(self._unread.values()) or [self._last])
            if flow.sides and isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.dim() == 2:
                flow = Flow(flow.channels, (), None)  # (B, F): some function has pooled all places
            self._unread.clear()
            self._known[id(tensor)] = _Made(flow, source)
        self._unread.pop(id(tensor), None)
        return self._known[id(tensor)]

    def write(self, tensor: Any, flow: Flow, layer: str | None) -> None:
        """Record that ``layer`` produced ``tensor``."""
        self._known[id(tensor)] = self._unread[id(tensor)] = self._last = _Made(flow, layer)


class _Made(NamedTuple):
    flow: Flow
    layer: str | None


def _joined(made: Sequence[_Made]) -> _Made:
    flow, layer = made[-1]
    if any(each.flow.field is None for each in made):
        return _Made(Flow(flow.channels, flow.sides, None), layer)
    widest = max(made, key=lambda each: each.flow.field.size if each.flow.field else 0)
    return _Made(Flow(flow.channels, flow.sides, widest.flow.field), widest.layer)


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
    """Return whether the text is meant as a stack of layers."""
    return re.match(r"(conv|max|average)\s+\d", text) is not None


def written_layers(text: str, in_channels: int, dim: int) -> nn.Sequential:
    """Build the layers that a text describes.

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
