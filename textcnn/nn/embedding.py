"""Embedding tables whose rows are summed in bags: n-grams of a word, features of a text."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.nn import kernels
from textcnn.tokenization.batch import Batch, is_exporting


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
        """Return sums ``(K, D)`` of the rows ``(E,)`` by weights ``(E,)``; bag k begins at ``offsets[k] (K + 1,)``."""
        return kernels.bag_sum(self.weight, rows, offsets, weights, sparse=True, merge=self.merge)


MULTIPLIER = 6364136223846793005  # of the linear congruential generator MMIX (Knuth)


class HashedNgrams(nn.Module):
    """Sum of the hashed n-gram vectors of a text, of 2 to ``longest`` words: ``Batch -> (B, D)``, and their number.

    The bucket of an n-gram is a fixed function of its type ids, and artifacts rely on it: from the first id on, the
    code is multiplied by :data:`MULTIPLIER` and the next id plus 1 added, modulo 2^64; its upper half modulo
    ``num_buckets`` is the row. N-grams with a word that the vocabulary does not have are left out. Rows start at 0: an
    n-gram says what its words alone do not.

    Args:
        num_types: V, types of the vocabulary.
        embedding_dim: D.
        longest: words of the longest n-gram.
        num_buckets: rows of the table.
    """

    def __init__(self, num_types: int, embedding_dim: int, *, longest: int, num_buckets: int) -> None:
        super().__init__()
        self.num_types, self.longest = num_types, longest
        self.table = nn.EmbeddingBag(num_buckets, embedding_dim, mode="sum", sparse=True, include_last_offset=True)
        nn.init.zeros_(self.table.weight)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return sums ``(B, D)`` and the number of n-grams of each text ``(B,)``."""
        rows, texts = self.rows_of(batch)
        order = texts.argsort(stable=True)
        counts = torch.bincount(texts, minlength=batch.num_rows)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return self.table(rows[order], offsets), counts

    def rows_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the table row of every n-gram, shorter ones first, and the text that it occurs in."""
        ids = batch.unique[batch.inverse]
        text = torch.repeat_interleave(torch.arange(batch.num_rows, device=ids.device), batch.lengths)
        known = ids < self.num_types
        code, whole = ids + 1, known
        rows, texts = [], []
        for n in range(2, self.longest + 1):
            code = code[:-1] * MULTIPLIER + ids[n - 1 :] + 1
            whole = whole[:-1] & known[n - 1 :] & (text[n - 1 :] == text[: len(text) - n + 1])
            rows.append((code[whole] >> 32) % self.table.num_embeddings)
            texts.append(text[: len(code)][whole])
        return torch.cat(rows), torch.cat(texts)


Combine = Literal["mean", "add"]
RANGE = 0.25  # word rows start uniform in +-RANGE


class WordEmbedding(nn.Module):
    """Vector of each unique type: ``Batch -> (U, D)`` (n-grams: Bojanowski et al. 2017, arXiv 1607.04606).

    ``combine="mean"``: the mean of the word's row and its n-gram rows. ``"add"``: the word's row plus the mean of its
    n-gram rows, which then start at 0; for pretrained word rows. A type outside the vocabulary has no word row and is
    made of its n-grams alone. All rows have sparse gradients: a step touches only those of the batch.

    Args:
        num_embeddings: V, the types of the vocabulary.
        embedding_dim: D.
        num_ngrams: rows of the n-gram table; 0: words only.
        combine: ``mean`` or ``add``.
        static: word rows stay as they are; n-gram rows are trained in any case.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        num_ngrams: int = 0,
        combine: Combine = "mean",
        static: bool = False,
    ) -> None:
        super().__init__()
        self.combine = combine
        self.word = nn.Embedding(num_embeddings, embedding_dim, sparse=True)
        nn.init.uniform_(self.word.weight, -RANGE, RANGE)
        self.word.weight.requires_grad_(not static)
        self.ngram: WeightedBag | None = None
        if num_ngrams:
            self.ngram = WeightedBag(num_ngrams, embedding_dim, merge=True)
            spread = 0.0 if combine == "add" else RANGE / 3**0.5  # the standard deviation of the word rows
            nn.init.normal_(self.ngram.weight, 0.0, spread)

    @property
    def num_embeddings(self) -> int:
        """V, the types of the vocabulary."""
        return self.word.num_embeddings

    @property
    def embedding_dim(self) -> int:
        """D, the width of a vector."""
        return self.word.embedding_dim

    @property
    def num_ngrams(self) -> int:
        """Rows of the n-gram table."""
        return 0 if self.ngram is None else self.ngram.num_embeddings

    @torch.no_grad()
    def set_rows(self, rows: Tensor) -> None:
        """Replace the word rows by ``rows (V, D)``."""
        self.word.weight.copy_(rows)

    def forward(self, batch: Batch) -> Tensor:
        """Return the vectors of the batch's unique types, ``(U, D)``."""
        own, known = self._word_rows(batch.unique)
        if self.ngram is None or batch.bag_rows is None:
            return own
        assert batch.bag_offsets is not None
        counts = torch.diff(batch.bag_offsets)
        shares = 1 / (counts if self.combine == "add" else counts + known).clamp(min=1).to(own.dtype)
        weights = torch.repeat_interleave(shares, counts, output_size=len(batch.bag_rows))
        ngrams: Tensor = self.ngram(batch.bag_rows, batch.bag_offsets, weights)  # (U, D)
        return own + ngrams if self.combine == "add" else own * shares[:, None] + ngrams

    def _word_rows(self, unique: Tensor) -> tuple[Tensor, Tensor]:
        """Return the word row of every (ascending) type, 0 if it has none, and a mask of those that have one."""
        known = unique < self.word.num_embeddings
        own: Tensor
        if is_exporting():  # no shape may depend on the ids
            own = self.word(torch.where(known, unique, 0)) * known[:, None]
        else:
            num_known = int(known.sum())
            own = self.word(unique[:num_known])
            if num_known < len(unique):
                own = F.pad(own, (0, 0, 0, len(unique) - num_known))
        return own, known


class MultichannelEmbedding(nn.Module):
    """Two concatenated vectors for each unique type: ``Batch -> (U, 2 D)`` (Kim 2014, section 2; ADR 8).

    Both channels start from the same pretrained rows. ``static`` keeps them and has no n-grams; ``tuned`` is trained.

    Args:
        num_embeddings: V, the types of the vocabulary.
        embedding_dim: D, the width of one channel.
        num_ngrams: rows of the n-gram table of the tuned channel; 0: words only.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, num_ngrams: int = 0) -> None:
        super().__init__()
        self.static = WordEmbedding(num_embeddings, embedding_dim, static=True)
        self.tuned = WordEmbedding(num_embeddings, embedding_dim, num_ngrams=num_ngrams, combine="add")

    @property
    def num_embeddings(self) -> int:
        """V, the types of the vocabulary."""
        return self.tuned.num_embeddings

    @property
    def embedding_dim(self) -> int:
        """2 D, the width that an encoder sees."""
        return self.static.embedding_dim + self.tuned.embedding_dim

    @property
    def num_ngrams(self) -> int:
        """Rows of the n-gram table."""
        return self.tuned.num_ngrams

    def set_rows(self, rows: Tensor) -> None:
        """Replace the word rows of both channels by ``rows (V, D)``."""
        self.static.set_rows(rows)
        self.tuned.set_rows(rows)

    def forward(self, batch: Batch) -> Tensor:
        """Return the vectors of the batch's unique types, ``(U, 2 D)``."""
        return torch.cat([self.static(batch), self.tuned(batch)], 1)
