"""Defines the routes of the server and their OpenAPI descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

import textcnn
from textcnn.labels import Labels
from textcnn.serve.http_errors import HTTP_CODES, Refusal
from textcnn.serve.middleware import RETRY_SECONDS, Guard
from textcnn.serve.schemas import (
    ClassifyResponse,
    ErrorResponse,
    HealthResponse,
    LabelsResponse,
    ReadyResponse,
    request_schema,
)
from textcnn.serve.service import JSON, QuickPath, Service

PAGE = Path(__file__).parent / "page"
# Error statuses that the middleware may return on any path, in addition to 401.
_ANYWHERE = (413, 500, 504)
_OF_CLASSIFY = (400, 404, 408, 409, 415, 422, 429, 501, 503)


def build_app(service: Service, token: str | None = None, origins: Sequence[str] = ()) -> Guard:
    """Build the whole application: the routes, the fast path of ``/classify``, and the middleware.

    Args:
        service: the service that answers requests.
        token: the bearer token that requests must carry; none: no authentication.
        origins: the origins whose pages may send requests (CORS).
    """
    app = FastAPI(title="textcnn", version=textcnn.__version__, docs_url=None, redoc_url=None)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    # The middleware checks the token; the dependency only adds it to the OpenAPI document.
    closed = {"dependencies": [Depends(HTTPBearer(auto_error=False))]} if token is not None else {}
    _add_answers(app, service, closed)
    _add_states(app, service, closed)
    _add_page(app)
    return Guard(QuickPath(app, service), service.limits, token, service.metrics, origins)


def _answers(success: type[BaseModel] | None, *errors: int) -> dict[int | str, dict[str, Any]]:
    """Return all responses of a route by status, for the OpenAPI document."""
    found: dict[int | str, dict[str, Any]] = {200: {"model": success}} if success is not None else {}
    return found | {status: {"model": ErrorResponse} for status in sorted({*errors, *_ANYWHERE})}


def _add_answers(app: FastAPI, service: Service, closed: dict[str, Any]) -> None:
    schema = {"content": {"application/json": {"schema": request_schema(service.limits)}}, "required": True}

    @app.post(
        "/classify",
        responses=_answers(ClassifyResponse, 401, *_OF_CLASSIFY),
        openapi_extra={"requestBody": schema},
        **closed,
    )
    async def classify(request: Request) -> Response:
        """Classify texts; the response has one row for each text, in order."""
        body = await service.respond(request.headers, await request.body())
        return Response(body, media_type=JSON)

    @app.get("/labels", responses=_answers(LabelsResponse, 401, 404, 422, 503), **closed)
    async def labels(model: str | None = None) -> Response:
        """Return the labels of a model, in the order of its probabilities, and the limits of requests."""
        found = service.model(model)
        predictor = found.predictor
        return JSONResponse(
            {
                "model": found.name,
                "labels": list(predictor.labels.names),
                "problem_type": predictor.labels.problem_type,
                "thresholds": predictor.own_thresholds,
                **_tree(predictor.labels),
                "targets": [
                    {"name": name, "low": target.low, "high": target.high}
                    for name, target in zip(predictor.labels.names, predictor.labels.targets, strict=False)
                ],
                "runtime": predictor.runtime.name,
                "models": [source.name for source in service.models.sources],
                "limits": asdict(service.limits),
            }
        )


def _tree(labels: Labels) -> dict[str, Any]:
    if labels.tree is None:
        return {}
    rows = zip(labels.tree.nodes, labels.tree.levels.tolist(), strict=True)
    return {"tree": [{"label": name, "level": level} for name, level in rows if level]}


def _add_states(app: FastAPI, service: Service, closed: dict[str, Any]) -> None:
    plain: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get("/health", responses=_answers(HealthResponse))
    async def health() -> Response:
        """Report that the process is alive."""
        return JSONResponse({"status": "ok", "version": textcnn.__version__})

    @app.get("/ready", responses=_answers(ReadyResponse, 503))
    async def ready() -> Response:
        """Report whether requests will be answered: the models are loaded and the server is not stopping."""
        if not service.is_ready:
            why = "the server is stopping" if service.stopping else "the models are being loaded"
            raise Refusal(503, "not_ready", why, headers={"retry-after": RETRY_SECONDS})
        return JSONResponse({"status": "ready", "models": [source.name for source in service.models.sources]})

    @app.get("/metrics", response_class=Response, responses=_answers(None, 401) | plain, **closed)
    async def metrics() -> Response:
        """Return the counters of all workers in Prometheus format."""
        return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html")

    app.mount("/static", StaticFiles(directory=PAGE))


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return Response(refusal.body(), refusal.status, refusal.headers, media_type="application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTP_CODES.get(error.status_code, "http_error")
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"  # the middleware turns HEAD into GET
    refusal = Refusal(error.status_code, code, str(error.detail), headers=headers)
    return await _refused(request, refusal)
