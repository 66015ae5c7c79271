"""Character CNN: six convolutions over characters, two dense layers (Zhang, Zhao & LeCun 2015, arXiv 1509.01626)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from textcnn.nn.blocks import ConvBlock, Stack
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import padded_vectors, pool_time, zero_empty
from textcnn.tokenization.batch import Batch

KERNEL_SIZES = (7, 7, 3, 3, 3, 3)
POOLED = (0, 1, 5)  # the layers that a pooling by 3 follows
THIRD: dict[str, Any] = {"pool": "max", "pool_size": 3, "pool_stride": 3, "pool_padding": 1}


class CharCNNEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, H)`` of characters; it needs no words.

    Characters are the tokens: with this architecture the setting ``tokenizer`` is ``char`` unless told otherwise, and
    D is the width of a learned vector of a character, where the paper has one-hot rows of 70 characters (the product of
    the first convolution with them is the same thing). Texts have their own lengths, so the maximum over time stands
    where the paper flattens 1014 places; a norm after each convolution lets small data sets train it.
    Parameters without norm: ``F * (7 D + 1) + F * (7 F + 1) + 4 F * (3 F + 1) + H * (F + 1) + H * (H + 1)``; each norm
    has 2 F.

    Args:
        embedding_dim: D.
        num_filters: F; 256 in the small net of the paper, 1024 in the large one.
        hidden_size: H, units of both dense layers; 1024 and 2048 in the paper.
        norm: a name of :data:`textcnn.nn.norms.NORMS`; ``none`` in the paper.
        dropout: share set to 0 in training, after each dense layer.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        num_filters: int = 128,
        hidden_size: int = 256,
        norm: str = "batch",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        depths = [embedding_dim, *[num_filters] * 5]
        self.blocks = Stack(
            ConvBlock(1, depth, num_filters, size, padding="same", norm=norm, **(THIRD if number in POOLED else {}))
            for number, (depth, size) in enumerate(zip(depths, KERNEL_SIZES, strict=True))
        )
        self.dense = nn.Sequential(
            nn.Linear(num_filters, hidden_size),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            Dropout(dropout),
        )
        self.out_features = hidden_size

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, H)`` from the vectors ``(U, D)`` of the batch's unique characters."""
        x, lengths = self.blocks(padded_vectors(embedded, batch).transpose(1, 2), batch.lengths)
        return zero_empty(self.dense(pool_time(x.transpose(1, 2), lengths, "max")), lengths)
