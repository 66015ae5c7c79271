"""The padded view of a batch of texts, for networks that read places side by side."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from textcnn.text.batching import Batch


def padded_vectors(embedded: Tensor, batch: Batch) -> Tensor:
    """Vectors of every token, ``(B, T, D)``, zeros behind each text; T is 1 at least, so that every layer can run."""
    vectors = torch.cat([embedded, embedded.new_zeros(1, embedded.shape[1])])
    index = batch.padded()
    if index.shape[1] == 0:  # only empty texts
        index = index.new_full((batch.num_rows, 1), len(embedded))
    return F.embedding(index, vectors)


def zero_empty(features: Tensor, lengths: Tensor) -> Tensor:
    """``features (B, F)`` with zeros for texts without a token: what they get from the head is its bias alone."""
    return features.masked_fill((lengths == 0)[:, None], 0.0)
