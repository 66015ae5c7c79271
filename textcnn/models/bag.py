"""Bag of words and word n-grams: the mean of their vectors (fastText; Joulin et al. 2016, arXiv 1607.01759)."""

from __future__ import annotations

from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.dropout import Dropout
from textcnn.nn.embedding import HashedNgrams
from textcnn.nn.pooling import mean_of_types
from textcnn.tokenization.batch import Batch


class BagEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, D)``: the mean of the vectors of all words and, if asked for, of all word n-grams.

    Without n-grams word order does not exist for it, and it has no parameters; with them, ``ngram_rows * D``.
    Character n-grams belong to the word vectors, and come with the setting ``subwords``.

    Args:
        embedding_dim: D.
        num_types: V, types of the vocabulary.
        word_ngrams: words of the longest n-gram; 1: words alone.
        ngram_rows: rows that n-grams of words are hashed to.
        dropout: share of the mean's entries set to 0 in training.

    Raises:
        ConfigError: ``word_ngrams`` or ``ngram_rows`` is below 1.
    """

    def __init__(
        self,
        embedding_dim: int,
        num_types: int,
        *,
        word_ngrams: int = 1,
        ngram_rows: int = 100_000,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if word_ngrams < 1 or ngram_rows < 1:
            raise ConfigError(f"word_ngrams and ngram_rows must be 1 or more, got {word_ngrams!r} and {ngram_rows!r}")
        self.ngrams = None
        if word_ngrams > 1:
            self.ngrams = HashedNgrams(num_types, embedding_dim, longest=word_ngrams, num_buckets=ngram_rows)
        self.dropout = Dropout(dropout)
        self.out_features = embedding_dim

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, D)`` from the vectors ``(U, D)`` of the batch's unique types."""
        mean = mean_of_types(embedded, batch)
        if self.ngrams is not None:
            sums, counts = self.ngrams(batch)
            lengths = batch.lengths[:, None]
            mean = (mean * lengths + sums) / (lengths + counts[:, None]).clamp(min=1)
        features: Tensor = self.dropout(mean)
        return features
