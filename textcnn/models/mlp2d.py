"""Multi-layer perceptron on flattened images, a baseline without convolution (LeCun et al. 1998, section III)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from textcnn.nn.blocks import make_activation
from textcnn.nn.dropout import Dropout


class MLP2dEncoder(nn.Module):
    """Encoder ``(B, C, H, W) -> (B, F)``: dense layers on all pixels in one vector.

    Every unit has a weight for every pixel, so nothing learned at one place serves another.
    Parameters: ``sum of K * (I + 1)`` over the layers, I the units before: first ``C * H * W``.

    Args:
        shape: (C, H, W) of the images.
        hidden_sizes: units of each layer; F is the last of them. LeCun 1998 has 300 and 100.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`.
        dropout: share of each layer's units set to 0 in training.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        hidden_sizes: Sequence[int] = (300, 100),
        activation: str = "relu",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        units = math.prod(shape)
        for size in hidden_sizes:
            layers += [nn.Linear(units, size), make_activation(activation), Dropout(dropout)]
            units = size
        self.layers = nn.Sequential(*layers)
        self.out_features = units

    def forward(self, pixels: Tensor) -> Tensor:
        """Return features ``(B, F)`` from pixels ``(B, C, H, W)``."""
        features: Tensor = self.layers(pixels)
        return features
