"""A text cut where its reasons begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from textcnn.errors import DataError
from textcnn.report.content import Reason


class Segment(NamedTuple):
    """A part of a text, what it adds to the logit, and that as a share of the strongest part's (-1 to 1)."""

    text: str
    contribution: float = 0.0
    strength: float = 0.0


def highlight(text: str, reasons: Sequence[Reason]) -> list[Segment]:
    """Cut ``text`` into parts of one contribution each; together they are the text again.

    Raises:
        DataError: a reason that does not lie inside the text.
    """
    added = np.zeros(len(text))
    cuts = {0, len(text)}
    for start, end, contribution in reasons:
        if not 0 <= start <= end <= len(text):
            raise DataError(f"expected a reason within the {len(text)} characters of its text, got {start} to {end}")
        added[start:end] += contribution
        cuts |= {start, end}
    strongest = float(np.abs(added).max(initial=0.0)) or 1.0
    places = sorted(cuts)
    return [
        Segment(text[start:end], float(added[start]), float(added[start]) / strongest)
        for start, end in pairwise(places)
    ]
