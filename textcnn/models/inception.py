"""Inception: parallel filters of several widths at every layer (Szegedy et al. 2015, arXiv 1409.4842)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from textcnn.models.base import require_sides
from textcnn.nn.block_variants import InceptionBlock
from textcnn.nn.blocks import ConvBlock
from textcnn.nn.dropout import Dropout


class InceptionEncoder(nn.Module):
    """Encoder ``(B, C, H, W) -> (B, F)``: a convolution, inception blocks, then the mean over all positions.

    The convolution and every block but the last end with a 2 x 2 maximum. What Kim's text CNN does once, windows of
    several widths over the same input, is done at each layer. GoogLeNet has 9 blocks, a branch of maxima in each, no
    norm, and heads on the way; these are sizes for small images without that branch and those heads.

    Parameters, with norm: ``K * (9 C + 3)`` for the convolution; a branch of width h with k of a block's K channels
    has ``k * (C + 3)`` for h = 1, else, with m = k / 2 rounded down, ``m * (C + 3) + k * (h * h * m + 3)``.

    Args:
        shape: (C, H, W) of the images.
        stem_channels: K of the convolution.
        channels: K of each block; F is the last of them.
        kernel_sizes: widths of the branches, odd.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: images too small to be halved once a block.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        stem_channels: int = 32,
        channels: Sequence[int] = (96, 128, 192),
        kernel_sizes: Sequence[int] = (1, 3, 5),
        norm: str = "batch",
        activation: str = "relu",
        dropout: float = 0.4,
    ) -> None:
        super().__init__()
        require_sides("inception", shape, len(channels))
        self.stem = ConvBlock(
            2, shape[0], stem_channels, 3, padding="same", norm=norm, activation=activation, pool="max"
        )
        blocks = []
        depth = stem_channels
        for number, out_channels in enumerate(channels):
            pool = "max" if number < len(channels) - 1 else "none"
            blocks.append(
                InceptionBlock(2, depth, out_channels, kernel_sizes, norm=norm, activation=activation, pool=pool)
            )
            depth = out_channels
        self.blocks = nn.Sequential(*blocks)
        self.dropout = Dropout(dropout)
        self.out_features = depth

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features ``(B, F)`` from pixels ``(B, C, H, W)``."""
        places: Tensor = self.blocks(self.stem(pixels))  # (B, F, H', W')
        features: Tensor = self.dropout(places.mean((2, 3)))
        return features
