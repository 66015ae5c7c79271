"""Recurrent baselines: simple RNN, GRU and LSTM over the words, each text read up to its own length."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from textcnn.errors import ConfigError
from textcnn.nn.dropout import Dropout
from textcnn.nn.pooling import POOLINGS, AttentionPooling, padded_vectors, pool_time
from textcnn.tokenization.batch import Batch

Cell = type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]


class RecurrentLayer(nn.Module):
    """Recurrent layer ``(B, T, D) -> (B, T, F)``, bidirectional if asked.

    Texts are not packed: a state depends on earlier steps only, so padding does not reach it, and torch's packed loop
    is several times slower on a CPU. The second net reads each text from its own last word.
    """

    def __init__(self, cell: Cell, input_size: int, hidden_size: int, *, bidirectional: bool) -> None:
        super().__init__()
        self.forwards = cell(input_size, hidden_size, batch_first=True)
        self.backwards = cell(input_size, hidden_size, batch_first=True) if bidirectional else None

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return the states of every step; those of padding are meaningless."""
        states: Tensor = self.forwards(x)[0]
        if self.backwards is None:
            return states
        reverse = reversed_steps(lengths, x.shape[1])
        against: Tensor = self.backwards(take_steps(x, reverse))[0]
        return torch.cat([states, take_steps(against, reverse)], 2)


STATE_POOLINGS = (*POOLINGS, "attention")


class StatePooling(nn.Module):
    """Pools states ``(B, T, F)`` to ``(B, F)`` by ``max``, ``mean``, ``last`` or ``attention``.

    Args:
        pooling: ``last`` is the final state of each direction: a backward net has read the whole text at its start.
        num_features: F, of both directions.
        bidirectional: the second half of the states is that of a net that reads backwards.

    Raises:
        ConfigError: there is no such pooling.
    """

    def __init__(self, pooling: str, num_features: int, *, bidirectional: bool) -> None:
        super().__init__()
        if pooling not in STATE_POOLINGS:
            raise ConfigError(f"pooling must be one of {', '.join(STATE_POOLINGS)}, got {pooling!r}")
        self.pooling, self.bidirectional = pooling, bidirectional
        self.attention = AttentionPooling(num_features) if pooling == "attention" else None

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Pool the first ``lengths (B,)`` steps; a text without steps gives zeros."""
        if self.attention is not None:
            pooled: Tensor = self.attention(states, lengths)
            return pooled
        if self.pooling != "last" or not self.bidirectional:
            return pool_time(states, lengths, self.pooling)
        forwards, backwards = states.chunk(2, dim=2)
        first = pool_time(backwards[:, :1], lengths.clamp(max=1), "last")
        return torch.cat([pool_time(forwards, lengths, "last"), first], 1)


def reversed_steps(lengths: Tensor, num_steps: int) -> Tensor:
    """Return step indices ``(B, T)`` that reverse each text and leave padding in place; it is its own inverse."""
    steps = torch.arange(num_steps, device=lengths.device)
    return torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)


def take_steps(x: Tensor, steps: Tensor) -> Tensor:
    """Reorder ``x (B, T, F)`` by the step indices ``steps (B, T)``."""
    return x.gather(1, steps[..., None].expand(-1, -1, x.shape[2]))


class _RecurrentEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: pooled states of a recurrent net.

    Parameters of one direction of a layer that reads I values: ``gates * H * (I + H + 2)``, H the hidden size, with 1
    gate for rnn, 3 for gru, 4 for lstm. Attention pooling adds ``F * (F + 2)``.

    Args:
        embedding_dim: D.
        hidden_size: units of one direction.
        num_layers: nets on top of each other.
        bidirectional: a second net reads backwards; F is then twice ``hidden_size``.
        pooling: a name of :data:`STATE_POOLINGS`.
        dropout: share of the features set to 0 in training.

    Raises:
        ConfigError: an unknown pooling.
    """

    cell: ClassVar[Cell]

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
        self.out_features = hidden_size * (2 if bidirectional else 1)
        sizes = [embedding_dim, *[self.out_features] * (num_layers - 1)]
        layers = [RecurrentLayer(self.cell, size, hidden_size, bidirectional=bidirectional) for size in sizes]
        self.layers = nn.ModuleList(layers)
        self.pool = StatePooling(pooling, self.out_features, bidirectional=bidirectional)
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        states = padded_vectors(embedded, batch)  # (B, T, D)
        for layer in self.layers:
            states = layer(states, batch.lengths)  # (B, T, F)
        features: Tensor = self.dropout(self.pool(states, batch.lengths))
        return features


class RNNEncoder(_RecurrentEncoder):
    """Simple recurrent network (Elman 1990); arguments as for every recurrent encoder of this file."""

    cell = nn.RNN


class GRUEncoder(_RecurrentEncoder):
    """Gated recurrent units (Cho et al. 2014, arXiv 1406.1078)."""

    cell = nn.GRU


class LSTMEncoder(_RecurrentEncoder):
    """Long short-term memory (Hochreiter & Schmidhuber 1997)."""

    cell = nn.LSTM
