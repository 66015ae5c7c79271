"""Streams answers in order through threads, so that reading, classifying and writing overlap."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeVar

from textcnn.prediction.answer_tables import AnswerTable, answer_table
from textcnn.prediction.answers import Answerer, AnswerForm, InputRow, answer_rows, chunks_of
from textcnn.prediction.writing import is_json_lines, json_line, table_lines, write_lines, write_rows, write_tables
from textcnn.reading.rows import RowBlock, Rows

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Iterator[Item], threads: int) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item, in order; an error is raised after the results of the items before it.

    Args:
        work: the function, called in several threads at once.
        items: the items; the caller's thread reads them, at most ``threads`` + 1 ahead of the results.
        threads: the number of threads.
    """
    waiting: deque[Future[Result]] = deque()
    error: Exception | None = None
    is_over = False
    with ThreadPoolExecutor(threads, "textcnn-work") as executor:
        while waiting or not is_over:
            while not is_over and len(waiting) <= threads:
                try:
                    waiting.append(executor.submit(work, next(items)))
                except StopIteration:
                    is_over = True
                except Exception as err:
                    error, is_over = err, True
            if waiting:
                yield waiting.popleft().result()
    if error is not None:
        raise error


def ahead(items: Generator[Item, None, None], most: int) -> Generator[Item, None, None]:
    """Yield the items in order, with the generator running in another thread at most ``most`` items ahead.

    Closing this generator waits for the item in progress, and closes ``items`` in the thread that runs it.
    """
    waiting: deque[Future[Item | None]] = deque()
    with ThreadPoolExecutor(1, "textcnn-ahead") as executor:
        try:
            for _ in range(most):
                waiting.append(executor.submit(next, items, None))
            while (item := waiting.popleft().result()) is not None:
                waiting.append(executor.submit(next, items, None))
                yield item
                del item  # free its memory before waiting for the next one
        finally:
            for future in waiting:
                future.cancel()
            executor.submit(items.close)


Dictionaries = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """The answers to consecutive rows, in one of three forms.

    Attributes:
        counts: the counts of :func:`textcnn.prediction.answers.counts_of`.
        lines: the answers as JSON lines, if those were requested.
        rows: otherwise one dictionary per row, for rows that were read one by one.
        table: otherwise a table by column, for rows that were read as blocks.
    """

    counts: Counter[str]
    lines: str | bytes = ""
    rows: list[dict[str, Any]] | None = None
    table: AnswerTable | None = None

    def dictionaries(self) -> Iterable[dict[str, Any]]:
        """Return one dictionary per row, if the answers are not JSON lines."""
        return self.table.rows() if self.table is not None else self.rows or []


def answer_stream(
    rows: Iterable[InputRow],
    predictor: Answerer,
    form: AnswerForm,
    *,
    as_lines: bool,
    threads: int = 1,
    ready: Callable[[], bool] = lambda: True,
) -> Generator[Part, None, None]:
    """Classify rows in this process; rows that come as blocks are read and classified ahead, in other threads.

    Args:
        rows: the rows, read one chunk at a time, or, as blocks, a few blocks ahead.
        predictor: the classifier.
        form: options for the contents of a row of answers.
        as_lines: whether to format answers as JSON lines instead of dictionaries or tables.
        threads: the number of threads that classify blocks, one block each (:func:`are_blocks`).
        ready: tells whether the next row can be read without waiting; if not, the rows read so far are classified.
    """
    if isinstance(rows, Rows) and are_blocks(rows, as_lines=as_lines):
        yield from _answer_blocks(rows.blocks(), predictor, form, as_lines, threads)
        return
    for chunk in chunks_of(rows, ready):
        yield answer(predictor, chunk, form, as_lines)


def are_blocks(rows: Rows, *, as_lines: bool) -> bool:
    """Whether these rows are classified as column blocks, rather than row by row."""
    return rows.has_blocks and (as_lines or rows.are_alike)


def write_parts(
    parts: Iterable[Part],
    output: str,
    finish: Callable[[Dictionaries], Dictionaries] | None = None,
    *,
    keep: bool = True,
) -> None:
    """Write answers to ``output`` as they arrive.

    Args:
        parts: the answers; with lines, if the output format is JSON lines and ``finish`` is none.
        output: as for :func:`textcnn.prediction.writing.write_rows`.
        finish: a function that adds to the dictionaries before they are written.
        keep: as for ``write_rows``.

    Raises:
        DataError: as ``write_rows``.
    """
    if finish is None and is_json_lines(output):
        write_lines((part.lines for part in parts), output, keep=keep)
        return
    parts = iter(parts)
    head = list(islice(parts, 1))
    parts = chain(head, parts)
    if finish is None and head and head[0].table is not None:
        write_tables((part.table for part in parts if part.table is not None), output, keep=keep)
    else:
        found = (part.dictionaries() for part in parts)
        write_rows(chain.from_iterable(found if finish is None else map(finish, found)), output, keep=keep)


def _answer_blocks(
    blocks: Generator[RowBlock, None, None], predictor: Answerer, form: AnswerForm, as_lines: bool, threads: int
) -> Generator[Part, None, None]:
    def answered(block: RowBlock) -> Part:
        if block.rows is not None:
            return answer(predictor, block.rows, form, as_lines)
        table, counts = answer_table(predictor, block, form)
        return Part(counts, lines=table_lines(table)) if as_lines else Part(counts, table=table)

    with closing(ahead(blocks, 1)) as read, closing(in_threads(answered, read, threads)) as parts:
        yield from parts


def answer(predictor: Answerer, rows: Sequence[InputRow], form: AnswerForm, as_lines: bool) -> Part:
    """Classify rows that were read one by one, and return their answers."""
    answers, counts = answer_rows(predictor, rows, form)
    return Part(counts, lines="".join(map(json_line, answers))) if as_lines else Part(counts, rows=answers)
