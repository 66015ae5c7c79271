"""VGG: many layers of 3 x 3 filters, pooled between stages (Simonyan & Zisserman 2015, arXiv 1409.1556)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from textcnn.models.base import require_sides
from textcnn.nn.blocks import ConvBlock
from textcnn.nn.dropout import Dropout


class VGGEncoder(nn.Module):
    """Encoder ``(B, C, H, W) -> (B, F)``: stages of 3 x 3 convolutions and 2 x 2 max pooling, then a dense layer.

    Two layers of 3 x 3 see 5 x 5 with fewer weights and one activation more. The paper has 5 stages of 64 to 512
    channels, two dense layers of 4096, no norm; these are sizes for small images, and batch norm came later.

    Parameters, with norm: ``K * (9 C + 3)`` for each convolution from C to K channels, and
    ``F * (K_last * H' * W' + 1)``, where H' is H halved and rounded down at each stage.

    Args:
        shape: (C, H, W) of the images.
        channels: K of each stage.
        num_layers: convolutions of a stage.
        hidden_size: F, units of the dense layer.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: images too small to be halved once a stage.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        channels: Sequence[int] = (16, 32, 64),
        num_layers: int = 2,
        hidden_size: int = 256,
        norm: str = "batch",
        activation: str = "relu",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        require_sides("vgg", shape, len(channels))
        depth, height, width = shape
        blocks = []
        for out_channels in channels:
            for number in range(num_layers):
                pool = "max" if number == num_layers - 1 else "none"
                blocks.append(
                    ConvBlock(2, depth, out_channels, 3, padding="same", norm=norm, activation=activation, pool=pool)
                )
                depth = out_channels
            height, width = height // 2, width // 2
        self.blocks = nn.Sequential(*blocks)  # (B, depth, height, width)
        self.dense = nn.Sequential(
            nn.Flatten(), nn.Linear(depth * height * width, hidden_size), nn.ReLU(), Dropout(dropout)
        )
        self.out_features = hidden_size

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features ``(B, F)`` from pixels ``(B, C, H, W)``."""
        features: Tensor = self.dense(self.blocks(pixels))
        return features
