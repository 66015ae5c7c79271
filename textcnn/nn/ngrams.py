"""Vectors of word n-grams, hashed to the rows of one table (Joulin et al. 2016, arXiv 1607.01759, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from textcnn.text.batching import Batch

MULTIPLIER = 6364136223846793005  # of the linear congruential generator MMIX (Knuth)


class HashedNgrams(nn.Module):
    """The sum of the vectors of a text's n-grams of 2 to ``longest`` words: ``Batch -> (B, D)``, and how many they are.

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
        """Sums ``(B, D)``, and ``(B,)`` n-grams of each text."""
        rows, texts = self.rows_of(batch)
        order = texts.argsort(stable=True)
        counts = torch.bincount(texts, minlength=batch.num_rows)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return self.table(rows[order], offsets), counts

    def rows_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The row of every n-gram, shorter ones first, and the text it stands in."""
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
