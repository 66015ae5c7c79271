"""Kim's text CNN: one convolution layer of several widths, max over time (Kim 2014, arXiv 1408.5882)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textcnn.models.kim_settings import KimSettings
from textcnn.nn.blocks import make_activation
from textcnn.nn.dropout import Dropout, running_step
from textcnn.nn.pooling import k_max, mean_of_types, padded_vectors, pool_time
from textcnn.nn.reference import conv_max
from textcnn.tokenization.batch import Batch, is_exporting


class KimEncoder(nn.Module):
    """Encoder ``(U, D) -> (B, F)``: filters over windows of words, max-pooled over time, activation, dropout.

    ``pooling`` appends the mean of the word vectors, without dropout, or selects another pooling over the windows.

    Windows reach over both ends, so a text of one word is seen by every width. With nested widths one bank of filters
    of K = max(h) taps serves all G widths: the score of a window of h words is the sum of the first h taps and of a
    bias of that width. Parameters: ``num_filters * (D * K + G)``; without, ``sum over h of num_filters * (D * h + 1)``.
    Kim 2014 has h = 3, 4, 5 without nesting, 100 filters each, ReLU, dropout 0.5.

    Args:
        embedding_dim: D.
        kernel_sizes: widths h of the windows, in words; nested, they are taken once each, the smallest first.
        num_filters: filters of each width.
        nested: all widths share one bank of filters; otherwise each has filters of its own, as in the paper.
        pooling: ``max+mean``: F is the filters of all widths and D; ``max``: the filters alone, as in the paper.
            ``kmax``: the ``k`` largest of each filter, in the order of the text (Kalchbrenner et al. 2014, 1404.2188).
            ``average``: the mean of each filter over all windows; ``max+average``: both of each filter.
        k: values kept of each filter by ``kmax``.
        activation: one of :data:`textcnn.models.kim_settings.MONOTONE`.
        dropout: share of the pooled features set to 0 in training.
        shared_dropout: drop the same filters in all texts of a batch.

    Raises:
        ConfigError: a value outside its range.
    """

    def __init__(
        self,
        embedding_dim: int,
        *,
        kernel_sizes: Sequence[int] = KimSettings.kernel_sizes,
        num_filters: int = KimSettings.num_filters,
        nested: bool = KimSettings.nested,
        pooling: str = KimSettings.pooling,
        k: int = KimSettings.k,
        activation: str = KimSettings.activation,
        dropout: float = KimSettings.dropout,
        shared_dropout: bool = KimSettings.shared_dropout,
    ) -> None:
        super().__init__()
        settings = KimSettings(kernel_sizes, num_filters, nested, pooling, k, activation, dropout, shared_dropout)
        self.nested, self.sizes = nested, settings.widths
        if nested:
            self.bank = nn.Conv1d(embedding_dim, num_filters, self.sizes[-1], bias=False)
            self.bias = nn.Parameter(torch.zeros(len(self.sizes), num_filters))
        else:
            self.convs = nn.ModuleList(nn.Conv1d(embedding_dim, num_filters, size) for size in self.sizes)
        self.activation = make_activation(activation)
        self.dropout = Dropout(dropout)
        self.shared_dropout = shared_dropout
        self.pooling, self.k = pooling, k
        self.num_maxima = settings.num_maxima
        self.out_features = settings.out_features(embedding_dim)

    def filters(self) -> list[tuple[Tensor, Tensor]]:
        """Return weights ``(num_filters, D, h)`` and biases ``(num_filters,)`` of every width h in ``sizes``."""
        if self.nested:
            return [(self.bank.weight[:, :, :size], bias) for size, bias in zip(self.sizes, self.bias, strict=True)]
        return [(conv.get_parameter("weight"), conv.get_parameter("bias")) for conv in self.convs]

    def forward(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return features ``(B, F)`` from the vectors ``(U, D)`` of the batch's unique types."""
        if self.pooling in ("max", "max+mean") and not is_exporting():
            return self._maxima(embedded, batch)
        words = padded_vectors(embedded, batch).transpose(1, 2)  # (B, D, T)
        pooled = [self._pool(*width, words, batch.lengths) for width in self.filters()]
        if self.pooling == "max+mean":
            pooled.append(mean_of_types(embedded, batch))
        dropped: Tensor = self.dropout(torch.cat(pooled, 1))
        return dropped

    def _pool(self, weight: Tensor, bias: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
        """Apply the filters of one width and pool over the T + h - 1 windows that overlap the text."""
        overhang = weight.shape[2] - 1
        scores = F.conv1d(words, weight, bias, padding=overhang)
        values = self.activation(scores).transpose(1, 2)  # (B, T + h - 1, filters)
        windows = torch.where(lengths > 0, lengths + overhang, 0)
        if self.pooling == "kmax":
            return k_max(values, windows, self.k)
        if self.pooling in ("max", "max+mean"):
            return pool_time(values, windows, "max")
        average = pool_time(values, windows, "mean")
        if self.pooling == "average":
            return average
        return torch.cat([pool_time(values, windows, "max"), average], 1)

    def _maxima(self, embedded: Tensor, batch: Batch) -> Tensor:
        """Return the maximum of every filter by the fused kernel, which computes each type's products once."""
        keep = None
        if self.training and self.dropout.p:
            chance = self._chance(batch.num_rows, embedded.device)
            keep = (chance >= self.dropout.p).to(embedded.dtype).expand(batch.num_rows, -1)
        weights, biases = zip(*self.filters(), strict=True)
        scores = conv_max(embedded, weights, biases, batch.inverse, batch.offsets, keep)
        maxima: Tensor = self.activation(scores)  # (B, filters); activation(0) is 0: a dropped feature stays 0
        if keep is not None:
            maxima = maxima / (1 - self.dropout.p)
        if self.pooling == "max":
            return maxima
        return torch.cat([maxima, mean_of_types(embedded, batch)], 1)  # (B, filters + D)

    def _chance(self, num_rows: int, device: torch.device) -> Tensor:
        """Return a number in [0, 1) for every feature of every row, or one row shared by all."""
        step = running_step()
        if step is not None:
            return step.uniform(self.num_maxima, shared=self.shared_dropout).to(device)
        return torch.rand(1 if self.shared_dropout else num_rows, self.num_maxima, device=device)
