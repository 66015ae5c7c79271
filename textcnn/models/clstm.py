"""C-LSTM: windows of words by convolution, read in order by an LSTM (Zhou et al. 2015, arXiv 1511.08630)."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from textcnn.models.recurrent import RecurrentLayer, StatePooling
from textcnn.nn.blocks import ConvBlock
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import padded_vectors
from textcnn.tokenization.batch import Batch


class CLSTMEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, H)``: an LSTM over unpooled convolution windows, one for every word.

    The convolution keeps the length, where the paper loses ``h - 1`` windows: a text of one word has one.
    Parameters: ``F * (D * h + 1)`` and for each direction ``4 H (F + H + 2)``.

    Args:
        embedding_dim: D.
        num_filters: F; 150 in the paper.
        kernel_size: h, odd; 3 in the paper.
        hidden_size: H, units of one direction; 150 in the paper.
        bidirectional: a second net reads backwards; the features are then twice ``hidden_size``.
        pooling: a name of :data:`textcnn.models.recurrent.STATE_POOLINGS`; ``last`` in the paper.
        dropout: share set to 0 in training, of the word vectors and of the features.

    Raises:
        ConfigError: an unknown pooling, or an even width.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        num_filters: int = 128,
        kernel_size: int = 3,
        hidden_size: int = 128,
        bidirectional: bool = False,
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.out_features = hidden_size * (2 if bidirectional else 1)
        self.windows = ConvBlock(1, embedding_dim, num_filters, kernel_size, padding="same")
        self.layer = RecurrentLayer(nn.LSTM, num_filters, hidden_size, bidirectional=bidirectional)
        self.pool = StatePooling(pooling, self.out_features, bidirectional=bidirectional)
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, H)`` from the vectors ``(U, D)`` of the batch's unique types."""
        words = self.dropout(padded_vectors(embedded, batch))
        windows = self.windows(words.transpose(1, 2), batch.lengths).transpose(1, 2)
        states = self.layer(windows, batch.lengths)
        return cast("Tensor", self.dropout(self.pool(states, batch.lengths)))
