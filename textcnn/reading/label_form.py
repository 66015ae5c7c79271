"""Detection of how a table's label cells are written, from all distinct cells; notices report each guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from textcnn.reading.cells import NO, are_indicators, is_blank, is_yes, parse_list, word
from textcnn.reading.schema import LabelForm
from textcnn.reading.table import is_list, shown

Cells = tuple[Any, ...]  # the label cells of one row, a cell a label column
PIPE, OTHERS = "|", (";", ",")
RARE = 50  # a pipe in fewer than one of so many cells is part of a name
FEW = 10  # where fewer than one of so many cells are split, a notice says so


class Seen(NamedTuple):
    """Equal label cells: the line of their first occurrence, and the number of rows with them."""

    cells: Cells
    line: int
    rows: int


@dataclass(frozen=True)
class Asked:
    """What is known about the cells in advance, from the user's options or from the model's training table.

    Args:
        separator: between the labels of a cell; empty: none; None: to be found out.
        multi_label: whether a row may have any number of labels; None: to be found out.
        like: the form of the rows that the model was trained on.
        names: whether lists hold names of labels, as on fastText lines, never zeros and ones for each label.
    """

    separator: str | None = None
    multi_label: bool | None = None
    like: LabelForm | None = None
    names: bool = False


def decide_form(columns: Sequence[str], seen: Sequence[Seen], asked: Asked) -> tuple[LabelForm, list[str]]:
    """Decide how the label cells are to be parsed; return the form and a sentence for each guess."""
    filled = [(cells, count) for cells, _, count in seen if not all(map(is_blank, cells))]
    if len(columns) > 1:
        return _of_columns(columns, [cells for cells, _, _ in seen], filled, asked)
    return _OneColumn(columns[0] if columns else "", [(cells[0], count) for cells, count in filled], asked).decide()


def _of_columns(
    columns: Sequence[str], seen: Sequence[Cells], filled: Sequence[tuple[Cells, int]], asked: Asked
) -> tuple[LabelForm, list[str]]:
    words = [_words((cells[place], count) for cells, count in filled) for place in range(len(columns))]
    like = asked.like
    indicators = are_indicators(words) if like is None or like.indicators is None else like.indicators
    blank_is_no = like.blank_is_no if like is not None and like.indicators else indicators and not _has_no(words)
    multi_label, notices = asked.multi_label, []
    if multi_label is None:
        rows = seen if blank_is_no else [cells for cells, _ in filled]
        counts = {sum(is_yes(cell) is not False for cell in cells) for cells in rows}
        multi_label = not indicators or counts != {1}
        if not multi_label:
            notices.append(_one_label(f"row of {'+'.join(map(repr, columns))}"))
    separator = PIPE if asked.separator is None else asked.separator
    return LabelForm(multi_label, separator, indicators=indicators, blank_is_no=blank_is_no), notices


def _words(cells: Iterable[tuple[Any, int]]) -> Counter[str]:
    """Count the normalized words of non-blank cells."""
    words: Counter[str] = Counter()
    for cell, count in cells:
        if not is_blank(cell):
            words[word(cell)] += count
    return words


def _has_no(words: Iterable[Counter[str]]) -> bool:
    return any(found.keys() & NO for found in words)


def _one_label(what: str) -> str:
    return f"every {what} holds one label: read as single-label; --multi-label if a text may have any number of labels"


class _OneColumn:
    """The distinct non-blank cells of one label column with their counts."""

    def __init__(self, column: str, cells: list[tuple[Any, int]], asked: Asked) -> None:
        self._column, self._cells, self._asked = column, cells, asked
        self._total = sum(count for _, count in cells)
        self._blank_is_no = False  # of the items of vectors
        self._notices: list[str] = []

    def decide(self) -> tuple[LabelForm, list[str]]:
        """Decide the form of the column; return it and a sentence for each guess."""
        asked, multi_label = self._asked, self._asked.multi_label
        as_text = self._is_text_of_lists()
        if as_text:
            self._cells = [(_parsed(cell), count) for cell, count in self._cells]
        between = self._between_items() if asked.like is None else None
        vector = self._vector(self._cells) if asked.like is None else asked.like.vector
        lists = [(cell, count) for cell, count in self._cells if is_list(cell) or isinstance(cell, dict)]
        separator = between or self._separator(all_separators=not lists)
        if multi_label is None:
            joined = bool(separator) and any(isinstance(cell, str) and separator in cell for cell, _ in self._cells)
            multi_label = joined or self._has_several(lists, vector)
        blank_is_no = self._blank_is_no if asked.like is None else asked.like.blank_is_no
        form = LabelForm(multi_label, separator, as_text, vector, indicators=False, blank_is_no=blank_is_no)
        if vector and asked.like is None:
            what = "list" if between is None else "cell"
            self._tell(f"each {what} of {self._column!r} holds {vector} zeros and ones: its positions are the labels")
        return form, self._notices

    def _is_text_of_lists(self) -> bool:
        """Return whether at least half of the cells are written lists, or some are and those in training were."""
        if self._asked.separator == "" and self._asked.like is None:
            return False
        written = {cell: found for cell, _ in self._cells if (found := _written(cell)) is not None}
        if self._asked.like is not None and self._asked.like.as_text:
            return bool(written)
        if not any(map(_is_evident, written, written.values())):  # labels may be called [INST] or {name}
            return False
        count = sum(count for cell, count in self._cells if isinstance(cell, str) and cell in written)
        example = shown(next(iter(written)))
        if self._asked.like is not None:
            return 2 * count >= self._total
        if self._asked.multi_label is False and not self._may_be_single([*written.values()]):
            return False
        if 2 * count >= self._total:
            self._tell(f"cells of {self._column!r} hold lists as text, such as {example}: their items are the labels")
            return True
        self._tell(
            f"{self._of(count)} look like lists, such as {example}: read as they stand; write a|b, or JSON lines with "
            "lists, if they are several labels"
        )
        return False

    def _may_be_single(self, written: list[Any]) -> bool:
        """Return whether each list may denote one label: zeros and ones, a dictionary of them, or one item."""
        lists = [(found, 1) for found in written if not isinstance(found, dict)]
        return self._vector(lists) > 0 or all(len(found) == 1 for found, _ in lists)

    def _between_items(self) -> str | None:
        """Return the separator of yes/no items, as in ``0,1,0``; None if cells are no such lists."""
        texts = {cell: count for cell, count in self._cells if isinstance(cell, str)}
        asked = self._asked.separator
        # Of the blank: two numbers may be a score.
        for separator in (PIPE, *OTHERS, " ") if asked is None else filter(None, [asked]):
            if _holding(texts, separator) < self._total or (separator == "," and all(map(_is_decimal, texts))):
                continue
            vectors = [(cell.split(separator), count) for cell, count in texts.items()]
            length = self._vector(vectors)
            is_several = any(_num_labels(items, length) != 1 for items, _ in vectors)
            if length > (2 if separator == " " else 0) and (self._asked.multi_label is not False or not is_several):
                self._cells = list(vectors)
                return separator
        return None

    def _vector(self, cells: Sequence[tuple[Any, int]]) -> int:
        """Return the length of multi-hot vectors; 0 if the cells are none.

        Labels in a list do not repeat, zeros and ones do: vectors are what more than half of the lists must be.
        """
        if self._asked.names:
            return 0
        lists = [(_items(cell), count) for cell, count in cells if is_list(cell)]
        vectors = [(items, count) for items, count in lists if _says_yes_or_no(items)]
        lengths: Counter[int] = Counter()
        for items, count in vectors:
            lengths[len(items)] += count
        if not lengths:
            return 0
        (length, count), total = lengths.most_common(1)[0], sum(count for _, count in lists)
        whole = count == total or any(_repeats(items) for items, _ in vectors if len(items) == length)
        words = _words((item, count) for items, count in vectors if len(items) == length for item in items)
        if 2 * count <= total or not whole or not are_indicators([words]):
            return 0
        self._blank_is_no = not _has_no([words])
        return length

    def _has_several(self, lists: Sequence[tuple[Any, int]], vector: int) -> bool:
        """Return whether some list has other than one label; if none has, a notice says so."""
        if not lists:
            return False
        if any(_num_labels(cell, vector) != 1 for cell, _ in lists):
            return True
        self._tell(_one_label(f"list of {self._column!r}"))
        return False

    def _separator(self, *, all_separators: bool) -> str:
        """Return the separator between the labels of a cell; empty if cells hold one label each."""
        asked, texts = self._asked, {cell: count for cell, count in self._cells if isinstance(cell, str)}
        if asked.separator is not None:
            return asked.separator
        trained = "" if asked.like is None else asked.like.separator
        if asked.multi_label is False or not texts:
            return trained or PIPE
        if trained and (trained != PIPE or _holding(texts, trained)):
            return trained
        if asked.multi_label and _holding(texts, PIPE):
            return PIPE
        if (piped := _holding(texts, PIPE)) and self._splits_pipe(texts, piped):
            return PIPE
        found = "" if piped and not asked.multi_label else PIPE
        return next((other for other in OTHERS if all_separators and self._splits(texts, other)), found)

    def _splits_pipe(self, texts: dict[str, int], count: int) -> bool:
        splits = 2 * count >= self._total or (RARE * count >= self._total and _recurring(texts, PIPE) >= 0.5)
        if not splits:
            self._tell(f"{self._of(count)} hold '|': read as part of the name; --multi-label if it separates labels")
        elif FEW * count < self._total:
            self._tell(f"{self._of(count)} hold '|': read as several labels; --single-label if it is part of the name")
        return splits

    def _splits(self, texts: dict[str, int], separator: str) -> bool:
        """Return whether an unusual separator is frequent and its parts recur in other cells."""
        count = _holding(texts, separator)
        if not count or (separator == "," and all(_is_decimal(cell) for cell in texts)):
            return False
        splits = _recurring(texts, separator) >= 0.5 and (2 * count >= self._total or bool(self._asked.multi_label))
        how = (
            f"read as several labels, as by --label-separator '{separator}'; --single-label if it is part of the name"
            if splits
            else f"read as part of the name; --label-separator '{separator}' if it stands between labels"
        )
        self._tell(f"{self._of(count)} hold '{separator}': {how}")
        return splits

    def _of(self, count: int) -> str:
        return f"{count:,} of {self._total:,} cells of {self._column!r}"

    def _tell(self, sentence: str) -> None:
        self._notices.append(sentence)


def _written(cell: Any) -> list[Any] | dict[str, Any] | None:
    return parse_list(cell) if isinstance(cell, str) else None


def _is_evident(cell: str, found: list[Any] | dict[str, Any]) -> bool:
    """Return whether a bracketed text is more than one word in brackets."""
    return len(found) != 1 or isinstance(found, dict) or not isinstance(found[0], str) or "'" in cell or '"' in cell


def _parsed(cell: Any) -> Any:
    found = _written(cell)
    return cell if found is None else found


def _items(cell: Any) -> list[Any]:
    return list(cell.tolist() if hasattr(cell, "tolist") else cell)


def _says_yes_or_no(items: Sequence[Any]) -> bool:
    """Return whether there are several items and all are a yes, a no or blank."""
    return len(items) > 1 and None not in map(is_yes, items)


def _repeats(items: list[Any]) -> bool:
    return len(set(map(word, items))) < len(items)


def _num_labels(cell: Any, vector: int) -> int:
    if isinstance(cell, dict):
        return sum(is_yes(value) is not False for value in cell.values())
    items = _items(cell)
    return sum(is_yes(item) is not False for item in items) if vector else sum(not is_blank(item) for item in items)


def _holding(texts: dict[str, int], separator: str) -> int:
    return sum(count for cell, count in texts.items() if separator in cell)


def _recurring(texts: dict[str, int], separator: str) -> float:
    """Return the share of the parts of separated cells that occur in other cells too."""
    parts = {cell: {part.strip() for part in cell.split(separator)} - {""} for cell in texts}
    cells_of = Counter(part for found in parts.values() for part in found)
    split = {part for cell, found in parts.items() if separator in cell for part in found}
    return sum(cells_of[part] > 1 for part in split) / max(len(split), 1)


def _is_decimal(cell: str) -> bool:
    """Return whether a comma is a decimal point in these cells."""
    return cell.count(",") == 1 and cell.strip().lstrip("-").replace(",", "").isdecimal()
