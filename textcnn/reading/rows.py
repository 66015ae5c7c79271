"""Texts and labels from any source, as a stream of rows (:func:`open_rows`) or in memory (:func:`read_examples`).

Texts are unchanged, except that NUL characters become blanks and unpaired surrogates U+FFFD, both counted. Labels are
unchanged too, except that in text files (csv, tsv, jsonl) surrounding blanks are stripped.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.config import DataConfig
from textcnn.errors import DataError
from textcnn.labels import Labels, Target
from textcnn.reading.cells import MANY_NUMBERS, check_repeated, number_notice, read_weight, spellings
from textcnn.reading.columnar import ACCEPTED, memory_table
from textcnn.reading.columns import OtherTexts, choose_columns
from textcnn.reading.examples import Examples as Examples
from textcnn.reading.examples import described_columns, select_texts
from textcnn.reading.formats import NEW, file_table, hub_table, is_hub_id, source_table
from textcnn.reading.label_form import Asked
from textcnn.reading.labels import DistinctCells, LabelReader
from textcnn.reading.messages import counted, respelled, sentences
from textcnn.reading.schema import LabelForm, Schema
from textcnn.reading.soft_labels import SoftLabels, read_row_labels
from textcnn.reading.source import SURROGATE, Source, without_halves
from textcnn.reading.stored import TextWriter, memory_bound
from textcnn.reading.table import Block, Column, LooseBlock, Record, Table, cell_text, shown
from textcnn.reading.targets import read_targets
from textcnn.tokenization.arrow_texts import ArrowTexts

DEFAULTS = DataConfig()
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One row of a source.

    Args:
        text: the text; several text columns joined by a line end.
        labels: its labels; None if it has none; empty only for an empty list or indicator columns that all say no.
        columns: every cell as read, by column.
        line: the line the row begins on, from 1, in text files, else the number of the row.
        parts: ``(column, start, end)`` of each column within ``text``, where several were joined.
    """

    text: str
    labels: tuple[str, ...] | None
    columns: dict[str, Any]
    line: int
    parts: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True)
class RowBlock:
    """A block of consecutive rows of a source.

    Args:
        texts: the text of each.
        columns: every cell as read, by column.
        rows: in their place, where the rows do not all have the same columns.
    """

    texts: ArrowTexts
    columns: dict[str, Column]
    rows: Sequence[Row] | None = None

    def __len__(self) -> int:
        return len(self.texts) if self.rows is None else len(self.rows)


