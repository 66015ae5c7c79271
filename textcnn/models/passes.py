"""One real pass through a model: which layer was called, on what, what it gave, and whose output it read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from textcnn.models.formulas import Flow, Shape, formula_of


@dataclass(frozen=True)
class Call:
    """One module's turn in a pass. Its tensors are kept: while they live, no other object has their identity."""

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    output: Any

    @property
    def source(self) -> Any:
        """What the module read."""
        return self.args[0]

    @property
    def result(self) -> Any:
        """The tensor the module gave, or the packed steps; a recurrent net's last state is left out."""
        is_pair = isinstance(self.output, tuple) and not isinstance(self.output, PackedSequence)
        return self.output[0] if is_pair else self.output

    @property
    def shape(self) -> Shape:
        """Of the result, without the batch axis; packed steps have none, nor have the vectors of unique types."""
        if isinstance(self.result, PackedSequence):
            return tuple(self.result.data.shape)
        shape: Shape = tuple(self.result.shape)
        if isinstance(self.module, nn.Embedding) and self.source.dim() == 1:
            return shape
        batch_axis = 1 if isinstance(self.module, nn.RNNBase) and not self.module.batch_first else 0
        return shape[:batch_axis] + shape[batch_axis + 1 :]


def run(model: nn.Module, batch: Any, *, watched: nn.Module | None = None) -> list[Call]:
    """Calls in one pass of ``batch`` in evaluation mode: of modules with a formula or weights, and of ``watched``."""
    calls: list[Call] = []

    def watch(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        return lambda module, args, output: calls.append(Call(name, module, args, output))

    handles = [
        module.register_forward_hook(watch(name))
        for name, module in model.named_modules()
        if module is watched or formula_of(module) is not None or own_parameters(module)
    ]
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad():
            model.eval()(batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return calls


def own_parameters(module: nn.Module) -> int:
    """Numbers a module owns itself, its children's left out."""
    return sum(p.numel() for p in module.parameters(recurse=False))


class Wiring:
    """Which layer's output a layer reads, known by the identity of the tensors.

    A tensor that no layer gave was made by plain functions from the outputs that no layer has read yet: it has the
    sides of the last of them, and sees as far as the widest.
    """

    def __init__(self, start: Flow) -> None:
        self._known: dict[int, Flow] = {}
        self._unread: dict[int, Flow] = {}
        self._last = start

    def read(self, tensor: Any) -> Flow:
        """What a layer that reads ``tensor`` gets."""
        if id(tensor) not in self._known:
            flow = _joined(list(self._unread.values()) or [self._last])
            if flow.sides and isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.dim() == 2:
                flow = Flow(flow.channels, (), None)  # (B, F): some function has pooled all places
            self._unread.clear()
            self._known[id(tensor)] = flow
        self._unread.pop(id(tensor), None)
        return self._known[id(tensor)]

    def write(self, tensor: Any, flow: Flow) -> None:
        """A layer gave ``tensor``."""
        self._known[id(tensor)] = self._unread[id(tensor)] = self._last = flow


def _joined(flows: Sequence[Flow]) -> Flow:
    fields = [flow.field for flow in flows if flow.field is not None]
    widest = max(fields, key=lambda field: field.size) if len(fields) == len(flows) else None
    return Flow(flows[-1].channels, flows[-1].sides, widest)
