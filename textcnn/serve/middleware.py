"""Wraps the application: checks the token and the limits, enforces the timeout, counts, and adds security headers."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Sequence

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textcnn.serve.cors import Header, Origins
from textcnn.serve.http_errors import Refusal, too_large, unexpected
from textcnn.serve.metrics import CLIENT_GONE, Metrics
from textcnn.serve.settings import Limits

LOG = logging.getLogger("textcnn.serve")
OPEN_PATHS = ("/", "/docs", "/openapi.json", "/health", "/ready")  # need no token, like the files below /static/
RETRY_SECONDS = "1"
# Most clients read the response only after they have sent their whole body, and closing the connection before that
# resets it. So an unwanted body is read and dropped before the response: up to this many bytes, for this share of the
# request's timeout, and until the client has sent nothing for this many seconds.
DROPPED_BYTES = 256 * 2**20
DROPPED_SHARE = 0.8
DROPPED_SILENCE = 1.0

# Allows the page's own files only: no inline script or style, no other host, no frame around the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """ASGI middleware around the application.

    Args:
        app: the application.
        limits: the limits of a request, and of concurrent requests.
        token: the bearer token that requests must carry, except to :data:`OPEN_PATHS`; none: no authentication.
        metrics: counts requests and their times.
        origins: the origins whose pages may send requests (CORS).
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, token: str | None, metrics: Metrics, origins: Sequence[str] = ()
    ) -> None:
        self.app, self._limits, self._metrics, self._origins = app, limits, metrics, Origins(origins)
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._work = _Work(limits, metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_work = scope["path"] == "/classify"
        headers = dict(scope["headers"])
        exchange = _Exchange(receive, send, self._limits, self._work if is_work else None, headers)
        exchange.headers += self._origins.headers(headers.get(b"origin"))
        started = time.perf_counter()
        try:
            allowed = self._origins.preflight(scope["method"], headers)
            if allowed is None:
                self._admit(scope, headers)
            else:
                await exchange.answer(204, allowed)
        except Refusal as refusal:
            await exchange.refuse(refusal)
        if exchange.status:
            self._metrics.count_request(scope["path"], exchange.status)
            return
        if scope["method"] == "HEAD":  # the same headers as GET; the server omits the body
            scope = {**scope, "method": "GET"}
        try:
            await self._answer(scope, exchange)
        finally:
            exchange.close()
            self._metrics.count_request(scope["path"], exchange.status)
            if is_work:
                self._metrics.observe("textcnn_request_seconds", time.perf_counter() - started)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        path = scope["path"]
        is_open = path in OPEN_PATHS or path.startswith("/static/")
        if self._expected is not None and not is_open:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                raise Refusal(
                    401,
                    "unauthorized",
                    "expected the header Authorization: Bearer TOKEN with this server's token",
                    headers={"www-authenticate": "Bearer"},
                )
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limits.max_body_bytes:
            raise too_large(self._limits.max_body_bytes)

    async def _answer(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            async with asyncio.timeout(self._limits.timeout):
                await self.app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            await exchange.refuse(_too_late(exchange.body_is_read, self._limits.timeout))
        except Refusal as refusal:  # raised by `receive` about the body
            await exchange.refuse(refusal)
        except ClientDisconnect:
            exchange.status = exchange.status or CLIENT_GONE
        except Exception:
            LOG.exception("%s %s", scope["method"], scope["path"])
            await exchange.refuse(unexpected())


class _Work:
    """Limits concurrent requests to ``/classify`` in this worker: first by the bytes received, then by their number.

    A request takes one of the places only when its body is complete, so that slow clients cannot block others.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._places = self._bytes = 0

    def take_bytes(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.max_concurrency * self._limits.max_body_bytes:
            raise _too_many(self._limits.max_concurrency)

    def take_place(self) -> None:
        if self._places >= self._limits.max_concurrency:
            raise _too_many(self._limits.max_concurrency)
        self._places += 1
        self._metrics.add("textcnn_requests_in_progress", 1)

    def give_back(self, size: int, has_place: bool) -> None:
        self._bytes -= size
        if has_place:
            self._places -= 1
            self._metrics.add("textcnn_requests_in_progress", -1)


class _Exchange:
    """One request and its response; tracks how much of the body has arrived and whether the response has begun."""

    def __init__(
        self, receive: Receive, send: Send, limits: Limits, work: _Work | None, headers: dict[bytes, bytes]
    ) -> None:
        self._receive, self._send, self._max_body_bytes, self._work = receive, send, limits.max_body_bytes, work
        self._size, self._has_place = 0, False
        self._end = time.monotonic() + DROPPED_SHARE * limits.timeout
        has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        self._all_came = not has_body  # counting the parts that were dropped
        self._waits = headers.get(b"expect", b"").lower() == b"100-continue"  # sends its body only on request
        self.body_is_read, self.status = False, 0
        self.headers: list[Header] = list(HEADERS)

    async def receive(self) -> Message:
        message = await self._next()
        if message["type"] != "http.request":
            return message
        size = len(message.get("body", b""))
        self._size += size
        if self._size > self._max_body_bytes:
            self._size -= size  # these bytes are dropped, not buffered
            raise too_large(self._max_body_bytes)
        if self._work is not None:
            self._work.take_bytes(size)
        if not message.get("more_body", False) and not self.body_is_read:
            self.body_is_read = True
            if self._work is not None:
                self._work.take_place()
                self._has_place = True
        return message

    def close(self) -> None:
        """Release the bytes and the place that the request took."""
        if self._work is not None:
            self._work.give_back(self._size, self._has_place)

    async def _next(self) -> Message:
        message = await self._receive()
        self._waits = False
        self._all_came = self._all_came or not message.get("more_body", False)  # so is a disconnect
        return message

    async def _drop_rest(self) -> None:
        """Read and drop the rest of the body, within the limits above."""
        dropped = 0
        while not self._all_came and not self._waits and dropped < DROPPED_BYTES:
            left = self._end - time.monotonic()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(min(DROPPED_SILENCE, left)):
                    dropped += len((await self._next()).get("body", b""))
            except TimeoutError:
                return

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._drop_rest()
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), *self.headers]
        await self._send(message)

    async def answer(self, status: int, headers: list[Header], body: bytes = b"") -> None:
        """Send a whole response."""
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, refusal: Refusal) -> None:
        """Send an error response, unless a response has begun, which cannot be taken back."""
        if self.status:
            return
        body = refusal.body()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
        await self.answer(refusal.status, [(name.encode(), value.encode()) for name, value in headers.items()], body)


def _too_many(limit: int) -> Refusal:
    return Refusal(
        429,
        "too_many_requests",
        f"expected at most {limit} requests at once; ask again in a moment",
        headers={"retry-after": RETRY_SECONDS},
    )


def _too_late(body_is_read: bool, limit: float) -> Refusal:
    if not body_is_read:
        message = f"the body did not arrive within {limit:g} s"
        return Refusal(408, "request_timeout", message, headers={"connection": "close"})
    return Refusal(
        504,
        "timeout",
        f"there was no answer within {limit:g} s; send fewer or shorter texts, or ask again in a moment",
        headers={"retry-after": RETRY_SECONDS},
    )
