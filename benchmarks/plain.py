"""Plain PyTorch text classifiers, as one writes them without this library: dense gradients and dense AdamW."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainCNN(nn.Module):
    """``(B, T)`` ids to logits ``(B, C)``: ``nn.Embedding``, ``nn.Conv1d`` of each size, ReLU, maximum, dropout."""

    def __init__(self, num_types: int, dim: int, num_filters: int, sizes: tuple[int, ...], num_labels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_types, dim)
        self.encoder = nn.ModuleList(nn.Conv1d(dim, num_filters, size, padding=size - 1) for size in sizes)
        self.head = nn.Linear(num_filters * len(sizes), num_labels)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of texts of one length."""
        x = self.embedding(ids).transpose(1, 2)  # (B, D, T)
        features = torch.cat([conv(x).amax(2) for conv in self.encoder], 1)
        logits: Tensor = self.head(F.dropout(F.relu(features), 0.5, self.training))
        return logits


class PlainBiLSTM(nn.Module):
    """``(B, T)`` ids to logits ``(B, C)``: ``nn.Embedding``, ``nn.LSTM`` in both directions, maximum, dropout."""

    def __init__(self, num_types: int, dim: int, hidden_size: int, num_labels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_types, dim)
        self.encoder = nn.LSTM(dim, hidden_size, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden_size, num_labels)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of texts of one length."""
        states: Tensor = self.encoder(self.embedding(ids))[0]
        logits: Tensor = self.head(F.dropout(states.amax(1), 0.5, self.training))
        return logits
