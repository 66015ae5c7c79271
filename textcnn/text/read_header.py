"""The header line of a table: the names of its columns, where some are missing too, and what rows make of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from textcnn.errors import DataError
from textcnn.text.read_source import MARK
from textcnn.text.read_table import Record, shown, unique_columns

SEP = re.compile(r'\s*"?sep=(\\t|[^\w"\r\n])?"?[,;|\t]*\s*$', re.IGNORECASE)  # Excel's own line before a header


class Header:
    """The columns of a table; one without a name is called by its position, as ``column 3``.

    Columns without a name at the end are none, unless the first rows have something in them: spreadsheets leave their
    delimiters behind. Rows that all begin with a row number above which there is no name, as R writes them, have a
    column more.

    Args:
        names: the cells of the header line.
        rows: the cells of the first rows.
        notices: counts what is worth a warning.
        path: of the file, for messages.
        delimiter: between cells.
        has_sep: whether a line ``sep=`` stood before the header; joined files have others.

    Raises:
        DataError: two columns have the same name.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: Sequence[Sequence[str]],
        notices: Counter[str],
        path: str,
        delimiter: str,
        *,
        has_sep: bool = False,
    ) -> None:
        self._given = self._names = [name.strip() for name in names]
        rows = [cells for cells in rows if not self._ends_as_given(cells)]  # of joined files
        if self._names[-1] and rows and all(is_numbered(cells, len(names)) for cells in rows):
            self._names = ["", *self._names]
            notices["row_numbers"] += 1
        count = len(self._names)
        while (
            count > 1
            and not self._names[count - 1]
            and not any(cell.strip() for row in rows for cell in row[count - 1 : count])
        ):
            count -= 1
        named = [name or f"column {number}" for number, name in enumerate(self._names[:count], start=1)]
        self.columns = unique_columns(named, path)
        self.known = set(self.columns) | set(self._names)  # a row that begins with one of them may be a header
        self._notices, self._path, self._delimiter, self._has_sep = notices, path, delimiter, has_sep

    def _ends_as_given(self, cells: Sequence[str]) -> bool:
        """Whether a row is the header, or ends with it, where a file was joined that had no line end at its end."""
        found, count = _stripped(cells), len(self._given)
        return found == self._given or (count > 1 and found[1 - count :] == self._given[1:])

    @staticmethod
    def is_in_doubt(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Whether more rows than these are wanted to know the columns."""
        return not names[-1].strip() or any(is_numbered(cells, len(names)) for cells in rows)

    def records(self, rows: Iterable[tuple[int, list[str]]]) -> Iterator[Record]:
        """The rows by column; those that repeat header or ``sep=``, as ``cat`` makes them, are left out and counted.

        Raises:
            DataError: a row has more or fewer cells than there are columns, or is another header.
        """
        columns, known = self.columns, self.known
        for line, cells in rows:
            if self._has_sep and SEP.match(self._delimiter.join(cells)):
                self._notices["sep_line"] += 1
                continue
            if len(cells) != len(columns):
                cells = self._fitted(cells, line)
            if cells[0].strip() in known and len(columns) > 1 and self._is_header(cells, line):
                self._notices["headers"] += 1
                continue
            yield line, dict(zip(columns, cells, strict=True))

    def _fitted(self, cells: list[str], line: int) -> list[str]:
        count, given = len(self.columns), self._given
        if _stripped(cells) == given:  # above row numbers that have no name
            return list(self.columns)
        beyond = sum(1 for cell in cells[count:] if cell.strip())
        last = cells[count - 1] if len(cells) > count else ""
        if self._has_sep and not beyond and last.lower().endswith("sep="):
            return self._joined(cells[:count], last[-4:], "sep_line")
        if len(cells) > count and (not beyond or len(cells) <= len(self._names)):
            self._notices["unnamed_cells"] += beyond
            return cells[:count]
        if count > 1 and given[0] and last.endswith(given[0]) and _stripped(cells[count:]) == given[1:]:
            return self._joined(cells[:count], given[0], "headers")
        raise DataError(
            f"expected {count} cells as in the header, found {len(cells)}: {shown(cells)}; "
            f"quote a cell that holds {self._delimiter!r}"
            + (", and say --quotes csv where quoted cells go over lines" if self._delimiter == "\t" else ""),
            path=self._path,
            line=line,
        )

    def _joined(self, cells: list[str], begun: str, notice: str) -> list[str]:
        """The last row of a file without a line end at its end, without what the next file begins with."""
        self._notices[notice] += 1
        last = cells[-1].removesuffix(begun)
        self._notices["marks"] += last.endswith(MARK)
        last = last.removesuffix(MARK)
        is_quoted = last.endswith('"') and last.count('"') % 2 == 1  # a quote ended the cell, one began the next
        return [*cells[:-1], last[:-1] if is_quoted else last]

    def _is_header(self, cells: list[str], line: int) -> bool:
        found = _stripped(cells)
        expected = self._names[: len(cells)]
        if found == expected or found == list(self.columns):
            return True
        if sorted(found) == sorted(expected):
            raise DataError(
                f"expected rows under the header {shown(expected)}, found another header, {shown(found)}; "
                "join files only where their columns are in the same order",
                path=self._path,
                line=line,
            )
        return False


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def is_numbered(cells: Sequence[str], count: int) -> bool:
    """Whether a row has one cell more than the header, the first of them a number, and something in the last."""
    return len(cells) == count + 1 and cells[0].strip().isdecimal() and bool(cells[-1].strip())
