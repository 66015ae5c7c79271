"""The layer table of a model: computed and traced shapes, receptive fields, parameters and costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.image.batches import ImageBatch
from textcnn.models.base import ImageClassifier, TextClassifier
from textcnn.models.kim import KimEncoder
from textcnn.models.summary.formulas import Flow, Shape, convolution, formula_of, is_silent, multiply_adds
from textcnn.models.summary.trace import Call, Wiring, own_parameters, run
from textcnn.nn.pooling import ReceptiveField
from textcnn.tokenization.batch import Batch


@dataclass(frozen=True)
class Layer:
    """A row of the table. Shapes are those of one text or image, without the batch axis.

    Attributes:
        name: as in the state dict.
        kind: class of the layer; ``pooling`` for the step from the last layer of an encoder to its features.
        shape: shape of the output by the formula; none if there is no formula for this kind, or it did not run.
        run_shape: shape of the output in a real pass; none if the layer did not run.
        field: tokens or pixels that one output value sees, and how many lie from value to value; none: all of them.
        parameters: numbers the layer owns; 0 where an earlier line has counted them.
        multiply_adds: products for one text or image, see :func:`textcnn.models.summary.formulas.multiply_adds`.
        share: of the time of a pass; of an encoder what its own layers leave; none if the layer has no call of its own.
        source: the layer whose receptive field this one extends; none: the input, or no field.
    """

    name: str
    kind: str
    shape: Shape | None
    run_shape: Shape | None
    field: ReceptiveField | None
    parameters: int
    multiply_adds: int
    share: float | None = None
    source: str | None = None

    @property
    def problem(self) -> str | None:
        """A sentence if formula and run disagree."""
        if self.run_shape is None:
            return f"{self.name} ({self.kind}) was not seen in the run"
        if self.shape is None:
            return f"{self.name}: there is no formula for {self.kind}, the run gave {self.run_shape}"
        if self.shape != self.run_shape:
            return f"{self.name} ({self.kind}): the formula gives {self.shape}, the run gave {self.run_shape}"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; receptive field and stride are null where a value sees the whole input."""
        return {
            "name": self.name,
            "kind": self.kind,
            "output": None if self.shape is None else list(self.shape),
            "output_as_run": None if self.run_shape is None else list(self.run_shape),
            "receptive_field": self.field and self.field.size,
            "stride": self.field and self.field.stride,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "time_share": self.share,
        }


