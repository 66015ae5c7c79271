"""The short way of `POST /classify`: the answer that the framework would give, without the time of its layers."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from textcnn.serve.refusals import Refusal
from textcnn.serve.service import JSON, Service


class QuickPath:
    """An ASGI app before another one, which is the definition; it answers what is asked most, and passes on the rest.

    Args:
        app: has the same route, described.
        service: what answers.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] != "/classify" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        status, headers = 200, dict[str, str]()
        try:
            body = await self._service.respond(Headers(scope=scope), await _body(receive))
        except Refusal as refusal:
            status, headers, body = refusal.status, refusal.headers, refusal.body()
        found = {"content-length": str(len(body)), "content-type": JSON, **headers}
        start = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in found.items()]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
