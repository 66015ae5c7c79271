"""Implements CORS: the response headers by which browsers let pages of other origins use the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from textcnn.errors import ConfigError
from textcnn.serve.http_errors import Refusal

ANY = "*"
_METHODS = b"GET, HEAD, POST"
_MAX_AGE = b"600"  # seconds for which a browser may cache a preflight response

Header = tuple[bytes, bytes]


class Origins:
    """The origins whose pages may send requests.

    Args:
        allowed: origins such as ``https://example.org``, or ``*``; empty: only pages of this server.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    def headers(self, origin: bytes | None) -> list[Header]:
        """Return the CORS headers of a response to a page of that origin."""
        if not self._allowed:
            return []
        found = [(b"vary", b"Origin")]
        if origin is not None and self._allows(origin):
            found.append((b"access-control-allow-origin", origin))
            found.append((b"access-control-expose-headers", b"retry-after"))
        return found

    def preflight(self, method: str, headers: dict[bytes, bytes]) -> list[Header] | None:
        """Return the headers of the response to a preflight request; none if the request is not one.

        Raises:
            Refusal: the origin is not allowed.
        """
        origin = headers.get(b"origin")
        is_preflight = method == "OPTIONS" and origin is not None and b"access-control-request-method" in headers
        if not self._allowed or not is_preflight or origin is None:
            return None
        if not self._allows(origin):
            shown = origin.decode("latin-1")[:80]
            raise Refusal(
                403, "origin_not_allowed", f"expected an allowed origin, got {shown!r}; see `serve --allow-origin`"
            )
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", b"authorization, content-type, content-encoding"),
            (b"access-control-max-age", _MAX_AGE),
        ]

    def _allows(self, origin: bytes) -> bool:
        return ANY in self._allowed or origin.decode("latin-1").lower() in self._allowed


def checked_origins(given: Sequence[str]) -> tuple[str, ...]:
    """Check origins and return them as browsers send them: in lower case, without a path or the default port.

    Raises:
        ConfigError: a value is not an origin.
    """
    return tuple(ANY if origin == ANY else _checked(origin) for origin in given)


def _checked(origin: str) -> str:
    try:
        parts: Any = urlsplit(origin)
        is_origin = parts.scheme and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number
        is_origin = False
    if not is_origin or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError(f"--allow-origin expects an origin as https://example.org, or {ANY}, got {origin!r}")
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")  # browsers omit it
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}".lower()
