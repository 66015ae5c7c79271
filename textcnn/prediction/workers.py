"""Runs work in worker processes, each with a pipe of its own, and classifies texts in them.

The process pool of `concurrent.futures` has one result queue for all workers: a process that is killed while it writes
to the queue leaves it locked, and everybody waits for ever. Here a process that dies closes only its own pipe.
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

_AHEAD = 2  # chunks in flight per process: the next one has arrived before the current one is finished
_THREADS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS")

Load = Callable[[], Answerer]


class WorkerLostError(Exception):
    """Raised when a worker process has died before it returned a result."""


class Workers:
    """A context manager for worker processes that receive items in turn and are killed at its end.

    A process is started when its first item is submitted.

    Args:
        count: the largest number of processes.
        start: called once in each process, returns the function that is called with each item. It is pickled, and so
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
        """Submit an item and return a future of its result; :class:`WorkerLostError` is set if its process dies."""
        place = self._given % self._count
        if place == len(self._lines):
            self._lines.append(_Line(self._start))
        self._given += 1
        return self._lines[place].submit(item)


class _Line:
    """A worker process, its pipe, and a thread of the parent that receives the results."""

    def __init__(self, start: Callable[[], Callable[[Any], Any]]) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, start), daemon=True)
        self._process.start()
        theirs.close()  # the child has the only copy of this end now, so the pipe closes when the child dies
        self._waiting: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def submit(self, item: Any) -> Future[Any]:
        found: Future[Any] = Future()
        self._waiting.put(found)
        with suppress(OSError):  # the process is dead; the receiving thread notices that as well
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
    """Process items until the pipe closes; a thread receives them at once, so that the sender never blocks."""
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
        except (OSError, EOFError):  # the parent has died
            os._exit(1)


def live_with_parent() -> None:
    """Make this process ignore Ctrl-C, which its parent handles, and exit when the parent exits."""
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
    """Classify rows in ``workers`` processes and yield the answers in order, with a few chunks in memory at a time.

    Args:
        rows: the rows, read in this process.
        load: makes the predictor in each process; it is pickled, so it must be a module's function or its ``partial``.
        form: options for the contents of a row of answers.
        as_lines: whether to format answers as JSON lines instead of dictionaries.
        workers: the number of processes.
        ready: as for :func:`textcnn.prediction.streaming.answer_stream`.

    Raises:
        TextCNNError: a process died before it was finished, or ``load`` or a prediction raised an error.
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
    """Divide the cores among the processes started in this context, by environment variables.

    Thread libraries read the variables when they are loaded, so they must be set before a process starts.
    """
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
    """Return the function that a process calls with each chunk; it raises the error of ``load`` if that failed."""
    # An error raised here would kill the process; raised for a chunk, it reaches the caller.
    try:
        predictor = load()
    except TextCNNError as err:
        return partial(_fail, err)
    return partial(answer, predictor, form=form, as_lines=as_lines)


def _fail(err: TextCNNError, chunk: list[InputRow]) -> Part:
    raise err
