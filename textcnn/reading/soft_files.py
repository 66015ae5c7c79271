"""Files of probabilities, by row or by text: the answers that a teacher gave elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.columns import TEXT_NAMES, first_usual, usual_soft
from textcnn.reading.labels import DistinctCells
from textcnn.reading.rows import open_table
from textcnn.reading.schema import Schema
from textcnn.reading.soft_labels import Shares, SoftReader, is_given
from textcnn.reading.table import cell_text, shown


@dataclass(frozen=True)
class SoftFile:
    """The rows of a file of probabilities.

    Attributes:
        path: the file.
        names: the labels of the columns.
        shares: ``(N, C)``, NaN in rows without probabilities.
        texts: the text of each row; none: they belong to the rows of another file, in its order.
    """

    path: str
    names: tuple[str, ...]
    shares: Shares
    texts: list[str] | None

    def of_rows(self, train: Sequence[str], others: Sequence[str]) -> dict[str, Shares]:
        """Return the probabilities ``(C,)`` by text of training rows and of rows without a label.

        Without texts the rows of the file are the training rows followed by the others, the others alone, or, where
        there are none, the training rows.

        Raises:
            DataError: another number of rows, or no probabilities for a row without a label.
        """
        if self.texts is not None:
            texts: Sequence[str] = self.texts
        elif len(self.shares) == len(train) + len(others):
            texts = [*train, *others]
        elif others and len(self.shares) == len(others):
            texts = others
        else:
            raise DataError(
                f"expected probabilities of {len(train):,} training rows"
                + (f" and {len(others):,} rows without a label, or of the latter" if others else "")
                + f", found {len(self.shares):,} rows; give one row for each, or a column `text`",
                path=self.path,
            )
        given = is_given(self.shares)
        found: dict[str, Shares] = {}
        for row in np.flatnonzero(given).tolist():
            found.setdefault(texts[row], self.shares[row])
        for row, text in enumerate(others):
            if text not in found:
                raise DataError(
                    f"expected probabilities for each row without a label, found none for row {row + 1}, {shown(text)}",
                    path=self.path,
                )
        return found


def read_soft_file(path: str, options: DataConfig) -> SoftFile:
    """Read a file of probabilities: columns ``p_LABEL``, or a column of dictionaries or lists.

    Raises:
        DataError: it holds no probabilities, or some that are not between 0 and 1.
    """
    table = open_table(path, options, Schema())
    text = next((name for name in options.text_column if name in table.columns), first_usual(table.columns, TEXT_NAMES))
    rest = [name for name in table.columns if name != text]
    columns = options.soft_column or usual_soft(rest)
    if not columns and "label" in rest:
        columns = ("label",)
    if absent := [name for name in columns if name not in table.columns]:
        raise DataError(f"expected a column {absent[0]!r}, found {', '.join(map(repr, table.columns))}", path=path)
    if not columns:
        raise DataError(
            f"expected columns p_LABEL or a column `probabilities`, found {', '.join(map(repr, table.columns))}; "
            "name them by --set soft_column",
            path=path,
        )
    cells, texts = DistinctCells(), []
    for line, row in table:
        cells.append(tuple([row.get(column) for column in columns]), line)
        if text is not None:
            texts.append(cell_text(row.get(text), f"a text in column {text!r}", path, line) or "")
    found = SoftReader(columns, path, is_asked=True).read(cells.seen, multi_label=options.multi_label)
    if found is None:
        raise DataError(f"expected probabilities in {'+'.join(map(repr, columns))}, found none", path=path)
    places = np.frombuffer(cells.places, np.int32)
    return SoftFile(path, found.names, found.shares[places], None if text is None else texts)
