"""Gated convolutions: half the channels gate the other half (Dauphin et al. 2017, arXiv 1612.08083)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from textcnn.nn.block_variants import GatedBlock
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import padded_vectors, pool_time
from textcnn.tokenization.batch import Batch


class GatedEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: residual gated blocks at full length, then the maximum over time.

    The paper predicts the next word and pads in front; a classifier sees both sides. Parameters:
    ``2 F * (D * h + 1) + (num_blocks - 1) * 2 F * (F * h + 1)``.

    Args:
        embedding_dim: D.
        num_filters: F.
        num_blocks: number of blocks.
        kernel_size: h, odd.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        dropout: share of the features set to 0 in training.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        num_filters: int = 128,
        num_blocks: int = 2,
        kernel_size: int = 3,
        norm: str = "none",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        depths = [embedding_dim, *[num_filters] * (num_blocks - 1)]
        self.blocks = nn.ModuleList(GatedBlock(1, depth, num_filters, kernel_size, norm=norm) for depth in depths)
        self.dropout = Dropout(dropout)
        self.out_features = num_filters

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        x, lengths = padded_vectors(embedded, batch).transpose(1, 2), batch.lengths
        for number, block in enumerate(self.blocks):
            gated = block(x, lengths)
            x = x + gated if number else gated
        return cast("Tensor", self.dropout(pool_time(x.transpose(1, 2), lengths, "max")))
