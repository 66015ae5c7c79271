"""Defines the settings of a server: its models, its address and its limits."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textcnn.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """The limits of a request, and of concurrent requests, beyond which requests are refused.

    Attributes:
        max_body_bytes: the largest size of a request's body, as sent and decompressed.
        max_texts: the largest number of texts of a request.
        max_text_length: the largest number of characters of a text.
        max_concurrency: the number of requests to classify that a worker processes at once; others get status 429.
        timeout: the time in seconds from a request's head to the last byte of its response.
    """

    max_body_bytes: int = 8 * 2**20
    max_texts: int = 1_000
    max_text_length: int = 100_000
    max_concurrency: int = 64
    timeout: float = 30.0


@dataclass(frozen=True)
class ModelSource:
    """A model's folder, and its name in requests."""

    name: str
    folder: Path


@dataclass(frozen=True)
class ServerSettings:
    """The settings of :func:`textcnn.serve.server.serve`.

    Attributes:
        models: the models; the first answers requests that name none.
        host: the address to listen at; other machines can reach any but a loopback address.
        port: the port to listen at; 0: any free port.
        workers: the number of worker processes, each with its own models.
        precision: ``float32`` or ``int8``.
        token: the bearer token that requests must carry; none: no authentication.
        limits: the limits of requests.
        origins: the origins whose pages may send requests, from :func:`textcnn.serve.cors.checked_origins`.
    """

    models: tuple[ModelSource, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    precision: str = "float32"
    token: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)
    origins: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def model_sources(arguments: Sequence[str]) -> tuple[ModelSource, ...]:
    """Parse ``MODEL`` or ``NAME=MODEL`` arguments; the default name is the folder's. Models of the hub are downloaded.

    Raises:
        ArtifactError: a model of the hub cannot be downloaded.
        ConfigError: two models have the same name, or a name is empty.
    """
    from textcnn.folder.hub import model_folder

    found: dict[str, ModelSource] = {}
    for argument in arguments:
        name, equals, folder = argument.partition("=")
        if not equals or Path(argument).is_dir():
            name, folder = Path(argument).resolve().name, argument
        if not name or not folder:
            raise ConfigError(f"expected MODEL or NAME=MODEL, got {argument!r}")
        if name in found:
            raise ConfigError(
                f"two models are called {name!r}: {str(found[name].folder)!r} and {folder!r}; say NAME=MODEL"
            )
        found[name] = ModelSource(name, model_folder(folder))
    return tuple(found.values())


def token_of(variable: str | None) -> str | None:
    """Return the token in an environment variable; none if no variable is named.

    Raises:
        ConfigError: the variable is not set or empty; the server must not start without the token it should require.
    """
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ConfigError(f"--token-variable expects the name of a variable that holds a token, {variable!r} is empty")
    return token
