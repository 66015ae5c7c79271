"""Items that are made in other threads, in their order, so that reading, answering and writing overlap."""

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
    """What ``work`` makes of each item, in the order of the items; an error comes behind the results before it.

    Args:
        work: is called for several items at once.
        items: are taken in the caller's thread, at most ``threads`` + 1 before the first result is asked for.
        threads: that work.
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
    """The same items in the same order, made in a thread of their own: at most ``most`` before they are asked for.

    Whoever closes this waits for the item that is being made, and the items are closed in that thread.
    """
    waiting: deque[Future[Item | None]] = deque()
    with ThreadPoolExecutor(1, "textcnn-ahead") as executor:
        try:
            for _ in range(most):
                waiting.append(executor.submit(next, items, None))
            while (item := waiting.popleft().result()) is not None:
                waiting.append(executor.submit(next, items, None))
                yield item
                del item  # while the next is made, nobody here needs it
        finally:
            for future in waiting:
                future.cancel()
            executor.submit(items.close)


Dictionaries = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """The answers to some neighbouring rows.

    Attributes:
        counts: rows, tokens, unknown tokens, empty and cut rows.
        lines: the answers as lines of JSON, if they were wanted so.
        rows: else one dictionary a row, of rows that came one by one.
        table: else the same column by column.
    """

    counts: Counter[str]
    lines: str | bytes = ""
    rows: list[dict[str, Any]] | None = None
    table: AnswerTable | None = None

    def dictionaries(self) -> Iterable[dict[str, Any]]:
        """One dictionary a row, where the answers are not lines."""
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
    """Answers in this process. Of a source that has blocks, reading and answering are ahead, in threads of their own.

    Args:
        rows: are read only as far as they are needed, or, in blocks, a little further.
        predictor: answers texts.
        form: what a row of answers holds.
        as_lines: make lines of JSON, not dictionaries or tables.
        threads: that answer blocks, each a block of its own (:func:`are_blocks`).
        ready: whether the next row can be read without waiting; if not, those read so far are answered first.
    """
    if isinstance(rows, Rows) and are_blocks(rows, as_lines=as_lines):
        yield from _answer_blocks(rows.blocks(), predictor, form, as_lines, threads)
        return
    for chunk in chunks_of(rows, ready):
        yield answer(predictor, chunk, form, as_lines)


def are_blocks(rows: Rows, *, as_lines: bool) -> bool:
    """Whether these rows are answered block by block, as lines of JSON or not."""
    return rows.has_blocks and (as_lines or rows.are_alike)


def write_parts(
    parts: Iterable[Part],
    output: str,
    finish: Callable[[Dictionaries], Dictionaries] | None = None,
    *,
    keep: bool = True,
) -> None:
    """Write answers as they come.

    Args:
        parts: with lines, if the output is of JSON lines and nothing finishes.
        output: as for :func:`textcnn.prediction.writing.write_rows`.
        finish: is given dictionaries, and gives those to write.
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
    """The answers to rows that came one by one."""
    answers, counts = answer_rows(predictor, rows, form)
    return Part(counts, lines="".join(map(json_line, answers))) if as_lines else Part(counts, rows=answers)
