"""Blocks of convolution, norm, activation and pooling, and stacks of them, over texts and images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.nn.norms import make_norm, mask_places
from textcnn.nn.pooling import Size, output_size

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "identity": nn.Identity,
}
_CONVOLUTIONS: Mapping[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
_POOLS: Mapping[tuple[str, int], type[nn.Module]] = {
    ("max", 1): nn.MaxPool1d,
    ("max", 2): nn.MaxPool2d,
    ("average", 1): nn.AvgPool1d,
    ("average", 2): nn.AvgPool2d,
}


def make_activation(name: str) -> nn.Module:
    """Return the activation called ``name``; each maps 0 to 0, so that masked places stay masked.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise ConfigError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]()


class Pooling(TypedDict, total=False):
    """Pooling options of a block: ``pool`` (max, average or none), window, stride (none: the window), padding."""

    pool: str
    pool_size: int
    pool_stride: int | None
    pool_padding: int


class CausalConv1d(nn.Conv1d):
    """Convolution that sees no later step: the input is padded with zeros at the start only."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the convolution: ``(B, C, T) -> (B, K, T)``."""
        return super().forward(F.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class Block(nn.Module, ABC):
    """Base class of all blocks: a transform that changes channels, then pooling; lengths are tracked through both.

    Texts of a batch differ in length: inputs have ``lengths (B,)`` and zeros from each length on; outputs have zeros
    from ``output_size(lengths)`` on, and no text is influenced by its padding.

    Args:
        dim: 1 for sequences, 2 for images.
        pooling: see :class:`Pooling`.

    Raises:
        ConfigError: a value that is not listed.
    """

    def __init__(self, dim: int, **pooling: Unpack[Pooling]) -> None:
        super().__init__()
        if dim not in _CONVOLUTIONS:
            raise ConfigError(f"dim must be 1 (sequences) or 2 (images), got {dim!r}")
        name, size = pooling.get("pool", "none"), pooling.get("pool_size", 2)
        if name != "none" and (name, dim) not in _POOLS:
            raise ConfigError(f"pool must be max, average or none, got {name!r}")
        stride, padding = pooling.get("pool_stride"), pooling.get("pool_padding", 0)
        self._window = (1, 1, 0) if name == "none" else (size, size if stride is None else stride, padding)
        self.pool = nn.Identity() if name == "none" else _POOLS[name, dim](*self._window)
        self._filler = -torch.inf if name == "max" else 0.0

    @abstractmethod
    def size_before_pool(self, size: Size) -> Size:
        """Return the length of a side before pooling; a tensor of lengths gives a tensor."""

    @abstractmethod
    def transform(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Apply everything but the pooling; values beyond the lengths are ignored."""

    def output_size(self, size: Size) -> Size:
        """Return the length of a side of the output; a tensor of lengths gives a tensor."""
        size_of_window, stride, padding = self._window
        return output_size(self.size_before_pool(size), size_of_window, stride=stride, padding=padding)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Apply the block to ``(B, C, L)``, with lengths if they differ, or to ``(B, C, H, W)``."""
        x = self.transform(x, lengths)
        if lengths is not None and not isinstance(self.pool, nn.Identity):
            x = mask_places(x, self.size_before_pool(lengths), self._filler)
        pooled: Tensor = self.pool(x)
        return pooled if lengths is None else mask_places(pooled, self.output_size(lengths))


class ConvBlock(Block):
    """Convolution, norm, activation, pooling: ``(B, C, L) -> (B, K, L')`` or ``(B, C, H, W) -> (B, K, H', W')``.

    K filters give depth K; each side W becomes ``(W - F + 2P) / S + 1`` after the convolution and again after the
    pooling window. Weights have the same names in both dimensions; without norm there are
    ``K * (C / groups * F ** dim + 1)``, a norm adds 2 K.

    Args:
        dim: 1 for sequences, 2 for images.
        in_channels: C.
        out_channels: K.
        kernel_size: F, the same on each side.
        stride: S of the convolution.
        padding: P, zeros added at each end. ``"same"``: ``W / S`` rounded up comes out (odd ``kernel_size`` only).
            ``"causal"``: the same, with all zeros in front (sequences only).
        dilation: distance between the taps of a filter.
        groups: groups of channels that are convolved separately.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`ACTIVATIONS`.
        pooling: see :class:`Pooling`.

    Raises:
        ConfigError: a value that is not listed above.
    """

    def __init__(
        self,
        dim: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int | str = 0,
        dilation: int = 1,
        groups: int = 1,
        norm: str = "none",
        activation: str = "relu",
        **pooling: Unpack[Pooling],
    ) -> None:
        super().__init__(dim, **pooling)
        causal = padding == "causal"
        if causal and dim != 1:
            raise ConfigError(f"padding='causal' is for sequences, dim 1, got dim {dim!r}")
        self.padding = 0 if causal else _number(padding, kernel_size, dilation)
        make = CausalConv1d if causal else _CONVOLUTIONS[dim]
        self.conv = make(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=self.padding,
            dilation=dilation,
            groups=groups,
        )
        self.norm = make_norm(norm, out_channels)
        self.activation = make_activation(activation)

    def size_before_pool(self, size: Size) -> Size:
        """Return the length of a side after the convolution."""
        kernel_size, dilation = self.conv.kernel_size[0], self.conv.dilation[0]
        if isinstance(self.conv, CausalConv1d):
            return output_size(size, 1, stride=self.conv.stride[0])
        return output_size(size, kernel_size, stride=self.conv.stride[0], padding=self.padding, dilation=dilation)

    def transform(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Apply convolution, norm and activation."""
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x, None if lengths is None else self.size_before_pool(lengths))
        activated: Tensor = self.activation(x)
        return activated


def _number(padding: int | str, kernel_size: int, dilation: int) -> int:
    if padding == "same":
        if kernel_size % 2 == 0:
            raise ConfigError(f"padding='same' needs an odd kernel_size, got {kernel_size!r}")
        return dilation * (kernel_size - 1) // 2
    if not isinstance(padding, int) or padding < 0:
        raise ConfigError(f"padding must be 'same', 'causal' or a number from 0 up, got {padding!r}")
    return padding


# Half the places, rounded up: unlike a window of 2, it keeps a text of one place.
HALVING: Pooling = {"pool": "max", "pool_size": 3, "pool_stride": 2, "pool_padding": 1}


class Stack(nn.ModuleList):
    """Sequence of blocks: maps ``(B, C, T)`` and lengths to ``(B, K, T')`` and lengths.

    Args:
        modules: each a :class:`textcnn.nn.blocks.Block` for sequences.
    """

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the blocks, updating the lengths."""
        for block in self:
            assert isinstance(block, Block)
            x, lengths = block(x, lengths), block.output_size(lengths)
        return x, lengths
