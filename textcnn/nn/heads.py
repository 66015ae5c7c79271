"""The classification head, and linear models over word n-grams and over character n-grams."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.nn import kernels
from textcnn.nn.embedding import WeightedBag
from textcnn.nn.ngram_weights import naive_bayes_table, num_bytes, smaller_table
from textcnn.tokenization.batch import Batch
from textcnn.tokenization.ngrams import WideFeatures, WideRows


class Head(nn.Linear):
    """Linear layer ``(B, F) -> (B, C)`` for a softmax (one label per text) or sigmoids (multi-label).

    Args:
        in_features: F.
        num_labels: C.
        binary_sigmoid: for two labels, one row z through a sigmoid instead of two through a softmax. The logits are
            then ``(0, z)``, whose softmax is ``(1 - sigmoid(z), sigmoid(z))``: nothing after the head needs to know.
    """

    def __init__(self, in_features: int, num_labels: int, *, binary_sigmoid: bool = False) -> None:
        super().__init__(in_features, 1 if binary_sigmoid else num_labels)
        self.binary_sigmoid = binary_sigmoid

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(B, C)``."""
        logits = F.linear(features, self.weight, self.bias)
        return torch.cat([torch.zeros_like(logits), logits], 1) if self.binary_sigmoid else logits


class CharacterBranch(nn.Module):
    """Linear model ``Batch -> (B, C)`` over character n-grams: the mean of its words' sums of n-gram rows.

    :mod:`textcnn.training.character_branch` fits it, not the trainer of the network.

    Args:
        num_ngrams: rows of the table, which are those of the embedding's n-gram table.
        num_labels: C.
    """

    def __init__(self, num_ngrams: int, num_labels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_ngrams, num_labels))
        self.bias = nn.Parameter(torch.zeros(num_labels))

    def forward(self, batch: Batch) -> Tensor:
        """Return logits ``(B, C)``."""
        assert batch.bag_rows is not None
        assert batch.bag_offsets is not None
        ones = torch.ones(len(batch.bag_rows), device=self.weight.device)
        words = kernels.bag_sum(self.weight, batch.bag_rows, batch.bag_offsets, ones)
        texts = torch.repeat_interleave(batch.lengths, output_size=batch.num_tokens)
        nothing = torch.zeros(batch.num_rows, words.shape[1], device=words.device)
        sums = nothing.index_add(0, texts, words[batch.inverse])
        return sums / batch.lengths.clamp(min=1)[:, None] + self.bias


class WideBranch(nn.Module):
    """Linear model ``Batch -> (B, C)`` over the n-grams seen in training (Wang & Manning 2012; Cheng et al. 2016).

    Args:
        num_features: rows of the table.
        num_labels: C. There is no bias: how frequent a label is, is known to the branch's loss and said by the
            head, once.
    """

    keys: Tensor
    idf: Tensor

    def __init__(self, num_features: int, num_labels: int) -> None:
        super().__init__()
        self.is_float16 = False  # whether the weights are float16 numbers, and so in a file
        self.table = WeightedBag(num_features, num_labels, merge=False)  # Adagrad counts every example of a row
        nn.init.zeros_(self.table.weight)
        self.register_buffer("keys", torch.zeros(num_features, dtype=torch.int64))
        self.register_buffer("idf", torch.zeros(num_features))

    @property
    def features(self) -> WideFeatures:
        """Return the n-gram of each row."""
        return WideFeatures(self.keys.cpu().numpy(), self.idf.cpu().numpy())

    @torch.no_grad()
    def fit_features(self, features: WideFeatures, rows: WideRows, targets: npt.NDArray[np.int64 | np.float32]) -> None:
        """Set the n-grams, and initialize the weights to scaled naive-Bayes weights of the training rows.

        Args:
            features: the n-grams of the training texts.
            rows: the features of every training text.
            targets: ``(N,)`` label ids, or ``(N, C)`` of 0 and 1.
        """
        self.keys.copy_(torch.from_numpy(features.keys))
        self.idf.copy_(torch.from_numpy(features.idf))
        size, num_labels = self.table.weight.shape
        self.table.weight.copy_(torch.from_numpy(naive_bayes_table(size, num_labels, rows, targets)))

    @torch.no_grad()
    def held_to(self, most: int) -> WideBranch:
        """Return the branch itself if it takes at most ``most`` bytes in a file, else a pruned copy that does.

        The copy's weights are rounded to float16 but stored as float32, so that file and memory give the same logits.
        Pruned n-grams are treated as unseen: they do not count in the norm of a text either.
        """
        size, num_labels = self.table.weight.shape
        if num_bytes(size, num_labels, float16=self.is_float16) <= most:
            return self
        table, kept = smaller_table(self.table.weight.numpy(), most)
        small = WideBranch(len(kept), num_labels)
        small.is_float16 = True
        small.table.weight.copy_(torch.from_numpy(table))
        small.keys.copy_(self.keys[torch.from_numpy(kept)])
        small.idf.copy_(self.idf[torch.from_numpy(kept)])
        return small.train(self.training)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits ``(B, C)``, zero for a text without a known n-gram."""
        logits: Tensor = self.table(batch.wide_rows, batch.wide_offsets, batch.wide_weights)
        return logits
