"""From settings to a running server: one process, or a parent that keeps several workers on one socket."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from textcnn.errors import ArtifactError, ConfigError, TextCNNError, import_extra
from textcnn.serve.metrics import Metrics
from textcnn.serve.models import Models
from textcnn.serve.settings import ServerSettings

Say = Callable[[str], None]

_CANNOT_LOAD = 2  # exit code of a worker that would fail again
_BACKLOG = 2048
_PAUSES = (1.0, 30.0)  # seconds before a worker that died is replaced: at first, and at most
_SIGNALS = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


def serve(settings: ServerSettings, say: Say) -> None:
    """Serve until the process is told to stop.

    Args:
        settings: models, place and limits.
        say: is told what happens, a line each.

    Raises:
        ArtifactError: a model cannot be loaded.
        ConfigError: the place is taken, or several workers where processes cannot be forked.
        MissingExtraError: fastapi or uvicorn is not installed.
    """
    for module in ("fastapi", "uvicorn"):
        import_extra(module, extra="serve", feature="`textcnn serve`")
    if settings.workers > 1 and not hasattr(os, "fork"):
        raise ConfigError(f"--workers expects 1 on this system, got {settings.workers}: its processes cannot be forked")
    Models(settings.models).check()
    _prepare_process()
    metrics = Metrics([source.name for source in settings.models], settings.workers)
    with _listener(settings) as listener:
        host, port = listener.getsockname()[:2]
        say(f"serving at http://{f'[{host}]' if ':' in host else host}:{port}")
        if not settings.is_local and settings.token is None:
            say("note: other machines can reach this server, and it asks for no token; see --token-variable")
        if settings.workers == 1:
            _work(settings, metrics, say, listener, 0)
        else:
            _Workers(settings, metrics, say, listener).run()


def _prepare_process() -> None:
    """Let a reload that comes before the models wait for nothing, and each connection have its file."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with suppress(ImportError, ValueError, OSError):  # not on Windows, and not beyond what the system lets us
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listener(settings: ServerSettings) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as err:
        raise ConfigError(
            f"cannot listen at {settings.host!r}, port {settings.port}: {err}; choose --host and --port"
        ) from err


def _work_in_child(
    settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket, row: int, **how: Any
) -> None:
    # Until the worker listens for signals: those of the parent would be passed on to its other children.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    try:
        _work(settings, metrics, lambda line: say(f"worker {row + 1}: {line}"), listener, row, **how)
    except TextCNNError as err:
        sys.stderr.write(f"error: {err}\n")
        sys.exit(_CANNOT_LOAD)


def _work(settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket, row: int, **how: Any) -> None:
    from textcnn.serve.worker import Worker

    metrics.take_row(row)
    Worker(settings, metrics, say, **how).run_on(listener)


class _Workers:
    """Keeps workers alive, and passes on to them what the parent is told."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket) -> None:
        self._arguments = settings, metrics, say, listener
        self._say, self._count = say, settings.workers
        self._running: dict[int, Any] = {}
        self._due: dict[int, float] = {}  # when those that died are replaced
        self._pauses: dict[int, float] = {}  # before that; a worker that never died has none
        self._stopping = self._failed = False

    def run(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._pass_on)
        for row in range(self._count):
            self._start(row)
        while self._running or (self._due and not self._stopping):
            soon = min(self._due.values(), default=math.inf) - time.monotonic()
            wait([process.sentinel for process in self._running.values()], timeout=min(max(soon, 0.0), 1.0))
            for row, process in list(self._running.items()):
                if not process.is_alive():
                    self._replace(row, process.exitcode)
            for row in [row for row, when in self._due.items() if when <= time.monotonic()]:
                self._start(row)
        if self._failed:
            raise ArtifactError("a worker could not load the models; see above")

    def _start(self, row: int) -> None:
        # A fork shares the socket and the counters as they are; nothing has started a thread before it. Signals wait
        # until the child has put away the parent's answers to them, and the parent knows the child.
        context: Any = multiprocessing.get_context("fork")
        how = {"parent": os.getpid(), "is_replacement": row in self._pauses}
        process = context.Process(target=_work_in_child, args=(*self._arguments, row), kwargs=how)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._due.pop(row, None)
            process.start()
            self._running[row] = process
            if self._stopping:  # since this one was found to be due
                process.terminate()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _replace(self, row: int, exit_code: int) -> None:
        del self._running[row]
        if self._stopping:
            return
        first, longest = _PAUSES
        what = f"ended with exit code {exit_code}"
        if exit_code != _CANNOT_LOAD:
            self._pauses[row] = first
        elif row in self._pauses and self._running:  # its models were good once, and others have them still
            self._pauses[row] = min(2 * self._pauses[row], longest)
            what = "could not load the models"
        else:
            self._failed = True
            self._pass_on(signal.SIGTERM)
            return
        self._due[row] = time.monotonic() + self._pauses[row]
        self._say(f"worker {row + 1} {what}; another one starts in {self._pauses[row]:g} s")

    def _pass_on(self, number: int, frame: object = None) -> None:
        if number == signal.SIGHUP:
            self._due = dict.fromkeys(self._due, 0.0)  # the models may be good again
        else:
            self._stopping = True
            number = signal.SIGTERM
        for process in self._running.values():
            if process.is_alive():
                os.kill(process.pid, number)
