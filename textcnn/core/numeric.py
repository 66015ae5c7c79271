"""The twins of ``numeric.c``: exponential and logarithm by the same operations in the same order, over whole arrays."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_INVERSE_LN2 = 1.44269504088896338700e00
_FRACTION = 0x000FFFFFFFFFFFFF  # bits of a double without sign and exponent


def exp(x: npt.ArrayLike) -> Doubles:
    """Powers of e, one for each number, to the bit what ``tc_exp`` gives."""
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
    """Natural logarithm of each number, to the bit what ``tc_log`` gives."""
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
    """For ``k`` in [-1022, 1023]."""
    return ((k + 1023) << 52).view(np.float64)
