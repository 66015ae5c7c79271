"""Units of the integers in which the look-up runtime computes; the C sources have the same."""

from __future__ import annotations

UNIT = 2.0**-36  # of integer logits, and of the shares of the mean
WIDE_UNIT = 2.0**-24  # of the n-gram branch's weights and of its table; a product has its square
WIDE_SHIFT = 12  # bits from the square of WIDE_UNIT to UNIT
LARGEST_WEIGHT = 2.0**14  # of the n-gram branch, so that a product of two stays far inside 64 bits
LARGEST = 127  # of int8: filter products, and stored weights
