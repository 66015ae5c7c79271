"""Label columns whose cells are nearly all different: ids, texts or measurements, from which nothing can be learned."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textcnn.errors import DataError
from textcnn.text.read_notices import counted
from textcnn.text.read_table import shown

if TYPE_CHECKING:
    from textcnn.text.reading import Rows

FEWEST = 20  # labels of rows; fewer may well be one example each
SHARE = 0.8  # of different ones among them, from which they are no labels
_LOOKED_AT = 1_000  # rows in which a better column is looked for


def rare_labels(labels: Sequence[tuple[str, ...]]) -> int:
    """How many different labels these rows have, where that is nearly as many as they have labels; else 0."""
    total = sum(map(len, labels))
    distinct = len({name for names in labels for name in names}) if total >= FEWEST else 0
    return distinct if distinct >= SHARE * total else 0


def check_repeated(rows: Rows, labels: Sequence[tuple[str, ...]]) -> None:
    """Labels have to occur several times to be learned.

    Raises:
        DataError: nearly all are different; the message names a better column where there is one.
    """
    if distinct := rare_labels(labels):
        raise DataError(f"{rare_sentence(rows, distinct, labels)}; --allow-rare-labels trains on them", path=rows.name)


def rare_sentence(rows: Rows, distinct: int, labels: Sequence[tuple[str, ...]]) -> str:
    """What is wrong with labels that are nearly all different, and which column would be better."""
    examples = ", ".join(shown(names[0], 30) for names in itertools.islice(filter(None, labels), 3))
    column = "+".join(map(repr, rows.label_columns))
    return (
        f"expected labels that occur several times, found {distinct:,} different ones in {counted(len(labels), 'row')} "
        f"of column {column} ({examples}, ...): are these ids, texts or measurements? {_better(rows)}"
    )


def _better(rows: Rows) -> str:
    """The column whose cells repeat most, as advice."""
    cells: dict[str, set[str]] = defaultdict(set)
    count = 0
    try:
        for _, columns, _ in itertools.islice(rows.unread_labels(), _LOOKED_AT):
            count += 1
            for name in set(columns) - {*rows.label_columns, rows.weight_column}:
                cells[name].add(str(columns[name]))
    except DataError:  # a pipe, which can be read only once
        return "choose another with --label-column"
    usable = [name for name in rows.columns if 2 <= len(cells[name]) <= count / 2]
    if not usable:
        return "no other column has cells that repeat; choose one with --label-column"
    best = min(usable, key=lambda name: len(cells[name]))
    if best in rows.text_columns:
        return f"the text column {best!r} has {len(cells[best])} different cells: are text and label exchanged?"
    return f"{best!r} has {len(cells[best])} different cells: --label-column {shown(best)}"
