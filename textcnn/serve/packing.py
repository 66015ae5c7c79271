"""The body of a request as JSON in UTF-8: unpacked within the limit of its size, without a byte order mark."""

from __future__ import annotations

import gzip
import io
import zlib

from textcnn.serve.refusals import Refusal, too_large
from textcnn.serve.settings import Limits
from textcnn.text.read_source import MARKS

_GZIP = ("gzip", "x-gzip")


def unpacked(encoding: str, body: bytes, limits: Limits) -> bytes:
    """The body, which may be packed once with gzip, and may begin with a byte order mark of any Unicode encoding.

    Args:
        encoding: the header Content-Encoding; empty: none.
        body: as sent.
        limits: of its size, packed or not.

    Raises:
        Refusal: another encoding (415), a body that is not of it (400), or one that unpacks to too much (413).
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
