"""Word vectors, made once for each unique type of a batch."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.text.batching import Batch


class WordEmbedding(nn.Module):
    """A vector for each type: ``Batch -> (U, D)``.

    Rows start uniform in +-0.25 and have sparse gradients: a step touches only the rows of the batch's own types.

    Args:
        num_embeddings: V, the types of the vocabulary.
        embedding_dim: D.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        super().__init__()
        self.word = nn.Embedding(num_embeddings, embedding_dim, sparse=True)
        nn.init.uniform_(self.word.weight, -0.25, 0.25)

    @property
    def embedding_dim(self) -> int:
        """D, the width of a vector."""
        return self.word.embedding_dim

    def forward(self, batch: Batch) -> Tensor:
        """Vectors of the batch's unique types, ``(U, D)``."""
        vectors: Tensor = self.word(batch.unique)
        return vectors
