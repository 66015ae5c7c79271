"""Temporal convolutional network: causal, dilated, residual (Bai, Kolter & Koltun 2018, arXiv 1803.01271)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.block_variants import ResidualBlock
from textcnn.nn.blocks import Stack
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import POOLINGS, padded_vectors, pool_time
from textcnn.tokenization.batch import Batch


class TCNEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: causal residual blocks whose dilation doubles: 1, 2, 4, ... words.

    A unit sees ``1 + 2 (h - 1) (2^num_blocks - 1)`` words back. The paper normalises weights; ``norm`` takes its
    place. Parameters: two convolutions a block, ``F * (I * h + 1) + F * (F * h + 1)`` with I = D at first and then F;
    each norm 2 F; where D is not F, ``F * (D + 1)`` and a norm for the shortcut.

    Args:
        embedding_dim: D.
        num_filters: F.
        num_blocks: number of blocks.
        kernel_size: h.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        pooling: ``max``, ``mean`` or ``last``; the last word has seen all before it, as the paper has it.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: an unknown pooling or norm.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        num_filters: int = 128,
        num_blocks: int = 3,
        kernel_size: int = 3,
        norm: str = "batch",
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ConfigError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        depths = [embedding_dim, *[num_filters] * (num_blocks - 1)]
        self.blocks = Stack(
            ResidualBlock(1, depth, num_filters, kernel_size, padding="causal", dilation=2**number, norm=norm)
            for number, depth in enumerate(depths)
        )
        self.pooling = pooling
        self.dropout = Dropout(dropout)
        self.out_features = num_filters

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        x, lengths = self.blocks(padded_vectors(embedded, batch).transpose(1, 2), batch.lengths)
        return cast("Tensor", self.dropout(pool_time(x.transpose(1, 2), lengths, self.pooling)))
