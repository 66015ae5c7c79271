"""What every format of word vectors gives: words with their rows, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError

Row = npt.NDArray[np.float32]
WIDEST = 100_000  # numbers of one vector


@dataclass(frozen=True)
class Entries:
    """The vectors of a file, one after another.

    Attributes:
        dim: D, numbers of a vector.
        items: each word, and its vector in the file's own form, so that an unwanted one costs little.
        parse: turns that form into ``(D,)`` float32.
    """

    dim: int
    items: Iterator[tuple[str, Any]]
    parse: Callable[[Any], Row]


def checked_dim(dim: int, name: str) -> int:
    """D, if it is a sensible one.

    Raises:
        DataError: it is not.
    """
    if not 1 <= dim <= WIDEST:
        raise DataError(f"expected vectors of 1 to {WIDEST:,} numbers, found {dim:,}", path=name)
    return dim


def finite(row: Row, name: str, word: str, line: int | None = None) -> Row:
    """The row, if its numbers are numbers.

    Raises:
        DataError: they are not.
    """
    if not np.isfinite(row).all():
        raise DataError(f"expected finite numbers for {word!r}, found NaN or infinity", path=name, line=line)
    return row
