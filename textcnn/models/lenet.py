"""LeNet: two convolution-pool stages and a dense layer (LeCun et al. 1998)."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.models.base import require_sides
from textcnn.nn.blocks import ConvBlock
from textcnn.nn.dropout import Dropout


class LeNetEncoder(nn.Module):
    """Encoder ``(B, C, H, W) -> (B, F)``: two convolution blocks, then a dense layer on the flattened result.

    Convolutions keep the size, each pooling halves it. LeCun 1998 has 5x5 kernels, 6 and 16 channels and average
    pooling; ReLU and max pooling are today's habit.

    Args:
        shape: (C, H, W) of the images.
        channels: filters of the two stages.
        kernel_size: side of the filters, odd.
        hidden_size: F, units of the dense layer.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        pool: ``max`` or ``average``.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: images too small to be halved twice.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        channels: tuple[int, int] = (32, 64),
        kernel_size: int = 3,
        hidden_size: int = 128,
        activation: str = "relu",
        pool: str = "max",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        depth, height, width = shape
        require_sides("lenet", shape, 2)
        first, second = channels
        self.blocks = nn.Sequential(
            ConvBlock(2, depth, first, kernel_size, padding="same", activation=activation, pool=pool),
            ConvBlock(2, first, second, kernel_size, padding="same", activation=activation, pool=pool),
        )  # (B, second, H // 4, W // 4)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(second * (height // 2 // 2) * (width // 2 // 2), hidden_size),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.out_features = hidden_size

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features ``(B, F)`` from pixels ``(B, C, H, W)``."""
        features: Tensor = self.dense(self.blocks(pixels))
        return features
