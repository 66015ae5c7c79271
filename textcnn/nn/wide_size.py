"""The n-gram branch held to a size: half precision first, then without the n-grams of least weight. Without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LARGEST = float(np.finfo(np.float16).max)


def num_bytes(num_features: int, num_labels: int, *, float16: bool) -> int:
    """What a branch of so many n-grams takes in a file: key, idf and weights of each."""
    return num_features * (8 + 4 + num_labels * (2 if float16 else 4))


def smaller_table(table: npt.NDArray[Any], most: int) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]:
    """Rows of a table ``(N, C)`` rounded to float16, as many as take ``most`` bytes, and which they are, ascending.

    They are the rows of the largest norm; keys of the rows that are kept stay ascending.
    """
    rounded = np.clip(table, -_LARGEST, _LARGEST).astype(np.float16)
    room = most // num_bytes(1, table.shape[1], float16=True)
    norms = np.linalg.norm(rounded.astype(np.float32), axis=1)
    kept = np.sort(np.argsort(-norms, kind="stable")[:room])
    return rounded[kept], kept
