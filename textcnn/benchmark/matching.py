"""Recurrent nets of the size of a CNN: the hidden size whose encoder has as many parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFERENCE = "kim"
TOLERANCE = 0.1  # share by which the parameters of two matched encoders may differ


@dataclass(frozen=True)
class Baseline:
    """A recurrent net of one layer.

    Attributes:
        architecture: its name in the registry.
        gates: matrices of one direction: 1 in a simple RNN, 3 in a GRU, 4 in an LSTM.
        bidirectional: whether a second net reads backwards.
    """

    architecture: str
    gates: int
    bidirectional: bool = False

    def parameters(self, embedding_dim: int, hidden_size: int) -> int:
        """Weights and biases: for each gate and direction ``H * (D + H + 2)``, as torch has two biases a unit."""
        return self._matrices * hidden_size * (embedding_dim + hidden_size + 2)

    def matching_hidden_size(self, embedding_dim: int, target: int) -> int:
        """The H, 1 or more, whose :meth:`parameters` are nearest to ``target``: the root of a quadratic, rounded."""
        half = (embedding_dim + 2) / 2
        below = max(int(math.sqrt(half**2 + target / self._matrices) - half), 1)
        return min((below, below + 1), key=lambda size: abs(self.parameters(embedding_dim, size) - target))

    def settings(self, hidden_size: int) -> dict[str, Any]:
        """Settings of the architecture at that hidden size."""
        return {"hidden_size": hidden_size, **({"bidirectional": True} if self.bidirectional else {})}

    @property
    def _matrices(self) -> int:
        return self.gates * (2 if self.bidirectional else 1)


BASELINES: Mapping[str, Baseline] = {
    "rnn": Baseline("rnn", 1),
    "gru": Baseline("gru", 3),
    "lstm": Baseline("lstm", 4),
    "bilstm": Baseline("lstm", 4, bidirectional=True),
}
