"""Deep pyramid CNN: convolution pairs with shortcuts, each on half the steps (Johnson & Zhang 2017, ACL P17-1052)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from textcnn.nn.blocks import HALVING, ConvBlock
from textcnn.nn.dropout import Dropout
from textcnn.nn.norms import mask_places
from textcnn.nn.pooling import padded_vectors, pool_time
from textcnn.tokenization.batch import Batch


class PyramidBlock(nn.Module):
    """Pre-activation residual block ``x + f(x)``, f two convolutions; the shortcut has no activation.

    Args:
        num_filters: channels in and out.
    """

    def __init__(self, num_filters: int) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        self.first = ConvBlock(1, num_filters, num_filters, 3, padding="same", activation="relu")
        self.second = ConvBlock(1, num_filters, num_filters, 3, padding="same", activation="identity")

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map ``(B, F, T)`` to the same shape."""
        summed: Tensor = x + self.second(self.first(self.activation(x), lengths), lengths)
        return summed


class DPCNNEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: a region embedding of three words, then blocks that each halve the text.

    The channels stay F, so each block costs half as much as the one before, and all together less than two of them.
    The paper halves until one place is left; here the number of blocks is fixed, a text of one place stays one, and
    the maximum over time takes the rest. Parameters: ``F * (3 D + 1) + 2 * num_blocks * F * (3 F + 1)``.

    Args:
        embedding_dim: D.
        num_filters: F; 250 in the paper.
        num_blocks: pairs of convolutions; 7 in the paper, for documents.
        dropout: share of the features set to 0 in training.
    """

    def __init__(
        self, embedding_dim: int, *, num_filters: int = 128, num_blocks: int = 3, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.region = ConvBlock(1, embedding_dim, num_filters, 3, padding="same", activation="identity")
        self.blocks = nn.ModuleList(PyramidBlock(num_filters) for _ in range(num_blocks))
        self.halve = nn.MaxPool1d(HALVING["pool_size"], HALVING["pool_stride"], HALVING["pool_padding"])
        self.dropout = Dropout(dropout)
        self.out_features = num_filters

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        lengths = batch.lengths
        x = self.region(padded_vectors(embedded, batch).transpose(1, 2), lengths)
        for number, block in enumerate(self.blocks):
            if number:
                x = self.halve(mask_places(x, lengths, float("-inf")))
                lengths = (lengths + 1) // 2
                x = mask_places(x, lengths)
            x = block(x, lengths)
        return cast("Tensor", self.dropout(pool_time(x.transpose(1, 2), lengths, "max")))
