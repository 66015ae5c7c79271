"""Normalization layers over channels, for texts and images; the statistics of texts exclude padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from textcnn.errors import ConfigError
from textcnn.nn.dropout import running_step
from textcnn.tokenization.batch import is_exporting


def is_inside(x: Tensor, lengths: Tensor) -> Tensor:
    """Return a mask ``(B, 1, T)`` of the positions of ``x (B, C, T)`` that are within each text's length."""
    return (torch.arange(x.shape[2], device=x.device) < lengths[:, None])[:, None]


def mask_places(x: Tensor, lengths: Tensor | None, filler: float = 0.0) -> Tensor:
    """Return ``x (B, C, T)`` with ``filler`` from each length on; ``x`` itself if there is no padding."""
    if lengths is None:
        return x
    if not is_exporting() and (not len(lengths) or int(lengths.min()) >= x.shape[2]):
        return x
    return x.masked_fill(~is_inside(x, lengths), filler)


class BatchNorm(_BatchNorm):
    """Normalizes each channel by its mean and variance over a batch (Ioffe & Szegedy 2015, arXiv 1502.03167).

    Padding does not count. A batch of fewer than two places is normalised as in evaluation. Where a
    step has only a part of its batch here (:class:`textcnn.nn.dropout.Step`), mean and variance are those of all parts.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any number of dimensions: sequences and images share weights and formula."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalize ``(B, C, T)`` with lengths, or ``(B, C, ...)``."""
        step = running_step()
        total = step.total if step is not None and self.training else None
        if not self.training or (total is None and lengths is None and x[:, 0].numel() > 1):
            return super().forward(x)
        places = x.movedim(1, -1)
        inside = (
            places.new_ones(places.shape[:-1], dtype=torch.bool) if lengths is None else is_inside(x, lengths)[:, 0]
        )
        counted = places[inside]  # (places of all rows, C)
        if step is not None and total is not None:
            normal = self._in_parts(counted, total, counts=step.counts)
        else:
            normal = super().forward(counted) if len(counted) > 1 else None
        if normal is None:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        whole = torch.zeros_like(places)
        whole[inside] = normal
        return whole.movedim(-1, 1)

    def _in_parts(self, x: Tensor, total: Callable[[Tensor], Tensor], *, counts: bool) -> Tensor | None:
        """Normalize ``x (places, C)``, a part of a batch, by statistics of all parts; none for fewer than 2 places.

        Two sums, so that a variance is never the difference of two large numbers; in the precision of the running mean,
        which stays float32 under bfloat16.
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        precise = x.to(self.running_mean.dtype)
        own = precise if counts else precise[:0]
        sums = total(torch.cat([own.sum(0), own.new_full((1,), len(own))]))
        count = round(float(sums[-1].detach()))
        if count < 2:
            return None
        mean = sums[:-1] / count
        variance = total((own - mean).square().sum(0)) / count
        with torch.no_grad():
            share = self.momentum if self.momentum is not None else 0.1
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * count / (count - 1), share)
            self.num_batches_tracked.add_(1)
        return ((precise - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias).to(x.dtype)


class LayerNorm(nn.LayerNorm):
    """Normalizes all channels of one position together (Ba et al. 2016, arXiv 1607.06450)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalize ``(B, C, ...)``; no position depends on another."""
        return super().forward(x.movedim(1, -1)).movedim(x.ndim - 1, 1)


class GroupNorm(nn.GroupNorm):
    """Normalizes each group of channels over the positions of one text or image (Wu & He 2018, arXiv 1803.08494)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Normalize ``(B, C, T)`` with lengths, excluding padding, or ``(B, C, ...)``."""
        if lengths is None:
            return super().forward(x)
        inside = is_inside(x, lengths)[:, None]  # (B, 1, 1, T)
        grouped = x.reshape(x.shape[0], self.num_groups, -1, x.shape[2])  # (B, G, C / G, T)
        count = (lengths * grouped.shape[2]).clamp(min=1)[:, None, None, None]
        mean = (grouped * inside).sum((2, 3), keepdim=True) / count
        variance = ((grouped - mean).square() * inside).sum((2, 3), keepdim=True) / count
        normal = ((grouped - mean) * torch.rsqrt(variance + self.eps)).flatten(1, 2)
        scaled: Tensor = normal * self.weight[:, None] + self.bias[:, None]
        return scaled


NORM_CLASSES = (BatchNorm, LayerNorm, GroupNorm)
GROUPS = 8  # of GroupNorm, or as many as divide both this and the channels
NORMS: Mapping[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": BatchNorm,
    "layer": LayerNorm,
    "group": lambda channels: GroupNorm(math.gcd(GROUPS, channels), channels),
}


def make_norm(name: str, channels: int) -> nn.Module | None:
    """Return the norm called ``name`` over ``channels`` channels; none for ``none``.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in NORMS:
        raise ConfigError(f"norm must be one of {', '.join(NORMS)}, got {name!r}")
    make = NORMS[name]
    return None if make is None else make(channels)
