"""Columns of a table: header names, and the choice of text, label and weight columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.reading.cells import is_blank
from textcnn.reading.schema import Schema
from textcnn.reading.source import MARK
from textcnn.reading.table import Record, Table, shown, unique_columns

SEP = re.compile(r'\s*"?sep=(\\t|[^\w"\r\n])?"?[,;|\t]*\s*$', re.IGNORECASE)  # Excel's own line before a header


class Header:
    """The columns of a table; unnamed ones are called by position, as ``column 3``.

    Columns without a name at the end are none, unless the first rows have something in them: spreadsheets leave their
    delimiters at its end. Rows that all begin with a row number above which there is no name, as R writes them, have a
    column more.

    Args:
        names: the cells of the header line.
        rows: the cells of the first rows.
        notices: counts the notices by kind.
        path: path of the file, for messages.
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
        """Return whether a row repeats the header, or ends with it where files were joined without a line end."""
        found, count = _stripped(cells), len(self._given)
        return found == self._given or (count > 1 and found[1 - count :] == self._given[1:])

    @staticmethod
    def is_in_doubt(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
        """Return whether more rows are needed to determine the columns."""
        return not names[-1].strip() or any(is_numbered(cells, len(names)) for cells in rows)

    def records(self, rows: Iterable[tuple[int, list[str]]]) -> Iterator[Record]:
        """Yield rows by column; repeated headers and ``sep=`` lines, as ``cat`` makes them, are skipped and counted.

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
        """Return a row without the start of the next file, which ``cat`` appends to a last line without a line end."""
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
    """Return whether a row has one cell more than the header, begins with a number, and has a last cell."""
    return len(cells) == count + 1 and cells[0].strip().isdecimal() and bool(cells[-1].strip())


# Lower case, the likeliest first.
TEXT_NAMES = (
    *("text", "sentence", "review", "content", "question", "document", "title", "body", "message", "comment"),
    *("tweet", "utterance", "query", "headline", "description", "abstract", "sms", "post", "input"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "intent", "sentiment", "topic", "tag", "tags"),
    *("label_text", "classes", "categories", "genre", "emotion", "rating", "stars", "cats"),
)
TARGET_NAMES = ("score", "rating", "stars", "value", "target", "y")  # of columns of numbers, for regression
LABEL_PREFIX = "p_"  # of columns that say yes or no to a label, where there is no label column
_SOFT_NAME = "probabilities"  # of a column of distributions over the labels
LISTED = 20  # column names in a message
SAMPLE = 100  # rows by which it is seen which columns look like text


class Columns(NamedTuple):
    """The columns of a table to be read.

    Attributes:
        text: joined to the text.
        label: hold the labels.
        weight: column of the row weights.
        soft: hold the distribution over the labels, if any do; else the same as ``label``.
        notices: notes for the user about the choice.
        guessed: whether the text was chosen by usual names alone.
        guesses_target: whether the label columns are candidates for one target, of which the first with numbers counts.
    """

    text: tuple[str, ...]
    label: tuple[str, ...]
    weight: str | None
    soft: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    guessed: bool = False
    guesses_target: bool = False


def choose_columns(table: Table, options: DataConfig, labels: str, like: Schema | None = None) -> Columns:
    """Choose the columns of text, label and weight; a weight column is used only if asked for.

    Args:
        table: the table to be read.
        options: may name the columns, or give their positions from 1 where no column has such a name.
        labels: ``required``, ``optional`` or ``ignored``.
        like: schema of a model, whose columns take precedence over usual names; a notice says if others are read.

    Raises:
        DataError: a named column is not there, or none has a usual name, or one column is to be two of the three.
    """
    trained_text, trained_label = ((), ()) if like is None else (like.text_columns, like.label_columns)
    asked_text, asked_label = _names(options.text_column), _names(options.label_column)
    text = tuple(_find(table, name, "--text-column") for name in asked_text)
    label = () if labels == "ignored" else tuple(_find(table, name, "--label-column") for name in asked_label)
    if both := set(text) & set(label):
        raise DataError(f"expected text and label in different columns, found {both.pop()!r} for both", path=table.name)
    weight = None if options.weight_column is None else _find(table, options.weight_column, "--weight-column")
    if weight in (*text, *label):
        raise DataError(f"expected the weight in a column of its own, found it in {weight!r}", path=table.name)
    soft = () if labels == "ignored" else tuple(_find(table, name, "soft_column") for name in options.soft_column)
    rest = [name for name in table.columns if name != weight and name not in soft]
    text = text or tuple(name for name in trained_text if name in rest and name not in label)
    if not label and labels != "ignored" and set(trained_label) <= set(rest) - set(text):
        label = trained_label
    guessed = not text
    text = text or _usual_text(table, rest, label)
    guesses_target = options.regression and not label and labels != "ignored"
    if guesses_target:
        label = _usual_targets(table, rest, text)
    elif not label and labels != "ignored":
        label = _usual_label(table, rest, text, labels == "required" and not soft)
    soft = (
        label
        if options.regression
        else soft or usual_soft([name for name in rest if name not in text and name not in label]) or label
    )
    notices = []
    if len(table.columns) > 1 or (table.source is not None and table.format != "lines"):
        notices += _told("text", text, trained_text, table)
        notices += _told("label", label, trained_label, table) if label else []
    return Columns(text, label, weight, soft, tuple(notices), guessed, guesses_target)


def _told(kind: str, read: Sequence[str], trained: Sequence[str], table: Table) -> list[str]:
    """Compose the note that other columns are read than in training."""
    if not trained or tuple(read) == tuple(trained):
        return []
    absent = [name for name in trained if name not in table.columns]
    why = f", as there is no column {' or '.join(map(repr, absent))}" if absent else ""
    return [
        f"the {kind} is read from {'+'.join(map(repr, read))}, the model was trained on "
        f"{'+'.join(map(repr, trained))}{why}"
    ]


class _Table(Protocol):
    """The interface to a table that :class:`OtherTexts` needs."""

    columns: tuple[str, ...]
    label_columns: tuple[str, ...]


class OtherTexts:
    """Detects, from the first rows, further columns that look like texts.

    Args:
        rows: whose label columns are no texts, and columns of usual names of labels neither.
        chosen: the columns that are read as text.
    """

    def __init__(self, rows: _Table, chosen: Sequence[str]) -> None:
        no_texts = {*chosen, *rows.label_columns}
        self._columns = [name for name in rows.columns if name not in no_texts and name.lower() not in LABEL_NAMES]
        self._filled: Counter[str] = Counter()
        self._texts: Counter[str] = Counter()
        self._rows = 0

    @property
    def has_seen(self) -> bool:
        """Whether enough rows have been inspected."""
        return self._rows == SAMPLE or not self._columns

    def look(self, cells: Mapping[str, Any]) -> None:
        """Inspect the cells of the next row; does nothing after the first rows."""
        if self.has_seen:
            return
        self._rows += 1
        for name in self._columns:
            cell = cells.get(name)
            if not is_blank(cell):
                self._filled[name] += 1
                self._texts[name] += isinstance(cell, str) and _is_text(cell, name)

    def sentences(self) -> list[str]:
        """Return a note about further text columns, if there are any."""
        found = [repr(name) for name in self._columns if 2 * self._texts[name] > self._filled[name]]
        if not found:
            return []
        looks, them = ("looks", "it") if len(found) == 1 else ("look", "them")
        return [f"{', '.join(found)} {looks} like text too; --text-column reads {them}, and given again joins several"]


def _is_text(cell: str, name: str) -> bool:
    """Return whether a cell is text: several words, or one in a usually named column or an unspaced script."""
    return len(cell.split(None, 3)) > 2 or (
        any(map(str.isalpha, cell)) and (name.lower() in TEXT_NAMES or (len(cell) > 10 and not cell.isascii()))
    )


def _names(option: Sequence[str]) -> tuple[str, ...]:
    return (option,) if isinstance(option, str) else tuple(option)


def _find(table: Table, name: str, option: str) -> str:
    if name in table.columns:
        return name
    if name.isdecimal() and 1 <= int(name) <= len(table.columns):
        return table.columns[int(name) - 1]
    raise DataError(f"expected a column {name!r}, {_columns(table)}; choose one with {option}", path=table.name)


def _usual_text(table: Table, columns: Sequence[str], label: Sequence[str]) -> tuple[str, ...]:
    rest = [name for name in columns if name not in label]
    if named := first_usual(rest, TEXT_NAMES):
        return (named,)
    if len(columns) == 2:
        other = label or (first_usual(rest, LABEL_NAMES),)
        text = tuple(name for name in columns if name not in other)
        if len(text) == 1:
            return text
    raise DataError(
        f"expected a column with a usual name of a text ({', '.join(TEXT_NAMES[:5])}, ...), {_columns(table)}; "
        "choose one with --text-column" + _header_hint(table),
        path=table.name,
    )


def _usual_label(table: Table, columns: Sequence[str], text: Sequence[str], required: bool) -> tuple[str, ...]:
    rest = [name for name in columns if name not in text]
    if named := first_usual(rest, LABEL_NAMES):
        return (named,)
    if indicators := _prefixed(rest):
        return indicators
    if not required or _SOFT_NAME in rest:
        return ()
    if len(columns) == 2 and len(rest) == 1:
        return tuple(rest)
    raise DataError(
        f"expected a column with a usual name of a label ({', '.join(LABEL_NAMES[:5])}, ...), {_columns(table)}; "
        "choose one with --label-column" + _header_hint(table),
        path=table.name,
    )


def _usual_targets(table: Table, columns: Sequence[str], text: Sequence[str]) -> tuple[str, ...]:
    """Return the columns with usual names of a target, the likeliest first, or the only one but that of the text."""
    rest = [name for name in columns if name not in text]
    by_lower = {name.lower(): name for name in reversed(rest)}
    if named := tuple(by_lower[name] for name in TARGET_NAMES if name in by_lower):
        return named
    if len(columns) == 2 and len(rest) == 1:
        return tuple(rest)
    raise DataError(
        f"expected a column with a usual name of a number ({', '.join(TARGET_NAMES)}), {_columns(table)}; "
        "choose one with --label-column" + _header_hint(table),
        path=table.name,
    )


def _prefixed(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns named ``p_LABEL`` if there are several."""
    found = tuple(name for name in columns if name.startswith(LABEL_PREFIX) and name != LABEL_PREFIX)
    return found if len(found) > 1 else ()


def usual_soft(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns other than text and label that usually hold a distribution over the labels."""
    return _prefixed(columns) or ((_SOFT_NAME,) if _SOFT_NAME in columns else ())


def first_usual(columns: Sequence[str], usual: Sequence[str]) -> str | None:
    """Return the column with the most likely usual name, ignoring case."""
    by_lower = {name.lower(): name for name in reversed(columns)}
    return next((by_lower[name] for name in usual if name in by_lower), None)


def _columns(table: Table) -> str:
    names = ", ".join(shown(name) for name in table.columns[:LISTED]) + (", ..." if len(table.columns) > LISTED else "")
    return f"found {names or 'none'} (read as {table.format})"


def _header_hint(table: Table) -> str:
    """Return advice for a table without the expected columns: it may lack a header, or have another format."""
    if table.format in ("csv", "tsv"):
        return "; if these are the cells of a row, put a line with column names before it"
    return "; if that is not its format, say so with --format" if table.format == "lines" else ""
