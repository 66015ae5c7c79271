"""Matrix products that are the same on every machine: of whole numbers, in float64, where every sum is exact.

What a library of linear algebra makes of float32 depends on its version, the processor, and how many rows are
multiplied at once. A sum of whole numbers below 2**53 depends on none of these. So vectors and weights become whole
numbers with a power of two for each row, and share the bits that there are: 23 each where D is at most 128, 21 at 1024.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_MANTISSA = 53  # bits of float64
_PANEL = 16  # columns that stand together for the core


class ExactProduct:
    """``vectors (n, D) -> (n, K)``, products with the rows of ``weights (K, D)``.

    Attributes:
        bits: of the whole numbers that a vector becomes.
        whole: ``(D, K)``, the weights as whole numbers of 26 bits at most.
        scales: ``(K,)``, the power of two that each is to be multiplied with.
    """

    def __init__(self, weights: npt.NDArray[Any]) -> None:
        room = _MANTISSA - int(weights.shape[1] - 1).bit_length()  # of one of the D products that are added
        self.bits = room - room // 2
        whole, self.scales = _whole(np.asarray(weights, np.float64), room // 2)
        self.whole = np.ascontiguousarray(whole.T)

    @cached_property
    def panels(self) -> Doubles:
        """The whole numbers ``(panels, D, 16)`` as the core reads them: 16 columns together, 0 behind the last."""
        dim, size = self.whole.shape
        padded = np.zeros((dim, -(-size // _PANEL) * _PANEL))
        padded[:, :size] = self.whole
        return np.ascontiguousarray(padded.reshape(dim, -1, _PANEL).transpose(1, 0, 2))

    def __call__(self, vectors: npt.NDArray[np.float32]) -> Doubles:
        """Products ``(n, K)``, exact but for the bits of a vector or weight that are below its row's share."""
        whole, scales = _whole(vectors.astype(np.float64), self.bits)
        products: Doubles = whole @ self.whole
        products *= scales[:, None]
        products *= self.scales
        return products


def _whole(rows: Doubles, bits: int) -> tuple[Doubles, Doubles]:
    """Rows as whole numbers of at most so many bits, and the power of two that each row is to be multiplied with."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0))
    return np.rint(rows * np.ldexp(1.0, bits - exponents)[:, None]), np.ldexp(1.0, exponents - bits)
