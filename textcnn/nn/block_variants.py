"""Residual, inception and gated blocks built from convolution blocks, for texts with lengths and for images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.blocks import Block, ConvBlock, Pooling, make_activation
from textcnn.nn.pooling import Size

BOTTLENECK = 4  # channels out to channels within, as in ResNet-50


class ResidualBlock(Block):
    """``activation(f(x) + x)``, f two convolutions (He et al. 2016, arXiv 1512.03385), then pooling.

    Where channels or stride change, the shortcut is a convolution of width 1.

    Args:
        dim: 1 for sequences, 2 for images.
        in_channels: C.
        out_channels: K.
        kernel_size: odd; the sizes are kept at stride 1.
        bottleneck: f is three convolutions, of widths 1, ``kernel_size`` and 1, on K / 4 channels within.
        stride: stride of the first convolution (bottleneck: of the middle one), and of the shortcut.
        padding: ``same`` or ``causal``.
        dilation: distance between the taps of the filters.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        pooling: see :class:`textcnn.nn.blocks.Pooling`.

    Raises:
        ConfigError: a value that the blocks do not take, or K is no multiple of 4 in a bottleneck.
    """

    def __init__(
        self,
        dim: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        bottleneck: bool = False,
        stride: int = 1,
        padding: str = "same",
        dilation: int = 1,
        norm: str = "batch",
        activation: str = "relu",
        **pooling: Unpack[Pooling],
    ) -> None:
        super().__init__(dim, **pooling)
        if bottleneck and out_channels % BOTTLENECK:
            raise ConfigError(f"out_channels of a bottleneck must be a multiple of {BOTTLENECK}, got {out_channels!r}")

        def block(inner: int, outer: int, width: int, step: int, last: bool) -> ConvBlock:
            return ConvBlock(
                dim,
                inner,
                outer,
                width,
                stride=step,
                padding=padding,
                dilation=dilation,
                norm=norm,
                activation="identity" if last else activation,
            )

        within = out_channels // BOTTLENECK if bottleneck else out_channels
        first = [block(in_channels, within, 1, 1, False)] if bottleneck else []
        middle = block(within if bottleneck else in_channels, within, kernel_size, stride, False)
        last = block(within, out_channels, 1 if bottleneck else kernel_size, 1, True)
        self.blocks = nn.ModuleList([*first, middle, last])
        unchanged = in_channels == out_channels and stride == 1
        self.shortcut = None if unchanged else block(in_channels, out_channels, 1, stride, True)
        self.activation = make_activation(activation)

    def size_before_pool(self, size: Size) -> Size:
        """Return the length of a side after the sum."""
        for block in self.blocks:
            assert isinstance(block, ConvBlock)
            size = block.output_size(size)
        return size

    def transform(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the activated sum of the convolutions and the shortcut."""
        shortcut = x if self.shortcut is None else self.shortcut(x, lengths)
        for block in self.blocks:
            assert isinstance(block, ConvBlock)
            x = block(x, lengths)
            lengths = None if lengths is None else block.output_size(lengths)
        activated: Tensor = self.activation(x + shortcut)
        return activated


class InceptionBlock(Block):
    """Parallel convolutions of several widths, concatenated by channels (Szegedy et al. 2015, arXiv 1409.4842).

    Each branch gives an equal share of the channels, the first ones one more where they do not divide. A width above 1
    follows a convolution of width 1 that gives half as many channels as the branch.

    Args:
        dim: 1 for sequences, 2 for images.
        in_channels: C.
        out_channels: K, of all branches.
        kernel_size: the widths, all odd; the sizes are kept.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        pooling: see :class:`textcnn.nn.blocks.Pooling`.

    Raises:
        ConfigError: a value that the blocks do not take, or more branches than channels.
    """

    def __init__(
        self,
        dim: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int] = (1, 3, 5),
        *,
        norm: str = "batch",
        activation: str = "relu",
        **pooling: Unpack[Pooling],
    ) -> None:
        super().__init__(dim, **pooling)
        if not 1 <= len(kernel_size) <= out_channels:
            raise ConfigError(f"kernel_size must be 1 to {out_channels} widths, one a branch, got {kernel_size!r}")
        self.branches = nn.ModuleList()
        self.join = Join(out_channels)
        for number, width in enumerate(kernel_size):
            channels = (out_channels - number - 1) // len(kernel_size) + 1
            inner = max(channels // 2, 1) if width > 1 else in_channels
            branch = [] if width == 1 else [ConvBlock(dim, in_channels, inner, 1, norm=norm, activation=activation)]
            branch.append(ConvBlock(dim, inner, channels, width, padding="same", norm=norm, activation=activation))
            self.branches.append(nn.ModuleList(branch))

    def size_before_pool(self, size: Size) -> Size:
        """Return the length of a side after the branches, which is unchanged."""
        return size

    def transform(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the concatenated branches."""
        found = []
        for branch in self.branches:
            y = x
            assert isinstance(branch, nn.ModuleList)
            for block in branch:
                y = block(y, lengths)
            found.append(y)
        joined: Tensor = self.join(found)
        return joined


class Join(nn.Module):
    """Concatenates several tensors ``(B, C_i, ...)`` to ``(B, K, ...)``."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """Concatenate the channels."""
        return torch.cat(list(parts), 1)


class Gate(nn.Module):
    """Gated linear unit ``(B, 2 K, ...) -> (B, K, ...)``: half the channels times the sigmoid of the other half."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the first half of the channels times the sigmoid of the second."""
        values, gates = x.chunk(2, 1)
        gated: Tensor = self.activation(values) * gates.sigmoid()
        return gated


class GatedBlock(Block):
    """Convolution to 2 K channels, half of them gates (Dauphin et al. 2017, arXiv 1612.08083), then pooling.

    Args:
        dim: 1 for sequences, 2 for images.
        in_channels: C.
        out_channels: K.
        kernel_size: F.
        stride: stride of the convolution.
        padding: as for :class:`textcnn.nn.blocks.ConvBlock`.
        dilation: distance between the taps of a filter.
        norm: a name of :data:`textcnn.nn.norms.NORMS`, over values and gates.
        activation: activation of the values; identity in the paper (GLU), tanh in its forerunner (GTU).
        pooling: see :class:`textcnn.nn.blocks.Pooling`.

    Raises:
        ConfigError: a value that the blocks do not take.
    """

    def __init__(
        self,
        dim: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        padding: int | str = "same",
        dilation: int = 1,
        norm: str = "none",
        activation: str = "identity",
        **pooling: Unpack[Pooling],
    ) -> None:
        super().__init__(dim, **pooling)
        self.block = ConvBlock(
            dim,
            in_channels,
            2 * out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            norm=norm,
            activation="identity",
        )
        self.gate = Gate(activation)

    def size_before_pool(self, size: Size) -> Size:
        """Return the length of a side after the convolution."""
        return self.block.output_size(size)

    def transform(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the gated convolution."""
        gated: Tensor = self.gate(self.block(x, lengths))
        return gated


KINDS: Mapping[str, Callable[..., Block]] = {
    "plain": ConvBlock,
    "residual": ResidualBlock,
    "inception": InceptionBlock,
    "gated": GatedBlock,
}
