"""Matrix products that are the same on every machine: of whole numbers, in float64, where every sum is exact.

What a library of linear algebra makes of float32 depends on its version, the processor, and how many rows are
multiplied at once. A sum of whole numbers below 2**53 depends on none of these. So vectors and weights become whole
numbers with a power of two for each row, the first with 24 bits (as many as float32 has), the second with what is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_MANTISSA = 53  # bits of float64
_VECTOR_BITS = 23  # and the sign


class ExactProduct:
    """``vectors (n, D) -> (n, K)``, products with the rows of ``weights (K, D)``."""

    def __init__(self, weights: npt.NDArray[Any]) -> None:
        room = _MANTISSA - 1 - _VECTOR_BITS - int(weights.shape[1] - 1).bit_length()
        whole, self._scales = _whole(np.asarray(weights, np.float64), min(room, _VECTOR_BITS))
        self._weights = np.ascontiguousarray(whole.T)

    def __call__(self, vectors: npt.NDArray[np.float32]) -> Doubles:
        """Products ``(n, K)``, exact but for the bits of a vector or weight that are below its row's share."""
        whole, scales = _whole(vectors.astype(np.float64), _VECTOR_BITS)
        products: Doubles = whole @ self._weights
        products *= scales[:, None]
        products *= self._scales
        return products


def _whole(rows: Doubles, bits: int) -> tuple[Doubles, Doubles]:
    """Rows as whole numbers of at most so many bits, and the power of two that each row is to be multiplied with."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0))
    return np.rint(rows * np.ldexp(1.0, bits - exponents)[:, None]), np.ldexp(1.0, exponents - bits)
