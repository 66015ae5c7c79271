"""The short way is a twin of the framework's: whatever is asked, both give the same answer."""

import asyncio
import gc
import json

import pytest
from starlette.requests import ClientDisconnect

from textcnn.core import calls
from textcnn.serve.app import build_app
from textcnn.serve.batching import Batcher
from textcnn.serve.metrics import Metrics
from textcnn.serve.models import Models, Question
from textcnn.serve.service import QuickPath, Service
from textcnn.serve.settings import Limits, model_sources

LIMITS = Limits(max_texts=3, max_text_length=3_000)
GOOD = json.dumps({"texts": ["a good film", "", "ünïcode 😀"], "top_k": 2}).encode()


@pytest.fixture(scope="module")
def service(models):
    found = Models(model_sources([str(models / "single"), f"multi={models / 'multi'}"]))
    found.load()
    metrics = Metrics(["single", "multi"])
    batcher = Batcher()
    yield Service(found, batcher, metrics, LIMITS)
    batcher.close()


class Passed(Exception):
    """The short way passed a request on."""


async def refuse(scope, receive, send):
    raise Passed


def ask(app, parts, kind=b"application/json", method="POST", path="/classify"):
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts[:-1]]
    messages += [{"type": "http.request", "body": parts[-1]} if parts else {"type": "http.disconnect"}]
    sent = []

    async def run():
        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", kind), (b"content-length", str(sum(map(len, parts))).encode())]
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        await app(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"], sorted(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:])


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([GOOD], 200),
        ([GOOD[:9], GOOD[9:]], 200),
        ([json.dumps({"texts": ["bad"], "model": "multi", "threshold": 0.1}).encode()], 200),
        ([b"{"], 400),
        ([b"{}"], 422),
        ([json.dumps({"texts": ["a"] * 4}).encode()], 422),
        ([json.dumps({"texts": ["a"], "model": "x"}).encode()], 404),
        ([json.dumps({"texts": ["a"], "threshold": 0.5}).encode()], 409),
    ],
)
def test_both_ways_answer_the_same(service, parts, status):
    framework = build_app(service).app.app
    found = ask(QuickPath(refuse, service), parts)
    assert found == ask(framework, parts)
    assert found[0] == status


def test_another_kind_of_content_is_refused_the_same_way(service):
    framework = build_app(service).app.app
    found = ask(QuickPath(refuse, service), [GOOD], b"Text/Plain; charset=x")
    assert found == ask(framework, [GOOD], b"Text/Plain; charset=x")
    assert found[0] == 415


@pytest.mark.parametrize(("method", "path"), [("GET", "/classify"), ("POST", "/other"), ("GET", "/labels")])
def test_all_else_is_passed_on(service, method, path):
    with pytest.raises(Passed):
        ask(QuickPath(refuse, service), [GOOD], method=method, path=path)


def test_a_client_that_has_gone_gets_no_answer(service):
    with pytest.raises(ClientDisconnect):
        ask(QuickPath(refuse, service), [])


def test_models_that_were_replaced_are_not_kept(models):
    served = Models(model_sources([str(models / "single")]))
    served.load()
    kept = len(calls._told)  # which the weights hang on
    gc.disable()  # it might come by chance, and rarely does in a server
    try:
        served.load()
        assert len(calls._told) == kept
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("texts", "question", "is_quick"),
    [
        (["a"] * 8, Question(), True),
        (["a"] * 9, Question(), False),
        (["a" * 2_000], Question(top_k=2), True),
        (["a" * 1_000] * 2 + ["a"], Question(), False),
        (["a"], Question(explain="all"), False),
    ],
)
def test_what_is_quick(service, texts, question, is_quick):
    assert service.model(None).is_quick(texts, question) is is_quick
