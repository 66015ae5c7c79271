"""Processes that work through what they are sent, each over a line of its own, and answer texts.

A pool of `concurrent.futures` has one queue for the results of all: a process that is killed while it writes into it
keeps the lock, and all others, and who asked them, wait for ever. Here the end of a process is the end of its line.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any

from textcnn.core.threads import num_cores
from textcnn.errors import TextCNNError
from textcnn.prediction.answers import Answerer, AnswerForm, InputRow, chunks_of
from textcnn.prediction.streaming import Part, answer

_AHEAD = 2  # chunks that wait for each process: while one is answered, the next is there
_THREADS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS")

Load = Callable[[], Answerer]


class WorkerLostError(Exception):
    """A process has ended before its work."""


class Workers:
    """Processes that take turns; a context manager, at whose end they end. Each is started with its first item.

    Args:
        count: how many at most.
        start: is called in each process, and gives what is called with one item after the other. It is pickled, and so
            are items and results.
    """

    def __init__(self, count: int, start: Callable[[], Callable[[Any], Any]]) -> None:
        self._count, self._start = count, start
        self._lines: list[_Line] = []
        self._given = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *problem: object) -> None:
        for line in self._lines:
            line.end()

    def submit(self, item: Any) -> Future[Any]:
        """What comes of an item, in time; :class:`WorkerLostError` if its process ends before that."""
        place = self._given % self._count
        if place == len(self._lines):
            self._lines.append(_Line(self._start))
        self._given += 1
        return self._lines[place].submit(item)


class _Line:
    """A process, and a thread of this one that takes its results."""

    def __init__(self, start: Callable[[], Callable[[Any], Any]]) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, start), daemon=True)
        self._process.start()
        theirs.close()  # the process has the only one, so that its end is the end of the line
        self._waiting: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> Future[Any]:
        found: Future[Any] = Future()
        self._waiting.put(found)
        with suppress(OSError):  # it is gone, as the thread finds too
            self._ours.send(item)
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._waiting.put(None)
        self._thread.join()
        self._ours.close()

    def _receive(self) -> None:
        while (found := self._waiting.get()) is not None:
            try:
                is_error, result = self._ours.recv()
            except (OSError, EOFError):
                is_error, result = True, WorkerLostError()
            if is_error:
                found.set_exception(result)
            else:
                found.set_result(result)


# ------------------------------------------------------------------------------------ within a worker process


def _run(line: Connection, start: Callable[[], Callable[[Any], Any]]) -> None:
    """Work until the line ends. Items are taken as they come, so that who sends them need not wait."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    items: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(line, items), daemon=True).start()
    work = start()
    while True:
        try:
            found = False, work(items.get())
        except Exception as err:
            found = True, err
        line.send(found)


def _take(line: Connection, items: queue.SimpleQueue[Any]) -> None:
    while True:
        try:
            items.put(line.recv())
        except (OSError, EOFError):  # the parent is gone
            os._exit(1)


def live_with_parent() -> None:
    """From here on this process leaves Ctrl-C to its parent, and ends when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def answer_in_processes(
    rows: Iterable[InputRow],
    load: Load,
    form: AnswerForm,
    *,
    as_lines: bool,
    workers: int,
    ready: Callable[[], bool] = lambda: True,
) -> Generator[Part, None, None]:
    """Answers from ``workers`` processes, in the order of the rows; at most a few chunks are in memory.

    Args:
        rows: are read in this process.
        load: makes the predictor, in each process; it is pickled, so a function of a module, or ``partial`` of one.
        form: what a row of answers holds.
        as_lines: make lines of JSON, not dictionaries.
        workers: how many processes.
        ready: as for :func:`textcnn.prediction.streaming.answer_stream`.

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
    return partial(answer, predictor, form=form, as_lines=as_lines)


def _fail(err: TextCNNError, chunk: list[InputRow]) -> Part:
    raise err
