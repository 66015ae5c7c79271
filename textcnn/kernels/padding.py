"""The padded view of a ragged batch; padding is known by lengths alone, never by an id."""

from __future__ import annotations

import torch
from torch import Tensor


def is_exporting() -> bool:
    """Whether a graph is being recorded from a run: no shape may depend on what tensors hold."""
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()


def padded_index(inverse: Tensor, offsets: Tensor, filler: int) -> Tensor:
    """Ragged ``inverse (N,)`` as ``(B, T)``, T the longest text's length; places behind a text hold ``filler``."""
    lengths = torch.diff(offsets)
    longest = int(lengths.max()) if len(lengths) else 0
    index = inverse.new_full((len(lengths), longest), filler)
    index[torch.arange(longest, device=index.device) < lengths[:, None]] = inverse
    return index
