"""Output sizes and receptive fields of sliding windows: the one place where lengths are carried through a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

Size = TypeVar("Size", int, Tensor)


def output_size(size: Size, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> Size:
    """Windows that fit: ``(W - F + 2P) / S + 1``, rounded down, with ``F = dilation * (kernel_size - 1) + 1``.

    ``size`` may be a number or an integer tensor of lengths; a size too small for one window gives 0.
    """
    span = dilation * (kernel_size - 1) + 1
    # The 1 stands within: then what is divided is negative only where 0 comes out, however an exported graph rounds.
    windows = (size + 2 * padding - span + stride) // stride
    return windows.clamp(min=0) if isinstance(windows, Tensor) else max(windows, 0)


@dataclass(frozen=True)
class ReceptiveField:
    """How far one unit of a layer sees: ``size`` input places, and ``stride`` input places from unit to unit."""

    size: int = 1
    stride: int = 1

    def through(self, kernel_size: int, *, stride: int = 1, dilation: int = 1) -> ReceptiveField:
        """The field behind one more window of that kernel size, stride and dilation."""
        return ReceptiveField(self.size + dilation * (kernel_size - 1) * self.stride, self.stride * stride)
