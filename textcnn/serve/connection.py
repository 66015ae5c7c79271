"""Connections whose request is not whole: how long they may be idle, how much they may send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from textcnn.serve.http_errors import Refusal
from textcnn.serve.metrics import Metrics
from textcnn.serve.middleware import HEADERS

LOOK = 0.5  # seconds between two looks


def is_answering(connection: Any) -> bool:
    """Whether a connection of uvicorn's has a request whose head is whole, and whose answer is not."""
    cycle = connection.cycle
    return cycle is not None and not cycle.response_complete and not connection.transport.is_closing()


async def close_silent(connections: Collection[Any], limit: float) -> None:
    """Close connections on which for so many seconds no request has come, or nobody took the answer; without end.

    uvicorn has such a clock only for the silence after an answer, and the first byte stops it. What happens from the
    end of a head to the answer is watched by :class:`textcnn.serve.middleware.Guard`.

    Args:
        connections: those of a server, as they come and go.
        limit: seconds.
    """
    known: dict[Any, tuple[object, float]] = {}
    while True:
        await asyncio.sleep(min(LOOK, limit))
        now = time.monotonic()
        waiting: dict[Any, tuple[object, float]] = {}
        for connection in list(connections):
            if is_answering(connection) and not connection.flow.write_paused:
                continue
            last, since = known.get(connection, (None, now))
            since = since if last is connection.cycle else now  # another request has been answered meanwhile
            waiting[connection] = connection.cycle, since
            if now - since >= limit:
                connection.transport.abort()
        known = waiting


MAX_HEAD_BYTES = 64 * 2**10  # as h11 has it, where httptools is not installed


class Connection(HttpToolsProtocol):
    """uvicorn's, but for what is no request: that is bounded, and refused in the words of all our errors.

    httptools keeps the lines of a head until they end, and would keep them without end.

    Args:
        metrics: where refusals are counted.
        settings: of uvicorn.
    """

    def __init__(self, *, metrics: Metrics, **settings: Any) -> None:
        super().__init__(**settings)
        self._metrics = metrics
        self._pending = 0  # bytes since the last that were a part of a body, or the end of a head or a request

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_HEAD_BYTES and not self.transport.is_closing():
            message = f"expected headers of at most {MAX_HEAD_BYTES:,} bytes"
            self._refuse(Refusal(431, "headers_too_large", message))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._pending = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._pending = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(Refusal(400, "invalid_http", "expected a request of HTTP/1.1"))

    def _refuse(self, refusal: Refusal) -> None:
        self._metrics.count_request("other", refusal.status)
        if not self._may_speak():
            self.transport.abort()
            return
        body = refusal.body()
        length = (b"content-length", str(len(body)).encode())
        headers = [(b"content-type", b"application/json"), length, (b"connection", b"close"), *HEADERS]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", body]))
        self.transport.close()

    def _may_speak(self) -> bool:
        """Whether what is said now would be the next answer: none is under way but that to this very request."""
        cycle = self.cycle
        return not is_answering(self) or (cycle.more_body and not cycle.response_started and not self.pipeline)