@dataclass(frozen=True)
class LayerTable:
    """The layers of a model in execution order, and the seconds of a pass on one text or image."""

    layers: tuple[Layer, ...]
    seconds: float = 0.0

    @property
    def parameters(self) -> int:
        """Number of parameters of the model."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one text or image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def problems(self) -> list[str]:
        """Disagreements of formulas and run; empty in a sound model."""
        return [layer.problem for layer in self.layers if layer.problem is not None]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "milliseconds": 1000 * self.seconds,
            "problems": self.problems,
        }


def text_layers(model: TextClassifier, length: int) -> LayerTable:
    """Return the table for a text of ``length`` tokens, all distinct if the vocabulary is large enough.

    Raises:
        ConfigError: ``length`` is below 1.
    """
    if length < 1:
        raise ConfigError(f"length must be 1 token or more, got {length!r}")
    num_types = model.embedding.num_embeddings
    ids = torch.randperm(num_types, generator=_generator())[torch.arange(length) % num_types]
    unique, inverse = torch.unique(ids, return_inverse=True)
    batch = Batch(torch.tensor([0, length]), unique, inverse)
    if model.embedding.num_ngrams:  # one n-gram a type, any
        rows = torch.arange(len(unique)) % model.embedding.num_ngrams
        batch = replace(batch, bag_rows=rows, bag_offsets=torch.arange(len(unique) + 1))
    if model.wide is not None:
        offsets = torch.tensor([0, 1])
        batch = replace(batch, wide_rows=torch.tensor([0]), wide_weights=torch.ones(1), wide_offsets=offsets)
    batch = batch.to(_device(model))
    return _table(model, batch, Flow(model.embedding.embedding_dim, (length,)), model.encoder)


def image_layers(model: ImageClassifier, shape: Shape) -> LayerTable:
    """Return the table for an image of ``shape`` (C, H, W), the one the model was built for."""
    return _table(model, ImageBatch(_random(model, shape)), Flow(shape[0], shape[1:]), model.encoder)


def block_layers(blocks: nn.Module, shape: Shape) -> LayerTable:
    """Return the table of separate convolution blocks, e.g. an ``nn.Sequential`` of ``ConvBlock``.

    Args:
        blocks: takes one tensor, gives one tensor.
        shape: shape of one input without the batch axis, ``(C, L)`` or ``(C, H, W)``.

    Raises:
        ConfigError: the blocks cannot take such an input.
    """
    try:
        return _table(blocks, _random(blocks, shape), Flow(shape[0], shape[1:]))
    except RuntimeError as err:
        raise ConfigError(
            f"expected an input that fits the first block and every window, got {shape!r}: {err}"
        ) from err


def _table(model: nn.Module, batch: Any, start: Flow, encoder: nn.Module | None = None) -> LayerTable:
    wiring = Wiring(start)
    layers: list[Layer] = []
    calls, seconds = run(model, batch, watched=encoder)
    own = 0.0  # of the encoder's layers, which all end before it does
    for call in calls:
        if call.module is encoder:
            layers += _encoder_layers(replace(call, seconds=call.seconds - own), start, layers, seconds)
        else:
            layers += _layers(call, wiring, layers, seconds)
            own += call.seconds if call.name.startswith("encoder.") else 0.0
    names = {layer.name for layer in layers}
    layers += [
        Layer(name, type(module).__name__, None, None, None, own_parameters(module), 0)
        for name, module in model.named_modules()
        if name not in names and own_parameters(module)
    ]
    return LayerTable(tuple(layers), seconds)


def _layers(call: Call, wiring: Wiring, before: list[Layer], seconds: float) -> list[Layer]:
    """Return the row of one call, or none for elementwise layers."""
    share = call.seconds / seconds
    if isinstance(call.module, nn.EmbeddingBag):  # a table off the main path of tokens: n-grams of words or of texts
        field = ReceptiveField() if call.name.startswith("embedding.") else None
        size: Shape = (call.module.embedding_dim,)
        return [Layer(call.name, "EmbeddingBag", size, call.shape, field, own_parameters(call.module), 0, share)]
    formula = formula_of(call.module)
    flow, source = wiring.read(call.source)
    after, shape = (flow, None) if formula is None else formula(call.module, flow)
    silent = is_silent(call.module)
    wiring.write(call.result, after, source if silent else call.name)
    if silent:
        return []
    parameters = 0 if any(layer.name == call.name for layer in before) else own_parameters(call.module)
    work = 0 if formula is None else multiply_adds(call.module, after)
    kind = type(call.module).__name__
    return [Layer(call.name, kind, shape, call.shape, after.field, parameters, work, share, source)]


def _encoder_layers(call: Call, start: Flow, before: list[Layer], seconds: float) -> list[Layer]:
    """Return rows for an encoder's plain functions: windows that it applies itself, and its pooling."""
    own = FUNCTIONAL.get(type(call.module))
    layers = [] if own is None else own(call, start)
    features: Shape = (int(call.module.out_features),)  # type: ignore[arg-type]
    if [layer.shape for layer in [*before, *layers][-1:]] != [features]:
        share = max(call.seconds, 0.0) / seconds
        layers.append(Layer(call.name, "pooling", features, call.shape, None, 0, 0, share))
    return layers


def _kim_layers(call: Call, start: Flow) -> list[Layer]:
    """Return rows for Kim's filters, whose windows of h words reach over each end of the text by h - 1 words.

    Nested widths have one line for the products of all taps with every token, then one for the window sums of each.
    """
    encoder = call.module
    assert isinstance(encoder, KimEncoder)
    embedded, batch = call.args
    tokens = embedded[batch.inverse].T[None]  # (1, D, T)
    layers = []
    if encoder.nested:
        bank = encoder.bank
        products = torch.einsum("fdk,ndt->nkft", bank.weight, tokens).flatten(1, 2)  # (1, K F, T)
        shape = (bank.kernel_size[0] * bank.out_channels, *start.sides)
        ran, work = tuple(products.shape[1:]), multiply_adds(bank, start)
        layers.append(Layer(f"{call.name}.bank", "Taps", shape, ran, start.field, own_parameters(bank), work))
    for number, (weight, bias) in enumerate(encoder.filters()):
        conv = nn.Conv1d(weight.shape[1], weight.shape[0], weight.shape[2], device="meta")
        overhang = conv.kernel_size[0] - 1
        after, shape = convolution(conv, start, overhang=overhang)
        scores = F.conv1d(tokens, weight, bias, padding=overhang)  # (1, F, T + h - 1)
        name, kind = ("windows", "Sums") if encoder.nested else ("convs", "Conv1d")
        parameters, work = (len(bias), 0) if encoder.nested else (own_parameters(conv), multiply_adds(conv, after))
        ran = tuple(scores.shape[1:])
        layers.append(Layer(f"{call.name}.{name}.{number}", kind, shape, ran, after.field, parameters, work))
    return layers


# Encoders that hand their weights to a kernel, so that no module of theirs is called in a pass.
FUNCTIONAL: Mapping[type[nn.Module], Callable[[Call, Flow], list[Layer]]] = {KimEncoder: _kim_layers}


def _random(model: nn.Module, shape: Shape) -> Tensor:
    return torch.randn(1, *shape, generator=_generator()).to(_device(model))


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))
