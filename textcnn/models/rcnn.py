"""Recurrent CNN: each word with its left and right context, then max over time (Lai et al. 2015, AAAI)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.errors import ConfigError
from textcnn.models.recurrent import Cell, RecurrentLayer
from textcnn.nn.dropout import Dropout
from textcnn.nn.norms import mask_places
from textcnn.nn.pooling import padded_vectors, pool_time
from textcnn.tokenization.batch import Batch

CELLS: Mapping[str, Cell] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class RCNNEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: ``tanh(W [left context; word; right context] + b)``, then max over time.

    The left context of a word is the state of a recurrent net just before it, the right context that of a backward net
    just after it; neither has read the word itself. Parameters, with g = 1, 3 or 4 gates for rnn, gru and lstm:
    ``2 g H (D + H + 2) + F * (2 H + D + 1)``.

    Args:
        embedding_dim: D.
        cell: ``rnn`` (the paper), ``gru`` or ``lstm``.
        hidden_size: H, width of one context; 50 in the paper.
        num_features: F; 100 in the paper.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: an unknown cell.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        cell: str = "rnn",
        hidden_size: int = 64,
        num_features: int = 128,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ConfigError(f"cell of 'rcnn' must be one of {', '.join(CELLS)}, got {cell!r}")
        self.contexts = RecurrentLayer(CELLS[cell], embedding_dim, hidden_size, bidirectional=True)
        self.project = nn.Linear(2 * hidden_size + embedding_dim, num_features)
        self.dropout = Dropout(dropout)
        self.out_features = num_features

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        words, lengths = padded_vectors(embedded, batch), batch.lengths
        states = mask_places(self.contexts(words, lengths).transpose(1, 2), lengths).transpose(1, 2)
        forwards, backwards = states.chunk(2, 2)  # (B, T, H) each
        left = F.pad(forwards, (0, 0, 1, 0))[:, :-1]  # of the word before
        right = F.pad(backwards, (0, 0, 0, 1))[:, 1:]  # state at the next word
        latent = self.project(torch.cat([left, words, right], 2)).tanh()
        return cast("Tensor", self.dropout(pool_time(latent, lengths, "max")))
