"""`textcnn serve`: models over HTTP, and a page to try them."""

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
        typer.Argument(metavar="MODEL [NAME=MODEL]...", help="folders that `train` wrote, or hf://owner/name"),
    ],
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0 lets other machines in")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="processes; each loads the models")] = 1,
    precision: Annotated[str, typer.Option(help="float32, or int8: rows say if they are certified")] = "float32",
    token_variable: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="environment variable that holds the token requests must bring"),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="whose pages may ask from a browser (CORS): https://example.org, or *"),
    ] = None,
    max_body_bytes: Annotated[int, typer.Option(min=1, help="of a request")] = _LIMITS.max_body_bytes,
    max_texts: Annotated[int, typer.Option(min=1, help="of a request")] = _LIMITS.max_texts,
    max_text_length: Annotated[int, typer.Option(min=1, help="characters of a text")] = _LIMITS.max_text_length,
    max_concurrency: Annotated[
        int, typer.Option(min=1, help="requests a worker answers at once; more are told to come again (429)")
    ] = _LIMITS.max_concurrency,
    timeout: Annotated[float, typer.Option(min=0.01, help="seconds that a request may take")] = _LIMITS.timeout,
) -> None:
    """Answer texts over HTTP, and show a page at /. SIGHUP reads the models again, SIGTERM and Ctrl-C stop.

    Example: textcnn serve model other=model2 --port 8000
    """
    from textcnn.serve.server import serve as serve_until_stopped

    limits = Limits(max_body_bytes, max_texts, max_text_length, max_concurrency, timeout)
    origins, token = checked_origins(allow_origin or ()), token_of(token_variable)
    settings = ServerSettings(model_sources(models), host, port, workers, precision, token, limits, origins)
    serve_until_stopped(settings, console.say)
