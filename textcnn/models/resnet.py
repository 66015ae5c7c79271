"""ResNet: residual blocks, which learn what to add to their input (He et al. 2016, arXiv 1512.03385)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from textcnn.nn.block_variants import ResidualBlock
from textcnn.nn.blocks import ConvBlock
from textcnn.nn.dropout import Dropout


class ResNetEncoder(nn.Module):
    """Encoder ``(B, C, H, W) -> (B, F)``: a convolution, stages of residual blocks, the mean over all positions.

    The first block of each stage but the first halves the sides, rounded up, so images of any size fit. This is the
    paper's net for small images (section 4.2): 3 stages of 16, 32 and 64 channels, ``6 n + 2`` layers with n blocks a
    stage; there a shortcut that changes channels has no weights, here it is a convolution of width 1 with a norm.

    Parameters, with norm: ``K * (9 C + 3)`` for the first convolution; a block from C to K channels has
    ``K * (9 C + 3) + K * (9 K + 3)``, a bottleneck with M = K / 4 ``M * (C + 3) + M * (9 M + 3) + K * (M + 3)``, and
    ``K * (C + 3)`` more where it changes channels or sides.

    Args:
        shape: (C, H, W) of the images.
        channels: K of each stage; F is the last of them.
        num_blocks: residual blocks of a stage, n.
        bottleneck: blocks of widths 1, 3, 1 with a fourth of the channels within, as in ResNet-50 and deeper.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        dropout: share of the features set to 0 in training; the paper has none.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        channels: Sequence[int] = (16, 32, 64),
        num_blocks: int = 2,
        bottleneck: bool = False,
        norm: str = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        depth = channels[0]
        self.stem = ConvBlock(2, shape[0], depth, 3, padding="same", norm=norm, activation=activation)
        blocks = []
        for stage, out_channels in enumerate(channels):
            for number in range(num_blocks):
                stride = 2 if stage and not number else 1
                blocks.append(
                    ResidualBlock(
                        2,
                        depth,
                        out_channels,
                        bottleneck=bottleneck,
                        stride=stride,
                        norm=norm,
                        activation=activation,
                    )
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