class Rows:
    """A stream of the rows of a source, with the decisions made about its columns and format.

    While iterating, ``notices`` counts the notices by kind. A second pass starts again; the standard input has
    only one. Cells are split at the separator only where the options say ``multi_label=True``, for it takes all rows
    to infer it: to score a model on a stream, set it to that of the model.
    """

    def __init__(self, table: Table, options: DataConfig, labels: str, like: Schema | None = None) -> None:
        chosen = choose_columns(table, options, labels, like)
        self.text_columns, self.label_columns, self.weight_column = chosen.text, chosen.label, chosen.weight
        self.guesses_target = chosen.guesses_target
        self.soft_columns, self.asks_soft = chosen.soft, bool(options.soft_column)
        self.columns = table.columns
        self.format = table.format
        self.name = table.name
        self.notices: Counter[str] = table.notices
        separator = options.label_separator if table.split_labels else ""
        trained = () if like is None else like.label_columns
        is_alike = bool(trained) and (len(trained) > 1) == (len(self.label_columns) > 1)
        form = like.form if like is not None and is_alike else None
        self.asked = Asked(separator, options.multi_label, form, names=not table.split_labels)
        self.label_reader = LabelReader(
            self.label_columns,
            table.name,
            LabelForm(options.multi_label, "|" if separator is None else separator),
            strip=table.strip_labels,
            known={} if like is None else spellings(like.names),
        )
        self._table = table
        self._told = chosen.notices
        self._others = OtherTexts(self, self.text_columns) if chosen.guessed else None

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, self._table)

    def label_reader_of(self, form: LabelForm) -> LabelReader:
        """Return the reader of labels for cells of another form."""
        return replace(self.label_reader, columns=self.label_columns, form=form)

    @property
    def has_blocks(self) -> bool:
        """Whether :meth:`blocks` is available: for files that can be read ahead and Arrow tables in memory."""
        return self._table.has_blocks and core.library() is not None

    @property
    def are_alike(self) -> bool:
        """Whether all rows have the same columns."""
        return self.format != "jsonl"

    def blocks(self) -> Generator[RowBlock, None, None]:
        """Yield blocks of rows without labels; like iterating, this makes one pass through the source."""
        for block in self._table.blocks():
            yield self._row_block(block)

    def _row_block(self, block: Block) -> RowBlock:
        if isinstance(block, LooseBlock):
            return RowBlock(ArrowTexts.of(()), {}, [self._row(record) for record in block.records()])
        column = block.columns.get(self.text_columns[0])
        if len(self.text_columns) > 1 or not isinstance(column, ArrowTexts):
            texts = ArrowTexts.of(self._text(cells, line)[0] for line, cells in block.records())
            return RowBlock(texts, block.columns)
        if self._others is not None and not self._others.has_seen:
            for _, cells in block.records():
                self._others.look(cells)
        texts, count = column.without_nuls()
        self.notices["nul_bytes"] += count
        self.notices["empty_texts"] += texts.blank()
        return RowBlock(texts, block.columns)

    def warnings(self) -> list[str]:
        """Return a sentence for each notice so far."""
        return [*self.choices(), *sentences(self.notices)]

    def choices(self) -> list[str]:
        """Return notes about the choice of columns, based on the rows read so far."""
        return [*self._told, *([] if self._others is None else self._others.sentences())]

    def ready(self) -> bool:
        """Return whether the next row can surely be read without waiting for the writer of a pipe."""
        return self._table.source is None or self._table.source.ready()

    def fraction_read(self) -> float | None:
        """Return the fraction of the file read so far; none if unknown."""
        known = self._table.source is not None and self.format != "parquet"  # of which the end is read first
        return self._table.source.fraction_read() if known and self._table.source is not None else None

    def describe(self) -> str:
        """Describe the source: ``reading a.csv as csv: text='text', label='label' (delimiter ',', encoding utf-8)``."""
        source, delimiter = self._table.source, self._table.delimiter
        details = [] if delimiter is None else [f"delimiter {delimiter!r}"]
        if source is not None and self.format != "parquet":
            details.append(f"encoding {source.used}")
        ending = f" ({', '.join(details)})" if details else ""
        columns = described_columns(self.text_columns, self.label_columns)
        return f"reading {self.name} as {self.format}: {columns}{ending}"

    def _row(self, record: Record) -> Row:
        line, cells = record
        text, parts = self._text(cells, line)
        labels = None
        if self.label_columns:
            labels = self.label_reader.read(self.label_cells(cells), line)
            if labels is None:
                self.notices["missing_labels"] += 1
        return Row(text, labels, cells, line, parts)

    def unread_labels(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        """Yield the text of each row, its ``columns`` with unparsed labels, and its ``line``."""
        for line, cells in self._table:
            yield self._text(cells, line)[0], cells, line

    def label_cells(self, cells: dict[str, Any]) -> tuple[Any, ...]:
        """Select from a row's ``columns`` the cells that ``label_reader`` parses."""
        return tuple([cells.get(column) for column in self.label_columns])

    def _text(self, cells: dict[str, Any], line: int) -> tuple[str, tuple[tuple[str, int, int], ...]]:
        if self._others is not None:
            self._others.look(cells)
        texts = [self._clean(cells.get(column), column, line) for column in self.text_columns]
        if not texts[0] or texts[0].isspace():
            self.notices["empty_texts"] += all(not text or text.isspace() for text in texts)
        if len(texts) == 1:
            return texts[0], ()
        parts, start = [], 0
        for column, text in zip(self.text_columns, texts, strict=True):
            parts.append((column, start, start + len(text)))
            start += len(text) + 1
        return "\n".join(texts), tuple(parts)

    def _clean(self, cell: Any, column: str, line: int) -> str:
        is_text = type(cell) is str  # nearly always; the name of what was expected is not made for nothing
        text = cell if is_text else cell_text(cell, f"a text in column {column!r}", self.name, line) or ""
        if "\0" in text:
            self.notices["nul_bytes"] += text.count("\0")
            text = text.replace("\0", " ")
        if not text.isascii() and SURROGATE.search(text):
            text = without_halves(text, self.notices)
        return text


def open_rows(
    data: Any,
    options: DataConfig = DEFAULTS,
    *,
    labels: Literal["required", "optional", "ignored"] = "optional",
    like: Schema | None = None,
) -> Rows:
    """Open a source of texts.

    Args:
        data: a file or folder, ``-`` (standard input), a hub id as ``owner/name`` or ``hf://owner/name/split``,
            (texts, labels), a list of texts, of (text, label) pairs or of dicts, a dict of columns, a pandas DataFrame,
            a pyarrow Table, a datasets.Dataset, or a :class:`~textcnn.reading.source.Source`.
        options: format, encoding and columns, where they are not found out.
        labels: whether there must, may, or need not be a label column.
        like: schema of a model, whose columns are read if they exist and no others are asked for.

    Raises:
        ConfigError: an unknown format or encoding.
        DataError: nothing there, not what its format says, or without the columns. Iterating raises it too.
    """
    return Rows(open_table(data, options, like or NEW), options, labels, like)


def open_table(data: Any, options: DataConfig, like: Schema) -> Table:
    """Return the table of a source; arguments and errors are those of :func:`open_rows`."""
    if isinstance(data, Source):
        return source_table(data, options, like)
    if not isinstance(data, (str, os.PathLike)):
        return memory_table(data)
    name = os.fspath(data)
    if name == "-":
        return file_table(None, options, like)
    if os.path.exists(name):
        return file_table(Path(name), options, like)
    if isinstance(data, str) and is_hub_id(name):
        return hub_table(name)
    raise DataError(f"expected {ACCEPTED}, found no file or folder {shown(name, 200)}")


def read_examples(
    data: Any,
    options: DataConfig = DEFAULTS,
    *,
    multi_label: bool | None = None,
    like: Schema | None = None,
    drop_unlabelled: bool = True,
) -> Examples:
    """Read labelled texts into memory, or, as ``options.storage`` decides, into a file.

    They are multi-label if that is said, or if there are lists of other than one label, several labels on a fastText
    line, several label columns, or a separator in enough label cells (:mod:`textcnn.reading.label_form`). Rows of
    weight 0 are left out, as if they were not there.

    Args:
        data: as for :func:`open_rows`.
        options: as for :func:`open_rows`; with a ``weight_column`` there are weights.
        multi_label: overrides that of ``options`` and of ``like``, and what would be inferred.
        like: schema of a model or of its training rows, to read test rows alike.
        drop_unlabelled: leave out rows without a label; else they stay, with no label.

    Raises:
        ConfigError: as for :func:`open_rows`.
        DataError: as for :func:`open_rows`; also no row left, several labels where there must be one, a weight that
            is no number of 0 or more, or, unless the options allow it or ``like`` is given, labels
            that are nearly all different.
    """
    if multi_label is None and like is not None and options.multi_label is None:
        multi_label = like.form.multi_label
    if multi_label is not None:
        options = replace(options, multi_label=multi_label)
    if like is not None and like.form.numbers:
        options = replace(options, regression=True, ordinal=like.form.grades)
    options = replace(options, regression=options.regression or bool(options.ordinal))
    rows = open_rows(data, options, labels="required", like=like)
    writer, cells, weights = TextWriter(memory_bound(options.storage)), DistinctCells(), array("d")
    soft_cells = None if rows.soft_columns == rows.label_columns else DistinctCells()
    for text, columns, line in rows.unread_labels():  # equal labels are read once, when all are known
        writer.append(text)
        cells.append(rows.label_cells(columns), line)
        if soft_cells is not None:
            soft_cells.append(tuple([columns.get(column) for column in rows.soft_columns]), line)
        if rows.weight_column is not None:
            weights.append(read_weight(columns.get(rows.weight_column), rows.weight_column, rows.name, line))
    texts = writer.finish()
    many = 0 if like is None else len(like.names)
    reader, found, soft, guessed = (
        read_targets(rows, cells, options.ordinal, count=many)
        if options.regression
        else read_row_labels(rows, cells, soft_cells)
    )
    kept = np.array([i for i, names in enumerate(found) if names is not None or not drop_unlabelled], np.int64)
    if not len(kept):
        raise DataError(f"expected rows with a label, found none in {counted(len(texts), 'row')}", path=rows.name)
    weightless = weights.count(0)
    if weightless:
        kept = kept[np.array(weights)[kept] > 0]
    if not len(kept):
        raise DataError(
            f"expected a weight above 0 in column {rows.weight_column!r}, found none in {counted(len(texts), 'row')}",
            path=rows.name,
        )
    labels = [found[i] or () for i in kept.tolist()]
    counts = np.array(weights)[kept] if weights else None
    targets, notes = ((), []) if like is not None else _checked(rows, options, labels, counts, soft)
    notices = Counter(rows.notices)
    notices["dropped" if drop_unlabelled else "missing_labels"] = found.count(None)
    notices["weightless"] = weightless
    return Examples(
        texts=select_texts(texts, kept),
        labels=labels,
        multi_label=bool(reader.form.multi_label),
        notices=(*rows.choices(), *guessed, *notes, *respelled(reader.spellings), *sentences(notices)),
        name=rows.name,
        text_columns=rows.text_columns,
        label_columns=rows.label_columns,
        weights=counts,
        soft=None if soft is None else soft.subset(kept),
        form=reader.form,
        source=rows.describe(),
        targets=targets,
    )


def _checked(
    rows: Rows, options: DataConfig, labels: list[tuple[str, ...]], weights: Doubles | None, soft: SoftLabels | None
) -> tuple[tuple[Target, ...], list[str]]:
    """Check the labels of training rows; return the scale of each target, in regression, and notes for the user."""
    if options.regression:
        try:
            return Labels.scores(rows.label_columns, labels, weights).targets, []
        except DataError as err:
            raise DataError(str(err), path=rows.name) from None
    if not options.allow_rare_labels:
        check_repeated(rows, labels if soft is None else [labels[i] for i in np.flatnonzero(soft.is_labelled).tolist()])
    return (), number_notice(labels) if len(labels) > MANY_NUMBERS else []
