"""Answers requests to classify with the models and the batching thread, and provides a fast path around FastAPI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from textcnn.errors import ConfigError, MissingExtraError
from textcnn.serve.batching import Batcher
from textcnn.serve.http_errors import Refusal, unpacked
from textcnn.serve.metrics import Metrics
from textcnn.serve.middleware import RETRY_SECONDS
from textcnn.serve.models import Models, Question, ServedModel
from textcnn.serve.schemas import parse_request
from textcnn.serve.settings import Limits

JSON = "application/json"


@dataclass
class Service:
    """The state shared by all routes of a worker; ``stopping`` is set once the server shuts down."""

    models: Models
    batcher: Batcher
    metrics: Metrics
    limits: Limits
    stopping: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether requests will be answered."""
        return self.models.are_loaded and not self.stopping

    def model(self, name: str | None) -> ServedModel:
        """Return the model of that name, or the default model.

        Raises:
            Refusal: there is no such model (404), or the models are still being loaded (503).
        """
        if not self.models.are_loaded:
            raise Refusal(503, "not_ready", "the models are being loaded", headers={"retry-after": RETRY_SECONDS})
        found = self.models.get(name)
        if found is None:
            names = ", ".join(source.name for source in self.models.sources)
            raise Refusal(404, "no_such_model", f"expected one of the models {names}, got {str(name)[:80]!r}")
        return found

    async def respond(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the response to a request to classify: a JSON document with one row for each text, in order.

        Args:
            headers: the headers of the request, by names in lower case.
            body: the body as sent.

        Raises:
            Refusal: the request is invalid, or the model does not support its options.
        """
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON:
            raise Refusal(415, "not_json", f"expected the header Content-Type: {JSON}, got {kind[:80]!r}")
        asked = parse_request(unpacked(headers.get("content-encoding", ""), body, self.limits), self.limits)
        model = self.model(asked.model)
        rows = await self._rows(model, asked.texts, asked.question())
        document = json.dumps({"model": model.name, "results": rows}, ensure_ascii=False, separators=(",", ":"))
        # A label may contain a lone surrogate, which UTF-8 cannot represent; its backslash escape is valid in JSON.
        return document.encode("utf-8", "backslashreplace")

    async def _rows(self, model: ServedModel, texts: list[str], question: Question) -> list[dict[str, Any]]:
        try:
            model.check(question)
            rows = await self.batcher.rows(model, texts, question) if texts else []
        except ConfigError as err:
            raise Refusal(409, "not_for_this_model", str(err)) from None
        except MissingExtraError:
            raise Refusal(501, "not_installed", "this server cannot explain models of several layers") from None
        self.metrics.add("textcnn_texts_total", len(texts), model=model.name)
        return rows


class QuickPath:
    """ASGI middleware that answers `POST /classify` directly, and passes all other requests to the FastAPI app.

    Args:
        app: the app, which has the same route with its OpenAPI description.
        service: the service that answers requests.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
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
