"""Many rows to answers in bounded memory: chunk after chunk, in one process or in several, in the order of the rows."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from textcnn.core.threads import num_cores
from textcnn.errors import TextCNNError
from textcnn.inference.answers import Answerer, AnswerForm, InputRow, answer_rows, chunks_of
from textcnn.inference.workers import WorkerLostError, Workers
from textcnn.inference.writing import json_line

_AHEAD = 2  # chunks that wait for each process: while one is answered, the next is there
_THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")

Load = Callable[[], Answerer]


@dataclass(frozen=True)
class Part:
    """The answers to one chunk of rows.

    Attributes:
        rows: one dictionary a row; empty if they were wanted as lines.
        lines: the same as lines of JSON.
        counts: rows, tokens, unknown tokens, empty and cut rows.
    """

    rows: list[dict[str, Any]]
    lines: str
    counts: Counter[str]


def answer_stream(
    rows: Iterable[InputRow],
    predictor: Answerer,
    form: AnswerForm,
    *,
    as_lines: bool,
    ready: Callable[[], bool] = lambda: True,
) -> Generator[Part, None, None]:
    """Answers in this process.

    Args:
        rows: are read only as far as they are needed.
        predictor: answers texts.
        form: what a row of answers holds.
        as_lines: make lines of JSON, not dictionaries.
        ready: whether the next row can be read without waiting; if not, those read so far are answered first.
    """
    for chunk in chunks_of(rows, ready):
        yield _answer(predictor, chunk, form, as_lines)


def answer_in_processes(
    rows: Iterable[InputRow],
    load: Load,
    form: AnswerForm,
    *,
    as_lines: bool,
    workers: int,
    ready: Callable[[], bool] = lambda: True,
) -> Generator[Part, None, None]:
    """The same from ``workers`` processes, in the order of the rows; at most a few chunks are in memory.

    Args:
        rows: are read in this process.
        load: makes the predictor, in each process; it is pickled, so a function of a module, or ``partial`` of one.
        form: what a row of answers holds.
        as_lines: make lines of JSON, not dictionaries.
        workers: how many processes.
        ready: as for :func:`answer_stream`.

    Raises:
        TextCNNError: a process has ended before its work; or what ``load`` or an answer raises.
    """
    waiting: deque[Future[Part]] = deque()
    try:
        with Workers(workers, partial(_answerer, load, form, as_lines)) as processes:
            with _threads_for(workers):
                for chunk in chunks_of(rows, ready):
                    waiting.append(processes.submit(chunk))
                    while waiting and (len(waiting) > _AHEAD * workers or not ready()):
                        yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except WorkerLostError as err:
        raise TextCNNError(
            f"one of {workers} worker processes ended before its work, perhaps killed for want of memory; "
            f"try fewer --workers"
        ) from err


def _answer(predictor: Answerer, rows: Sequence[InputRow], form: AnswerForm, as_lines: bool) -> Part:
    answers, counts = answer_rows(predictor, rows, form)
    return Part([], "".join(map(json_line, answers)), counts) if as_lines else Part(answers, "", counts)


@contextmanager
def _threads_for(workers: int) -> Iterator[None]:
    """Processes started in here share the cores: thread libraries read these variables when they are loaded."""
    threads = str(max(num_cores() // workers, 1))
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, threads))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _answerer(load: Load, form: AnswerForm, as_lines: bool) -> Callable[[list[InputRow]], Part]:
    """What a process does with each chunk. An error of ``load`` is told with every chunk: here it would be a crash."""
    try:
        predictor = load()
    except TextCNNError as err:
        return partial(_fail, err)
    return partial(_answer, predictor, form=form, as_lines=as_lines)


def _fail(err: TextCNNError, chunk: list[InputRow]) -> Part:
    raise err
