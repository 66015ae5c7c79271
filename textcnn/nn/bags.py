"""A table whose rows are added up in bags: n-grams of a word, features of a text."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn import kernels


class WeightedBag(nn.EmbeddingBag):
    """``nn.EmbeddingBag`` of mode ``sum`` with sparse gradients, summed by :func:`textcnn.kernels.bag_sum`.

    Args:
        num_embeddings: rows of the table.
        embedding_dim: their width D.
        merge: the sparse gradient may have one entry a row; otherwise it has one for each entry of a bag.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, merge: bool) -> None:
        super().__init__(num_embeddings, embedding_dim, mode="sum", sparse=True, include_last_offset=True)
        self.merge = merge

    def forward(self, rows: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:  # type: ignore[override]
        """Sums ``(K, D)`` of the rows ``(E,)`` by their weights ``(E,)``; bag k begins at ``offsets[k] (K + 1,)``."""
        return kernels.bag_sum(self.weight, rows, offsets, weights, sparse=True, merge=self.merge)
