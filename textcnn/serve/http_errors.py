"""Defines error responses, and decodes request bodies that are compressed or begin with a byte order mark."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from textcnn.reading.source import MARKS
from textcnn.serve.settings import Limits

HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


class Refusal(Exception):
    """An HTTP error response, raised as an exception.

    Args:
        status: the HTTP status.
        code: an identifier of the error for programs.
        message: a sentence for people.
        details: the problems by field, if a request has several.
        headers: additional headers of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details, self.headers = details, dict(headers or {})

    def body(self) -> bytes:
        """Return the body of the response, a JSON document."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = list(self.details)
        return json.dumps({"error": error}).encode()


def unexpected() -> Refusal:
    """Return the error for an unexpected exception, whose traceback is in the server's log."""
    return Refusal(500, "internal_error", "the server could not answer; its log says why")


def too_large(limit: int) -> Refusal:
    """Return the error for a body with more bytes than the limit."""
    # No `connection: close`: closing while the client is still sending would reset the connection and lose the error.
    return Refusal(413, "body_too_large", f"expected a body of at most {limit:,} bytes; send fewer texts at a time")


_GZIP = ("gzip", "x-gzip")


def unpacked(encoding: str, body: bytes, limits: Limits) -> bytes:
    """Decompress a gzip body, and convert one that begins with a byte order mark of any Unicode encoding to UTF-8.

    Args:
        encoding: the header Content-Encoding; empty: not compressed.
        body: the body as sent.
        limits: the size limit, which holds for the compressed and the decompressed body.

    Raises:
        Refusal: another encoding (415), a damaged body (400), or a decompressed body that is too large (413).
    """
    name = encoding.strip().lower()
    if name in _GZIP:
        try:
            body = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limits.max_body_bytes + 1)
        except (OSError, EOFError, zlib.error) as err:
            message = f"expected a body packed with gzip, as the header Content-Encoding says: {err}"
            raise Refusal(400, "invalid_gzip", message) from None
        if len(body) > limits.max_body_bytes:
            raise too_large(limits.max_body_bytes)
    elif name not in ("", "identity"):
        message = f"expected the header Content-Encoding: gzip, or none, got {encoding[:80]!r}"
        raise Refusal(415, "unknown_encoding", message, headers={"accept-encoding": "gzip"})
    for mark, codec in MARKS:
        if body.startswith(mark):
            try:
                return body.decode(codec).encode()
            except UnicodeError as err:
                message = f"expected JSON in {codec}, as its byte order mark says: {err}"
                raise Refusal(400, "invalid_json", message[:300]) from None
    return body
