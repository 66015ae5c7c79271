"""Limits incomplete requests: an idle timeout of connections, and a size limit of request heads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from textcnn.serve.http_errors import Refusal
from textcnn.serve.metrics import Metrics
from textcnn.serve.middleware import HEADERS

LOOK = 0.5  # seconds between two checks


def is_answering(connection: Any) -> bool:
    """Whether a uvicorn connection has a request whose head is complete but whose response is not."""
    cycle = connection.cycle
    return cycle is not None and not cycle.response_complete and not connection.transport.is_closing()


async def close_silent(connections: Collection[Any], limit: float) -> None:
    """Close connections that send no complete request head, or read no response, for ``limit`` seconds; never returns.

    uvicorn's own idle timeout runs only after a response, and the first byte stops it. The time from the end of a
    request's head to its response is limited by :class:`textcnn.serve.middleware.Guard`.

    Args:
        connections: the open connections of a server, which change while this runs.
        limit: the timeout in seconds.
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
            since = since if last is connection.cycle else now  # it was active: another request has been answered
            waiting[connection] = connection.cycle, since
            if now - since >= limit:
                connection.transport.abort()
        known = waiting


MAX_HEAD_BYTES = 64 * 2**10  # the limit of h11, which is used where httptools is not installed


class Connection(HttpToolsProtocol):
    """uvicorn's httptools protocol with a limit on the size of request heads, and errors in this server's JSON format.

    httptools buffers an incomplete head without any limit, so that a client could fill the memory.

    Args:
        metrics: counts the refused requests.
        settings: the arguments of uvicorn's protocol.
    """

    def __init__(self, *, metrics: Metrics, **settings: Any) -> None:
        super().__init__(**settings)
        self._metrics = metrics
        self._pending = 0  # bytes received since the last complete head, request or part of a body

    def data_received(self, data: bytes) -> None:
        """Process received bytes, and refuse a head that is too large."""
        self._pending += len(data)
        super().data_received(data)
        if self._pending > MAX_HEAD_BYTES and not self.transport.is_closing():
            message = f"expected headers of at most {MAX_HEAD_BYTES:,} bytes"
            self._refuse(Refusal(431, "headers_too_large", message))

    def on_headers_complete(self) -> None:
        """Reset the count of pending bytes at the end of a head."""
        self._pending = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Reset the count of pending bytes after a part of a body."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Reset the count of pending bytes at the end of a request."""
        self._pending = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not an HTTP request."""
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
        """Whether an error sent now would be the response to this request, with no earlier response pending."""
        cycle = self.cycle
        return not is_answering(self) or (cycle.more_body and not cycle.response_started and not self.pipeline)
