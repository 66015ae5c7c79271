"""Implements `textcnn serve`, which serves models over HTTP with a page to try them."""

from __future__ import annotations

from typing import Annotated

import typer

from textcnn.serve.cors import checked_origins
from textcnn.serve.settings import Limits, ServerSettings, model_sources, token_of
from textcnn_cli import console

_LIMITS = Limits()


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL [NAME=MODEL]...", help="model folders of `train`, or hf://owner/name"),
    ],
    host: Annotated[
        str, typer.Option(help="address to listen at; 0.0.0.0 accepts connections from other machines")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to listen at; 0: any free port")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="number of worker processes; each loads all models")] = 1,
    precision: Annotated[
        str, typer.Option(help="float32, or int8: integer logits, and certificates of float32's labels")
    ] = "float32",
    token_variable: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="environment variable with the bearer token that requests must carry"),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="origin whose pages may send requests (CORS): https://example.org, or *"),
    ] = None,
    max_body_bytes: Annotated[
        int, typer.Option(min=1, help="largest size of a request's body in bytes")
    ] = _LIMITS.max_body_bytes,
    max_texts: Annotated[int, typer.Option(min=1, help="largest number of texts per request")] = _LIMITS.max_texts,
    max_text_length: Annotated[
        int, typer.Option(min=1, help="largest number of characters per text")
    ] = _LIMITS.max_text_length,
    max_concurrency: Annotated[
        int, typer.Option(min=1, help="largest number of concurrent requests per worker; others get status 429")
    ] = _LIMITS.max_concurrency,
    timeout: Annotated[float, typer.Option(min=0.01, help="timeout of a request in seconds")] = _LIMITS.timeout,
) -> None:
    """Serve models over HTTP, with a page at /. SIGHUP reloads the models; SIGTERM and Ctrl-C stop the server.

    Example: textcnn serve model other=model2 --port 8000
    """
    from textcnn.serve.server import serve as serve_until_stopped

    limits = Limits(max_body_bytes, max_texts, max_text_length, max_concurrency, timeout)
    origins, token = checked_origins(allow_origin or ()), token_of(token_variable)
    settings = ServerSettings(model_sources(models), host, port, workers, precision, token, limits, origins)
    serve_until_stopped(settings, console.say)
