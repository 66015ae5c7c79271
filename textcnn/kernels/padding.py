"""The padded view of a ragged batch; padding is known by lengths alone, never by an id."""

from __future__ import annotations

import torch
from torch import Tensor


def padded_index(inverse: Tensor, offsets: Tensor, filler: int) -> Tensor:
    """Ragged ``inverse (N,)`` as ``(B, T)``, T the longest text's length; places behind a text hold ``filler``."""
    lengths = torch.diff(offsets)
    longest = int(lengths.max()) if len(lengths) else 0
    index = inverse.new_full((len(lengths), longest), filler)
    index[torch.arange(longest, device=index.device) < lengths[:, None]] = inverse
    return index
