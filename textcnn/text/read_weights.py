"""From a cell to the weight of a row."""

from __future__ import annotations

import math
from typing import Any

from textcnn.errors import DataError
from textcnn.text.read_table import shown


def read_weight(cell: Any, column: str, name: str, line: int) -> float:
    """How much a row counts in the loss.

    Raises:
        DataError: the cell holds no finite number of 0 or more.
    """
    try:
        weight = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise DataError(
            f"expected a weight in column {column!r}, a finite number of 0 or more, found {shown(cell)}; "
            "correct it, or leave --weight-column out",
            path=name,
            line=line,
        )
    return weight
