"""Errors as clients read them: `{"error": {"code", "message", "details"}}`, with nothing of the inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


class Refusal(Exception):
    """A request that is not answered, and why.

    Args:
        status: of HTTP.
        code: one word for programs.
        message: a sentence for people.
        details: what is wrong where, if there is more than one place.
        headers: that the answer carries.
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
        """The JSON document."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = list(self.details)
        return json.dumps({"error": error}).encode()


def unexpected() -> Refusal:
    """What a client hears of a bug; the traceback is in the server's log."""
    return Refusal(500, "internal_error", "the server could not answer; its log says why")


def too_large(limit: int) -> Refusal:
    """What a client hears of a body with more bytes than the limit."""
    # The connection stays open: where more is sent than is dropped, closing it would reset it, and lose the answer.
    return Refusal(413, "body_too_large", f"expected a body of at most {limit:,} bytes; send fewer texts at a time")
