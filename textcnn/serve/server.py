"""Runs the server: a single process, or a parent that supervises several workers on one socket."""

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

_CANNOT_LOAD = 2  # exit code of a worker that cannot load the models, and would fail again if restarted at once
_BACKLOG = 2048
_PAUSES = (1.0, 30.0)  # seconds before a dead worker is restarted: the first and the longest delay
_SIGNALS = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


def serve(settings: ServerSettings, say: Say) -> None:
    """Serve until a signal stops the process.

    Args:
        settings: the models, the address and the limits.
        say: called with each log line.

    Raises:
        ArtifactError: a model cannot be loaded.
        ConfigError: the address is in use, or several workers are requested on a system without fork.
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
    """Ignore reload signals until the models are loaded, and raise the limit of open files for connections."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with suppress(ImportError, ValueError, OSError):  # not available on Windows, or not permitted
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
    # The handlers inherited from the parent would pass signals on to its other children; reset them until the worker
    # installs its own.
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
    """Supervises worker processes: restarts those that die, and forwards signals to all of them."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket) -> None:
        self._arguments = settings, metrics, say, listener
        self._say, self._count = say, settings.workers
        self._running: dict[int, Any] = {}
        self._due: dict[int, float] = {}  # times at which dead workers are restarted
        self._pauses: dict[int, float] = {}  # current restart delay of each worker that has died before
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
        # Fork, so that the child inherits the socket and the counters; no thread has been started before. Signals are
        # blocked until the child has reset the parent's handlers and the parent has registered the child.
        context: Any = multiprocessing.get_context("fork")
        how = {"parent": os.getpid(), "is_replacement": row in self._pauses}
        process = context.Process(target=_work_in_child, args=(*self._arguments, row), kwargs=how)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._due.pop(row, None)
            process.start()
            self._running[row] = process
            if self._stopping:  # the stop signal came after this worker was due
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
        elif row in self._pauses and self._running:  # the models could be loaded before, and other workers still run
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
            self._due = dict.fromkeys(self._due, 0.0)  # retry at once: the models may be repaired
        else:
            self._stopping = True
            number = signal.SIGTERM
        for process in self._running.values():
            if process.is_alive():
                os.kill(process.pid, number)
