"""What a server is told: its models, where it listens, and what it refuses."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textcnn.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """What one request, and all requests at once, may take; beyond it they are refused.

    Attributes:
        max_body_bytes: of a request, as sent.
        max_texts: of a request.
        max_text_length: characters of a text.
        max_concurrency: requests to classify that a worker holds at once; more are answered with 429.
        timeout: seconds, from a request's first line to the last byte of its answer.
    """

    max_body_bytes: int = 8 * 2**20
    max_texts: int = 1_000
    max_text_length: int = 100_000
    max_concurrency: int = 64
    timeout: float = 30.0


@dataclass(frozen=True)
class ModelSource:
    """A model by the name that requests call it."""

    name: str
    folder: Path


@dataclass(frozen=True)
class ServerSettings:
    """All that :func:`textcnn.serve.server.serve` needs.

    Attributes:
        models: the first answers requests that name none.
        host: to listen at; others than the loopback are reached from other machines.
        port: 0: any that is free.
        workers: processes, each with its own models.
        precision: ``float32`` or ``int8``.
        token: that requests must bring; none: nobody is asked.
        limits: see there.
        origins: whose pages may ask, as :func:`textcnn.serve.cors.checked_origins` gave them.
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
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def model_sources(arguments: Sequence[str]) -> tuple[ModelSource, ...]:
    """Models from ``FOLDER`` or ``NAME=FOLDER``; without a name, the folder's own is taken. The hub's are fetched.

    Raises:
        ArtifactError: a model of the hub cannot be fetched.
        ConfigError: two models of one name, or an empty name.
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
    """The token in an environment variable.

    Raises:
        ConfigError: the variable is not set, or empty: a server that should be closed must not stand open.
    """
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ConfigError(f"--token-variable expects the name of a variable that holds a token, {variable!r} is empty")
    return token
