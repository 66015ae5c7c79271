"""A bag of words: the mean of the word vectors (Joulin et al. 2016, arXiv 1607.01759)."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.nn.pooling import mean_of_types
from textcnn.text.batching import Batch


class BagEncoder(nn.Module):
    """``(U, D) -> (B, D)``: word order does not exist for it. It has no parameters.

    Args:
        embedding_dim: D.
        dropout: share of the mean's entries set to 0 in training.
    """

    def __init__(self, embedding_dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out_features = embedding_dim

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Features ``(B, D)`` from the vectors ``(U, D)`` of the batch's unique types."""
        features: Tensor = self.dropout(mean_of_types(embedded, batch.inverse, batch.offsets))
        return features
