"""The head: features to one logit a label."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Head(nn.Linear):
    """Linear map ``(B, F) -> (B, C)``, read by a softmax (one label a text) or a sigmoid (any number).

    Args:
        in_features: F.
        num_labels: C.
        binary_sigmoid: for two labels, one row z through a sigmoid instead of two through a softmax. The logits are
            then ``(0, z)``, whose softmax is ``(1 - sigmoid(z), sigmoid(z))``: nothing behind the head need know.
    """

    def __init__(self, in_features: int, num_labels: int, *, binary_sigmoid: bool = False) -> None:
        super().__init__(in_features, 1 if binary_sigmoid else num_labels)
        self.binary_sigmoid = binary_sigmoid

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(B, C)``."""
        logits = F.linear(features, self.weight, self.bias)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.binary_sigmoid else logits
