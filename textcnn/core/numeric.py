"""Exact matrix products, and exponentials and logarithms that give the same bits on every machine."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_INVERSE_LN2 = 1.44269504088896338700e00
_FRACTION = 0x000FFFFFFFFFFFFF  # bits of a double without sign and exponent


def exp(x: npt.ArrayLike) -> Doubles:
    """Return the exponential of each number, bitwise equal to ``tc_exp``."""
    x = np.asarray(x, np.float64)
    within = np.where((x >= -745.2) & (x <= 709.782712893384), x, 0.0)
    scaled = within * _INVERSE_LN2
    k = (scaled + np.where(scaled >= 0.0, 0.5, -0.5)).astype(np.int64)  # towards zero, as in C
    r = (within - k * _LN2_HIGH) - k * _LN2_LOW
    total = np.full_like(r, 1.0 / math.factorial(13))
    for i in range(12, -1, -1):
        total = total * r + 1.0 / math.factorial(i)
    first = np.clip(k, -1021, 1022)
    total = total * _power_of_two(first) * _power_of_two(np.maximum(k - first, -1022))
    return np.where(np.isnan(x), x, np.where(x > 709.782712893384, np.inf, np.where(x < -745.2, 0.0, total)))


def log(x: npt.ArrayLike) -> Doubles:
    """Return the natural logarithm of each number, bitwise equal to ``tc_log``."""
    x = np.asarray(x, np.float64)
    within = np.where((x > 0.0) & np.isfinite(x), x, 1.0)
    is_denormal = within < 2.2250738585072014e-308
    bits = (within * np.where(is_denormal, 2.0**54, 1.0)).view(np.int64)
    k = np.where(is_denormal, -54, 0) + (bits >> 52) - 1023
    m = ((bits & _FRACTION) | 0x3FF0000000000000).view(np.float64)  # in [1, 2)
    is_high = m > 1.41421356237309504880
    m, k = np.where(is_high, m * 0.5, m), np.where(is_high, k + 1, k)
    s = (m - 1.0) / (m + 1.0)
    square = s * s
    total = np.full_like(s, 1.0 / 23.0)
    for i in range(21, 2, -2):
        total = total * square + 1.0 / i
    tail = 2.0 * s * square * total
    found = k * _LN2_HIGH + (k * _LN2_LOW + tail + 2.0 * s)
    return np.where(np.isnan(x) | (x < 0.0), np.nan, np.where(x == 0.0, -np.inf, np.where(x == np.inf, x, found)))


def _power_of_two(k: npt.NDArray[np.int64]) -> Doubles:
    """Return 2 to the power of ``k`` in [-1022, 1023]."""
    return ((k + 1023) << 52).view(np.float64)


_MANTISSA = 53  # bits of float64
_PANEL = 16  # columns that stand together for the core


class ExactProduct:
    """Matrix product ``vectors (n, D) -> (n, K)`` with the rows of ``weights (K, D)``, in exact integers.

    Attributes:
        bits: precision to which vectors are quantized.
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
        """Integer weights ``(panels, D, 16)`` in the core's layout: panels of 16 columns, padded with 0."""
        dim, size = self.whole.shape
        padded = np.zeros((dim, -(-size // _PANEL) * _PANEL))
        padded[:, :size] = self.whole
        return np.ascontiguousarray(padded.reshape(dim, -1, _PANEL).transpose(1, 0, 2))

    def __call__(self, vectors: npt.NDArray[np.float32]) -> Doubles:
        """Return products ``(n, K)``, exact except for bits of a number that are below its row's quantization step."""
        whole, scales = _whole(vectors.astype(np.float64), self.bits)
        products: Doubles = whole @ self.whole
        products *= scales[:, None]
        products *= self.scales
        return products


def _whole(rows: Doubles, bits: int) -> tuple[Doubles, Doubles]:
    """Quantize rows to integers of at most ``bits`` bits; return them and each row's power-of-two scale."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0))
    return np.rint(rows * np.ldexp(1.0, bits - exponents)[:, None]), np.ldexp(1.0, exponents - bits)
