"""From settings to a running server: one process, or a parent that keeps several workers on one socket."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

from textcnn.errors import ArtifactError, ConfigError, TextCNNError
from textcnn.extras import import_extra
from textcnn.serve.metrics import Metrics
from textcnn.serve.models import Models
from textcnn.serve.settings import ServerSettings

Say = Callable[[str], None]

_CANNOT_LOAD = 2  # exit code of a worker that would fail again
_BACKLOG = 2048
_PAUSE = 1.0  # seconds before a worker that died is replaced


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
    metrics = Metrics([source.name for source in settings.models], settings.workers)
    with _listener(settings) as listener:
        host, port = listener.getsockname()[:2]
        say(f"serving at http://{f'[{host}]' if ':' in host else host}:{port}")
        if not settings.is_local and settings.token is None:
            say("note: other machines can reach this server, and it asks for no token; see --token-variable")
        if settings.workers == 1:
            _work(settings, metrics, say, listener, 0, None)
        else:
            _Workers(settings, metrics, say, listener).run()


def _listener(settings: ServerSettings) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as err:
        raise ConfigError(
            f"cannot listen at {settings.host!r}, port {settings.port}: {err}; choose --host and --port"
        ) from err


def _work(
    settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket, row: int, parent: int | None
) -> None:
    from textcnn.serve.worker import Worker

    metrics.take_row(row)
    Worker(settings, metrics, say, parent=parent).run_on(listener)


def _work_in_child(
    settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket, row: int, parent: int
) -> None:
    try:
        _work(settings, metrics, lambda line: say(f"worker {row + 1}: {line}"), listener, row, parent)
    except TextCNNError as err:
        sys.stderr.write(f"error: {err}\n")
        sys.exit(_CANNOT_LOAD)


class _Workers:
    """Keeps workers alive, and passes on to them what the parent is told."""

    def __init__(self, settings: ServerSettings, metrics: Metrics, say: Say, listener: socket.socket) -> None:
        self._arguments = settings, metrics, say, listener
        self._say, self._count = say, settings.workers
        self._running: dict[int, Any] = {}
        self._stopping = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        for row in range(self._count):
            self._start(row)
        failed = False
        while self._running:
            wait([process.sentinel for process in self._running.values()], timeout=1.0)
            failed |= self._replace_dead()
        if failed:
            raise ArtifactError("a worker could not load the models; see above")

    def _start(self, row: int) -> None:
        # A fork shares the socket and the counters as they are; nothing has started a thread before it.
        context: Any = multiprocessing.get_context("fork")
        process = context.Process(target=_work_in_child, args=(*self._arguments, row, os.getpid()))
        process.start()
        self._running[row] = process

    def _replace_dead(self) -> bool:
        failed = False
        for row, process in list(self._running.items()):
            if process.is_alive():
                continue
            del self._running[row]
            if process.exitcode == _CANNOT_LOAD:
                failed = True
                self._pass_on(signal.SIGTERM)
            elif not self._stopping:
                self._say(f"worker {row + 1} ended with exit code {process.exitcode}; another one starts")
                time.sleep(_PAUSE)
                self._start(row)
        return failed

    def _pass_on(self, number: int, frame: object = None) -> None:
        if number != signal.SIGHUP:
            self._stopping = True
            number = signal.SIGTERM
        for process in self._running.values():
            if process.is_alive():
                os.kill(process.pid, number)
