"""Requests of a soak, good and bad, each with what may be answered to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from textcnn.explain.explainer import Explainer
from textcnn.prediction.answers import answers_of
from textcnn.prediction.predictor import Predictor
from textcnn.serve.models import EXPLAINED

TOKEN = "of-the-soak"
MAX_BODY_BYTES, MAX_TEXTS, MAX_TEXT_LENGTH = 200_000, 100, 5_000
NEW_TEXTS, NEW_WORDS = 1_500, 60  # texts of words that nobody has seen, and their words
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß"
TIMEOUT = 4.0  # seconds that a request may take
OPTIONS = (
    *("--max-body-bytes", str(MAX_BODY_BYTES), "--max-texts", str(MAX_TEXTS)),
    *("--max-text-length", str(MAX_TEXT_LENGTH), "--timeout", str(TIMEOUT)),
)


@dataclass(frozen=True)
class Ask:
    """A request as it is sent.

    Attributes:
        kind: what it tries.
        request: its bytes.
        status: that must come.
        results: that may come with status 200: those of each model that may be there.
    """

    kind: str
    request: bytes
    status: int
    results: tuple[Any, ...] = field(default=(), repr=False)


# What a slow client sends at once; then a byte now and then, until it is closed.
SLOW_STARTS = {
    "slow: nothing": b"",
    "slow: half a head": b"POST /classify HTTP/1.1\r\nhost: localhost\r\n",
    "slow: half a body": (
        f"POST /classify HTTP/1.1\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
        "content-length: 9999\r\n\r\n{"
    ).encode(),
}


def head(method: str, path: str, length: int | None, *, content: str = "application/json", token: str = TOKEN) -> bytes:
    """The lines before a body; without a length it comes in chunks."""
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return (
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: {content}\r\n"
        f"{size}\r\n\r\n"
    ).encode()


def _whole(kind: str, document: Any, status: int, results: tuple[Any, ...] = (), **settings: Any) -> Ask:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    path, method = settings.pop("path", "/classify"), settings.pop("method", "POST")
    return Ask(kind, head(method, path, len(body), **settings) + body, status, results)


def good_requests(predictors: Sequence[Predictor], texts: Sequence[str], random: Random) -> list[Ask]:
    """Requests with answers: one text, several, the best labels, reasons; what each of the models says to them.

    Those of new words are the most: together they have more words than a server can keep in mind.
    """
    explainers = [Explainer(one, labels="predicted", top=EXPLAINED) for one in predictors]
    found = []
    for kind, count, sizes, answerers, asked in (
        ("one text", 200, (1, 1), predictors, {}),
        ("several texts", 60, (2, 40), predictors, {}),
        ("the best three labels", 60, (1, 8), predictors, {"top_k": 3}),
        ("reasons", 60, (1, 4), explainers, {"explain": True}),
    ):
        for _ in range(count):
            some = random.choices(texts, k=random.randint(*sizes))
            results = tuple(_rows(one, some, asked.get("top_k")) for one in answerers)
            found.append(_whole(kind, {"texts": some, **asked}, 200, results))
    for _ in range(NEW_TEXTS):
        some = [" ".join("".join(random.choices(LETTERS, k=random.randint(4, 14))) for _ in range(NEW_WORDS))]
        found.append(_whole("new words", {"texts": some}, 200, tuple(_rows(one, some, None) for one in predictors)))
    return found


def _rows(answerer: Any, texts: Sequence[str], top_k: int | None) -> Any:
    rows = answers_of(answerer.labels, answerer.answer(texts, threshold=None), top_k=top_k)
    return json.loads(json.dumps([{"text": text, **row} for text, row in zip(texts, rows, strict=True)]))


def bad_requests(texts: Sequence[str]) -> list[Ask]:
    """Requests that must be refused, and how."""
    return list(_bad_requests(texts[0]))


def _bad_requests(text: str) -> Iterator[Ask]:
    good = {"texts": [text]}
    yield _whole("no JSON", b'{"texts": [', 400)
    yield _whole("half of a surrogate pair", b'{"texts": ["\\ud800"]}', 400)
    yield Ask("no HTTP", b"hello\r\n\r\n", 400)
    yield _whole("a wrong token", good, 401, token="no" + TOKEN)
    yield _whole("no such model", good | {"model": "none"}, 404)
    yield _whole("no such path", good, 404, path="/nothing")
    yield _whole("another method", good, 405, method="PUT")
    yield _whole("a body too large", b"x" * (MAX_BODY_BYTES + 1), 413)
    yield Ask("chunks too large", head("POST", "/classify", None) + _chunk(MAX_BODY_BYTES + 1) + _chunk(0), 413)
    yield _whole("another kind of content", good, 415, content="text/plain")
    yield _whole("an unknown field", good | {"topk": 1}, 422)
    yield _whole("a threshold for a single label", good | {"threshold": 0.5}, 409)
    yield _whole("too many texts", {"texts": [text] * (MAX_TEXTS + 1)}, 422)
    yield _whole("a text too long", {"texts": ["x" * (MAX_TEXT_LENGTH + 1)]}, 422)
    yield Ask("headers too large", head("GET", "/health", 0)[:-2] + b"x: " + b"a" * 100_000, 431)


def _chunk(size: int) -> bytes:
    return f"{size:x}\r\n".encode() + b"a" * size + b"\r\n"
