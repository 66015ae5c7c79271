"""Who is refused, and how: the token, too much, too many at once, too slow."""

import asyncio
import http.client
import json
import socket
import time

import pytest

from textcnn.errors import ConfigError
from textcnn.serve.metrics import Metrics
from textcnn.serve.middleware import Guard
from textcnn.serve.settings import Limits, ServerSettings, model_sources, token_of

TOKEN = {"Authorization": "Bearer sesame"}
ASKED = {"texts": ["a good film"]}


@pytest.fixture(scope="module")
def narrow(models, serving):
    limits = ["--max-concurrency", "1", "--timeout", "2", "--max-body-bytes", "1000"]
    with serving(models / "single", *limits, "--token-variable", "WORD", WORD="sesame") as running:
        yield running


def test_without_the_token_only_states_and_the_page_are_shown(narrow):
    for given in (None, "Bearer sesam", "sesame", "Bearer \xe9"):
        headers = {} if given is None else {"Authorization": given}
        status, found, document = narrow.ask("POST", "/classify", ASKED, headers=headers)
        assert (status, document["error"]["code"], found["www-authenticate"]) == (401, "unauthorized", "Bearer")
    assert [narrow.ask("GET", path)[0] for path in ("/labels", "/metrics", "/nothing")] == [401] * 3
    assert [narrow.ask("GET", path)[0] for path in ("/", "/health", "/ready", "/static/app.js")] == [200] * 4
    assert narrow.ask("POST", "/classify", ASKED, headers=TOKEN)[0] == 200


def test_a_slow_one_is_sent_away_and_takes_no_place(narrow):
    slow = narrow.connect()
    slow.putrequest("POST", "/classify")
    for name, value in {**TOKEN, "Content-Type": "application/json", "Content-Length": "30"}.items():
        slow.putheader(name, value)
    slow.endheaders()
    slow.send(b'{"texts":')
    time.sleep(0.3)
    assert narrow.ask("POST", "/classify", ASKED, headers=TOKEN)[0] == 200
    answer = slow.getresponse()
    assert (answer.status, json.load(answer)["error"]["code"]) == (408, "request_timeout")
    slow.close()


def test_a_body_of_unknown_length_is_counted_as_it_comes(narrow):
    with socket.create_connection(("127.0.0.1", narrow.port)) as connection:
        head = (
            "POST /classify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sesame\r\nContent-Type: application/json\r\n"
        )
        body = b"a" * 1001
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()  # the body has no end, and is refused before it
        assert (answer.status, json.load(answer)["error"]["code"]) == (413, "body_too_large")
        answer.close()


def through_guard(app, limits):
    sent = []

    async def run():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/classify", "headers": []}
        await Guard(app, limits, None, Metrics(["m"]))(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"], json.loads(sent[1]["body"])["error"]


def at_once(limits, bodies, more_body):
    """Requests to classify that come one after the other and end together: the refusals, none where there was none."""
    found = []

    async def run():
        end = asyncio.Event()

        async def app(scope, receive, send):
            message = await receive()
            while message["more_body"]:
                message = await receive()
            await end.wait()

        guard = Guard(app, limits, None, Metrics(["m"]))

        async def ask(body):
            parts, sent = [{"type": "http.request", "body": body, "more_body": more_body}], []

            async def receive():
                if not parts:
                    await end.wait()
                    return {"type": "http.request", "body": b"", "more_body": False}
                return parts.pop()

            async def send(message):
                sent.append(message)

            await guard({"type": "http", "method": "POST", "path": "/classify", "headers": []}, receive, send)
            return json.loads(sent[1]["body"])["error"]["code"] if sent else None, dict(
                sent[0]["headers"]
            ) if sent else {}

        for _ in range(2):  # the second time, all places are free again
            end.clear()
            tasks = [asyncio.create_task(ask(body)) for body in bodies]
            await asyncio.sleep(0.01)
            end.set()
            found.append(await asyncio.gather(*tasks))

    asyncio.run(run())
    assert found[0] == found[1]
    return found[0]


def test_one_more_at_once_is_told_to_come_again():
    *first, (code, headers) = at_once(Limits(max_concurrency=2), [b"x"] * 3, more_body=False)
    assert [one for one, _ in first] == [None, None]
    assert (code, int(headers[b"retry-after"]) >= 1) == ("too_many_requests", True)


def test_bodies_under_way_have_a_limit_together():
    codes = [code for code, _ in at_once(Limits(max_concurrency=2, max_body_bytes=10), [b"x" * 9] * 3, more_body=True)]
    assert codes == [None, None, "too_many_requests"]


def test_a_late_answer_is_a_timeout():
    async def late(scope, receive, send):
        await receive()
        await asyncio.sleep(5)

    status, error = through_guard(late, Limits(timeout=0.05))
    assert (status, error["code"]) == (504, "timeout")
    assert "within 0.05 s" in error["message"]


def test_a_bug_is_in_the_log_not_in_the_answer(caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("secret path /etc/x")

    status, error = through_guard(broken, Limits())
    assert (status, error["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(error)
    assert "secret path" in caplog.text


def test_models_have_names(tmp_path):
    (tmp_path / "a=b").mkdir()
    found = model_sources([f"{tmp_path}/one", f"x={tmp_path}/one", f"{tmp_path}/a=b"])
    assert [source.name for source in found] == ["one", "x", "a=b"]
    with pytest.raises(ConfigError, match="two models are called 'one': 'a/one' and 'b/one'; say NAME=MODEL"):
        model_sources(["a/one", "b/one"])
    with pytest.raises(ConfigError, match="expected MODEL or NAME=MODEL, got '=x'"):
        model_sources(["=x"])


def test_a_token_that_is_not_there_leaves_no_server_open(monkeypatch):
    monkeypatch.setenv("WORD", " ")
    with pytest.raises(ConfigError, match="'WORD' is empty"):
        token_of("WORD")
    assert token_of(None) is None
    assert "sesame" not in repr(ServerSettings((), token="sesame"))


def test_which_hosts_are_this_machine_alone():
    hosts = ["127.0.0.1", "::1", "localhost", "0.0.0.0"]
    assert [ServerSettings((), host=host).is_local for host in hosts] == [True, True, True, False]
