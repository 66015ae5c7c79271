"""Deep CNN: convolution, activation and pooling repeated, then max over time (LeCun 1998)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.block_variants import KINDS
from textcnn.nn.blocks import HALVING, Stack
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import padded_vectors, pool_time
from textcnn.tokenization.batch import Batch


class DeepEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: blocks that each halve the text, then the maximum over the remaining steps.

    Each block has the window 3 with stride 2, so that one word never vanishes; every further block sees twice as far.
    Parameters of plain blocks without norm: ``F * (D * h + 1)`` for the first, ``F * (F * h + 1)`` for each other, and
    2 F a block for a norm.

    Args:
        embedding_dim: D.
        kind: kind of the blocks, a name of :data:`textcnn.nn.block_variants.KINDS`.
        num_blocks: number of blocks.
        num_filters: F, channels of each.
        kernel_size: h, odd; of inception blocks several.
        norm: a name of :data:`textcnn.nn.norms.NORMS`.
        activation: a name of :data:`textcnn.nn.blocks.ACTIVATIONS`; none: that of the kind.
        pool: ``max``, ``average`` or ``none``.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: a value that the blocks do not take.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        kind: str = "plain",
        num_blocks: int = 2,
        num_filters: int = 128,
        kernel_size: int | Sequence[int] | None = None,
        norm: str = "batch",
        activation: str | None = None,
        pool: str = "max",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ConfigError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        options: dict[str, Any] = {"norm": norm, **({} if pool == "none" else {**HALVING, "pool": pool})}
        if kind == "plain":
            options.update(padding="same", kernel_size=3)
        options.update({} if kernel_size is None else {"kernel_size": kernel_size})
        options.update({} if activation is None else {"activation": activation})
        depths = [embedding_dim, *[num_filters] * num_blocks]
        self.blocks = Stack(KINDS[kind](1, depth, num_filters, **options) for depth in depths[:-1])
        self.dropout = Dropout(dropout)
        self.out_features = depths[-1]

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        x, lengths = self.blocks(padded_vectors(embedded, batch).transpose(1, 2), batch.lengths)
        features: Tensor = self.dropout(pool_time(x.transpose(1, 2), lengths, "max"))
        return features
