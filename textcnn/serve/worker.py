"""Runs one worker process: uvicorn on a socket that is already bound, with signal handlers to stop and reload."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Any

import uvicorn

from textcnn.core.threads import num_cores
from textcnn.serve.app import build_app
from textcnn.serve.batching import Batcher
from textcnn.serve.connection import close_silent
from textcnn.serve.metrics import Metrics
from textcnn.serve.models import Models
from textcnn.serve.service import Service
from textcnn.serve.settings import ServerSettings

_LOOK_AFTER_PARENT = 1.0  # seconds between checks that the parent is alive

Say = Callable[[str], None]


class Worker(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, then finishes the requests in progress; SIGHUP reloads the models.

    Args:
        settings: the settings of the server.
        metrics: the shared counters, in which this worker has a row.
        say: called with each log line.
        parent: the id of the parent process, at whose end the worker stops; none: there is no parent.
        is_replacement: whether other workers are running, so that this one accepts no request before it is ready.
    """

    def __init__(
        self,
        settings: ServerSettings,
        metrics: Metrics,
        say: Say,
        *,
        parent: int | None = None,
        is_replacement: bool = False,
    ) -> None:
        threads = max(num_cores() // settings.workers, 1)
        self._models = Models(settings.models, precision=settings.precision, threads=threads)
        self._batcher = Batcher(lambda size: metrics.observe("textcnn_batch_texts", size))
        self._service = Service(self._models, self._batcher, metrics, settings.limits)
        self._say, self._parent, self._metrics = say, parent, metrics
        self._failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._is_replacement, self._patience = is_replacement, settings.limits.timeout
        super().__init__(
            uvicorn.Config(
                build_app(self._service, settings.token, settings.origins),
                http=_protocol(metrics),
                log_config=None,
                log_level="error",  # a log line for each malformed request would let anyone fill the disk
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=int(settings.limits.timeout) + 1,
            )
        )

    def run_on(self, listener: socket.socket) -> None:
        """Serve on that socket until the worker is stopped.

        Raises:
            Exception: the models cannot be loaded; a :class:`textcnn.errors.TextCNNError` if the cause is known.
        """
        try:
            # uvloop and httptools if they are installed, otherwise asyncio and h11, which are slower.
            with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
                runner.run(self._run(listener))
        finally:
            self._batcher.close()
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Disable uvicorn's signal handling, which would raise a signal again; :meth:`_listen` replaces it."""
        yield

    async def _run(self, listener: socket.socket) -> None:
        self._listen()
        loading = self._begin(self._load())
        self._begin(close_silent(self.server_state.connections, self._patience))
        if self._parent is not None:
            self._begin(self._stay_with_parent(self._parent))
        try:
            if self._is_replacement:
                await loading
            if not self.should_exit:
                await self.serve(sockets=[listener])
        finally:
            for task in self._tasks:
                task.cancel()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        if hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, lambda: self._begin(self._reload()))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _stop(self) -> None:
        self.force_exit = self._service.stopping  # a second signal stops at once
        self._service.stopping = self.should_exit = True

    async def _load(self) -> None:
        async with self._turn:
            try:
                await asyncio.to_thread(self._models.load)
            except Exception as err:  # of any kind: otherwise the server would stay up and never become ready
                self._failure, self.should_exit = err, True
                return
        names = ", ".join(source.name for source in self._models.sources)
        self._say(f"ready: {names}")

    async def _reload(self) -> None:
        """Reload all models; if one cannot be loaded, keep the current ones."""
        async with self._turn:
            try:
                await asyncio.to_thread(self._models.load)
            except Exception as err:  # of any kind: the current models can still answer
                self._metrics.add("textcnn_reloads_total", outcome="failed")
                self._say(f"reload failed, the models are as before: {err}")
                return
        self._metrics.add("textcnn_reloads_total", outcome="done")
        self._say("reloaded")

    async def _stay_with_parent(self, parent: int) -> None:
        with suppress(asyncio.CancelledError):
            while os.getppid() == parent:
                await asyncio.sleep(_LOOK_AFTER_PARENT)
            self._stop()


def _protocol(metrics: Metrics) -> Any:
    """Return the HTTP protocol: httptools with limits if it is installed, otherwise h11, which has its own limits."""
    if find_spec("httptools") is None:
        return "h11"
    from textcnn.serve.connection import Connection

    return partial(Connection, metrics=metrics)
