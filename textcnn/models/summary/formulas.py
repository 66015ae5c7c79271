"""Formulas of each kind of layer: output shape, receptive field and multiply-adds from the input shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from textcnn.errors import ConfigError
from textcnn.models.mlp import FirstPlaces
from textcnn.nn.block_variants import Gate, Join
from textcnn.nn.blocks import ACTIVATIONS, CausalConv1d
from textcnn.nn.heads import Head
from textcnn.nn.norms import NORM_CLASSES
from textcnn.nn.pooling import ReceptiveField, output_size

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Flow:
    """Shape and receptive field of what passes between layers, independent of the order of axes.

    Attributes:
        channels: C, D or F, the values at each place.
        sides: ``(T,)`` of a text, ``(H, W)`` of an image; ``()`` after pooling over all places.
        field: what one value sees of the input; none: all of it.
    """

    channels: int
    sides: Shape
    field: ReceptiveField | None = ReceptiveField()

    @property
    def channels_first(self) -> Shape:
        """Shape as convolutions have it: ``(C, T)``, ``(C, H, W)`` or ``(F,)``."""
        return (self.channels, *self.sides)

    @property
    def channels_last(self) -> Shape:
        """Shape as embeddings, recurrent nets and linear layers have it: ``(T, D)`` or ``(F,)``."""
        return (*self.sides, self.channels)


Step = tuple[Flow, Shape]  # what a layer passes on, and the shape of its output without the batch axis


def formula_of(module: nn.Module) -> Callable[[Any, Flow], Step] | None:
    """Return the formula of a module's class or of its nearest base class; none if there is none."""
    return next((FORMULAS[kind] for kind in type(module).__mro__ if kind in FORMULAS), None)


def is_silent(module: nn.Module) -> bool:
    """Return whether the module is elementwise and has no weights, so that tables omit it."""
    return isinstance(module, (*_SILENT, Gate, Join))


def multiply_adds(module: nn.Module, after: Flow) -> int:
    """Return the multiply-adds of a layer for one text or image: each weight is used once per output position.

    Embedding lookups, biases, norms, activations and pooling are not counted.
    """
    if isinstance(module, nn.Embedding):
        return 0
    return math.prod(after.sides) * sum(p.numel() for p in module.parameters() if p.dim() > 1)


def convolution(module: nn.Conv1d | nn.Conv2d, flow: Flow, *, overhang: int = 0) -> Step:
    """Map ``(C, sides)`` to ``(K, sides')``; ``overhang`` is padding at each end that the caller adds itself."""
    kernel_size, stride, dilation = _one(module.kernel_size), _one(module.stride), _one(module.dilation)
    if module.padding == "same":
        sides = flow.sides
    else:
        padding = overhang + (0 if isinstance(module.padding, str) else _one(module.padding))
        sides = _sides(flow, kernel_size, stride, padding, dilation)
    field = flow.field and flow.field.through(kernel_size, stride=stride, dilation=dilation)
    after = Flow(module.out_channels, sides, field)
    return after, after.channels_first


def _causal_convolution(module: CausalConv1d, flow: Flow) -> Step:
    after, _ = convolution(module, flow)
    stride = _one(module.stride)
    after = Flow(after.channels, tuple(output_size(side, 1, stride=stride) for side in flow.sides), after.field)
    return after, after.channels_first


def _join(module: Join, flow: Flow) -> Step:
    after = Flow(module.out_channels, flow.sides, flow.field)
    return after, after.channels_first


def _gate(_module: Gate, flow: Flow) -> Step:
    after = Flow(flow.channels // 2, flow.sides, flow.field)
    return after, after.channels_first


def _max_pool(module: nn.MaxPool1d | nn.MaxPool2d, flow: Flow) -> Step:
    return _pool(flow, module.kernel_size, module.stride, module.padding, module.dilation)


def _average_pool(module: nn.AvgPool1d | nn.AvgPool2d, flow: Flow) -> Step:
    return _pool(flow, module.kernel_size, module.stride, module.padding, 1)


def _pool(
    flow: Flow, kernel_size: int | Shape, stride: int | Shape, padding: int | Shape, dilation: int | Shape
) -> Step:
    window, step, spread = _one(kernel_size), _one(stride), _one(dilation)
    sides = _sides(flow, window, step, _one(padding), spread)
    after = Flow(flow.channels, sides, flow.field and flow.field.through(window, stride=step, dilation=spread))
    return after, after.channels_first


def _first_places(module: FirstPlaces, flow: Flow) -> Step:
    after = Flow(module.embedding_dim, (module.num_places,), flow.field)
    return after, after.channels_last


def _flatten(_module: nn.Flatten, flow: Flow) -> Step:
    after = Flow(math.prod(flow.channels_first), (), flow.field)
    return after, after.channels_first


def _linear(module: nn.Linear, flow: Flow) -> Step:
    # At each place of its own a linear map sees what its input saw; of pooled or flattened values it sees everything.
    after = Flow(module.out_features, flow.sides, flow.field if flow.sides else None)
    return after, after.channels_last


def _head(module: Head, _flow: Flow) -> Step:
    after = Flow(2 if module.binary_sigmoid else module.out_features, (), None)
    return after, after.channels_last


def _embedding(module: nn.Embedding, flow: Flow) -> Step:
    # A vector is made once for each type, and a text of T different words has no more types than the vocabulary.
    after = Flow(module.embedding_dim, flow.sides, flow.field)
    return after, (min(math.prod(flow.sides), module.num_embeddings), module.embedding_dim)


def _recurrent(module: nn.RNNBase, flow: Flow) -> Step:
    width = (module.proj_size or module.hidden_size) * (2 if module.bidirectional else 1)
    after = Flow(width, flow.sides, None)
    return after, after.channels_last


def _unchanged(_module: nn.Module, flow: Flow) -> Step:
    return flow, flow.channels_first


_SILENT = (*ACTIVATIONS.values(), nn.Dropout)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, *NORM_CLASSES)
FORMULAS: Mapping[type[nn.Module], Callable[[Any, Flow], Step]] = {
    CausalConv1d: _causal_convolution,
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.MaxPool1d: _max_pool,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool1d: _average_pool,
    nn.AvgPool2d: _average_pool,
    FirstPlaces: _first_places,
    nn.Flatten: _flatten,
    nn.Linear: _linear,
    Head: _head,
    nn.Embedding: _embedding,
    nn.RNNBase: _recurrent,
    Gate: _gate,
    Join: _join,
    **dict.fromkeys((*_SILENT, *_NORMS), _unchanged),
}


def _sides(flow: Flow, kernel_size: int, stride: int, padding: int, dilation: int) -> Shape:
    return tuple(
        output_size(side, kernel_size, stride=stride, padding=padding, dilation=dilation) for side in flow.sides
    )


def _one(sizes: int | Sequence[int]) -> int:
    """Return the window size that all sides share."""
    found = {sizes} if isinstance(sizes, int) else set(sizes)
    if len(found) != 1:
        raise ConfigError(f"expected a window with equal sides, got {sizes!r}; layer tables know no other")
    return found.pop()
