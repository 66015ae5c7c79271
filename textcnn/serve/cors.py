"""Which pages of other origins may ask (CORS): the headers of preflight and answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from textcnn.errors import ConfigError
from textcnn.serve.http_errors import Refusal

ANY = "*"
_METHODS = b"GET, HEAD, POST"
_MAX_AGE = b"600"  # seconds that a browser keeps what it was told

Header = tuple[bytes, bytes]


class Origins:
    """The origins whose pages may ask.

    Args:
        allowed: as ``https://example.org`` or ``*``; none: pages of this server alone.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    def headers(self, origin: bytes | None) -> list[Header]:
        """What an answer tells the browser of a page of that origin."""
        if not self._allowed:
            return []
        found = [(b"vary", b"Origin")]
        if origin is not None and self._allows(origin):
            found.append((b"access-control-allow-origin", origin))
            found.append((b"access-control-expose-headers", b"retry-after"))
        return found

    def preflight(self, method: str, headers: dict[bytes, bytes]) -> list[Header] | None:
        """The answer to a browser that asks whether a page may ask; none: it is another request.

        Raises:
            Refusal: the page may not.
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
    """The origins as browsers send them: lower case, without a path or the usual port.

    Raises:
        ConfigError: one is no origin.
    """
    return tuple(ANY if origin == ANY else _checked(origin) for origin in given)


def _checked(origin: str) -> str:
    try:
        parts: Any = urlsplit(origin)
        is_origin = parts.scheme and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        is_origin = False
    if not is_origin or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError(f"--allow-origin expects an origin as https://example.org, or {ANY}, got {origin!r}")
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")  # which browsers leave out
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}".lower()
