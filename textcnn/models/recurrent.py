"""Recurrent baselines: simple RNN, GRU and LSTM over the words, packed by length."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textcnn.errors import ConfigError
from textcnn.nn.pooling import POOLINGS, pool_time
from textcnn.text.batching import Batch


class _RecurrentEncoder(nn.Module):
    """``(U, D) -> (B, F)``: a recurrent net reads each text by its own length; its states are pooled.

    Args:
        embedding_dim: D.
        hidden_size: units of one direction.
        num_layers: nets on top of each other.
        bidirectional: a second net reads backwards; F is then twice ``hidden_size``.
        pooling: ``last`` (the final state of each direction), ``max`` or ``mean`` over the states.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: an unknown pooling.
    """

    cell: ClassVar[type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]]

    def __init__(
        self,
        embedding_dim: int,
        *,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ConfigError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        self.net = self.cell(
            embedding_dim, hidden_size, num_layers=num_layers, batch_first=True, bidirectional=bidirectional
        )
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.out_features = hidden_size * (2 if bidirectional else 1)

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        vectors = torch.cat([embedded, embedded.new_zeros(1, embedded.shape[1])])
        index = batch.padded()
        if index.shape[1] == 0:  # only empty texts: one blank step, which the pooling ignores
            index = index.new_full((batch.num_rows, 1), len(embedded))
        tokens = F.embedding(index, vectors)  # (B, T, D)
        steps = batch.lengths.clamp(min=1).cpu()  # the packer wants a step from everybody, and lengths on the CPU
        packed = pack_padded_sequence(tokens, steps, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.net(packed)[0], batch_first=True)  # (B, T, F)
        features: Tensor = self.dropout(self._pool(states, batch.lengths))
        return features

    def _pool(self, states: Tensor, lengths: Tensor) -> Tensor:
        if self.pooling != "last" or not self.net.bidirectional:
            return pool_time(states, lengths, self.pooling)
        forward, backward = states.chunk(2, dim=2)
        # The backward net has read the whole text when it stands at the first word.
        first = pool_time(backward[:, :1], lengths.clamp(max=1), "last")
        return torch.cat([pool_time(forward, lengths, "last"), first], 1)


class RNNEncoder(_RecurrentEncoder):
    """Simple recurrent network (Elman 1990); arguments as for every recurrent encoder of this file."""

    cell = nn.RNN


class GRUEncoder(_RecurrentEncoder):
    """Gated recurrent units (Cho et al. 2014, arXiv 1406.1078)."""

    cell = nn.GRU


class LSTMEncoder(_RecurrentEncoder):
    """Long short-term memory (Hochreiter & Schmidhuber 1997)."""

    cell = nn.LSTM
