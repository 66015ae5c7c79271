"""Batches of texts as tensors: ragged ids, their unique types, and a padded view for networks that need one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor


def is_exporting() -> bool:
    """Return whether a graph is being traced for export, in which no shape may depend on the data."""
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()


def padded_index(inverse: Tensor, offsets: Tensor, filler: int) -> Tensor:
    """Pad ragged ``inverse (N,)`` to ``(B, T)``, T the longest text's length; padding holds ``filler``."""
    lengths = torch.diff(offsets)
    longest = int(lengths.max()) if len(lengths) else 0
    index = inverse.new_full((len(lengths), longest), filler)
    index[torch.arange(longest, device=index.device) < lengths[:, None]] = inverse
    return index


@dataclass(frozen=True)
class Batch:
    """A batch of B texts with N tokens in all and U unique types.

    Attributes:
        offsets: ``(B + 1,)`` int64; text b has tokens ``offsets[b]`` to ``offsets[b + 1]``.
        unique: ``(U,)`` int64 type ids, ascending: a word vector is made once for each.
        inverse: ``(N,)`` int64; token n is of type ``unique[inverse[n]]``.
        labels: ``(B,)`` int64, or ``(B, C)`` float32, a distribution over the labels (multi-label: 0 to 1 for each), or
            none.
        bag_rows: ``(M,)`` int64 n-gram rows of the unique types, for models with sub-words.
        bag_offsets: ``(U + 1,)`` int64, where the rows of each type begin.
        wide_rows: ``(K,)`` int64 features of the texts, for models with a wide branch.
        wide_weights: ``(K,)`` float32.
        wide_offsets: ``(B + 1,)`` int64, where the features of each text begin.
        weights: ``(B,)`` float32, how much each text counts in the loss, or none.
    """

    offsets: Tensor
    unique: Tensor
    inverse: Tensor
    labels: Tensor | None = None
    bag_rows: Tensor | None = None
    bag_offsets: Tensor | None = None
    wide_rows: Tensor | None = None
    wide_weights: Tensor | None = None
    wide_offsets: Tensor | None = None
    weights: Tensor | None = None

    @classmethod
    def of(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Batch:
        """Build a batch that shares the memory of arrays named like its attributes."""
        return cls(**{name: torch.from_numpy(value) for name, value in arrays.items()})

    @property
    def num_rows(self) -> int:
        """B, the number of texts."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """Tokens of each text, ``(B,)``."""
        return torch.diff(self.offsets)

    @property
    def num_tokens(self) -> int:
        """N, the tokens of all texts."""
        return len(self.inverse)

    def padded(self) -> Tensor:
        """Index of the embedded types as a padded ``(B, T)`` view, T the longest length; padding is U."""
        return padded_index(self.inverse, self.offsets, len(self.unique))

    def to(self, device: torch.device) -> Batch:
        """Copy the batch to another device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in tensors.items() if value is not None})
