"""What clients of many kinds send, over a real socket: HEAD, other origins, packed bodies, marks, and too much."""

import gzip
import json
import urllib.error
import urllib.request
import zlib

import pytest
import requests

from textcnn.errors import ConfigError
from textcnn.serve.cors import checked_origins

ASKED = b'{"texts": ["a good film"]}'
JSON = {"Content-Type": "application/json"}
PAGE = "http://a.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.fixture(scope="module")
def wide(models, serving):
    origins = ["--allow-origin", "HTTP://A.example/", "--allow-origin", "http://b.example:81"]
    with serving(models / "single", *origins, "--token-variable", "WORD", WORD="sesame") as running:
        yield running


@pytest.fixture(scope="module")
def open_to_all(models, serving):
    with serving(models / "single", "--allow-origin", "*") as running:
        yield running


# ----------------------------------------------------------------------------------------------------- HEAD


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/health", "/ready", "/metrics", "/labels", "/openapi.json", "/static/app.js"]
)
def test_head_is_answered_as_get_without_a_body(server, path):
    url = f"http://127.0.0.1:{server.port}{path}"
    head, get = requests.head(url, timeout=20), requests.get(url, timeout=20)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":  # which counts on
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_head_of_what_has_no_get_is_refused(server):
    url = f"http://127.0.0.1:{server.port}"
    found = requests.head(f"{url}/classify", timeout=20)
    assert (found.status_code, found.headers["allow"], found.content) == (405, "POST", b"")
    assert requests.head(f"{url}/nothing", timeout=20).status_code == 404
    status, headers, _ = server.ask("POST", "/health", {})
    assert (status, headers["allow"]) == (405, "GET, HEAD")


# -------------------------------------------------------------------------------------------- other origins


def test_without_the_option_no_other_origin_is_told_of(server):
    status, headers, _ = server.ask("OPTIONS", "/classify", headers=PREFLIGHT)
    assert (status, headers["allow"]) == (405, "POST")
    assert "access-control-allow-origin" not in headers
    assert "access-control-allow-origin" not in server.ask("GET", "/health", headers={"Origin": PAGE})[1]


def test_pages_of_allowed_origins_may_ask_and_read_refusals(wide):
    status, headers, _ = wide.ask("OPTIONS", "/classify", headers=PREFLIGHT)  # brings no token
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (204, PAGE, "Origin")
    assert "POST" in headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(headers["access-control-allow-headers"].split(", "))
    for token, expected in {"sesame": 200, "other": 401}.items():
        given = {"Origin": PAGE, "Authorization": f"Bearer {token}"}
        status, headers, _ = wide.ask("POST", "/classify", ASKED, headers=given)
        assert (status, headers["access-control-allow-origin"]) == (expected, PAGE)
    assert wide.ask("OPTIONS", "/classify", headers={**PREFLIGHT, "Origin": "http://b.example:81"})[0] == 204


@pytest.mark.parametrize("origin", ["http://evil.example", "https://a.example", "http://a.example:81", "null"])
def test_pages_of_others_may_not(wide, origin):
    status, headers, document = wide.ask("OPTIONS", "/classify", headers={**PREFLIGHT, "Origin": origin})
    assert (status, document["error"]["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in headers
    status, headers, _ = wide.ask("GET", "/health", headers={"Origin": origin})
    assert (status, headers.get("access-control-allow-origin"), headers["vary"]) == (200, None, "Origin")


def test_a_star_allows_every_origin(open_to_all):
    for origin in (PAGE, "null"):
        assert open_to_all.ask("OPTIONS", "/classify", headers={**PREFLIGHT, "Origin": origin})[0] == 204
        _, headers, _ = open_to_all.ask("POST", "/classify", ASKED, headers={"Origin": origin})
        assert headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://A.example:443/", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://[::1]:443", "https://[::1]"),
    ],
)
def test_browsers_leave_the_usual_port_out(given, sent):
    assert checked_origins([given]) == (sent,)


@pytest.mark.parametrize("origin", ["a.example", "http://a.example/page", "http://", "http://x:port", "", "http://u@x"])
def test_an_origin_has_scheme_and_host_and_no_path(origin):
    with pytest.raises(ConfigError, match=r"--allow-origin expects an origin as https://example.org, or \*, got"):
        checked_origins([origin])


# ------------------------------------------------------------------------------------------ packed and marked


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_body_packed_with_gzip_is_read(server, encoding):
    status, _, document = server.ask("POST", "/classify", gzip.compress(ASKED), headers={"Content-Encoding": encoding})
    assert (status, document["results"][0]["label"]) == (200, "pos")


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip"])
def test_other_encodings_are_refused_by_name(server, encoding):
    status, headers, document = server.ask(
        "POST", "/classify", zlib.compress(ASKED), headers={"Content-Encoding": encoding}
    )
    assert (status, headers["accept-encoding"]) == (415, "gzip")
    assert document["error"]["message"] == f"expected the header Content-Encoding: gzip, or none, got {encoding!r}"


def test_what_unpacks_to_too_much_or_not_at_all_is_refused(server):
    packed = gzip.compress(ASKED)
    found = {}
    for name, body in {
        "bomb": gzip.compress(b" " * 10**7),
        "cut": packed[:-9],
        "plain": ASKED,
        "bad": packed[:-3] + b"abc",
    }.items():
        status, _, document = server.ask("POST", "/classify", body, headers={"Content-Encoding": "gzip"})
        found[name] = status, document["error"]["code"]
    assert found == {
        "bomb": (413, "body_too_large"),
        "cut": (400, "invalid_gzip"),
        "plain": (400, "invalid_gzip"),
        "bad": (400, "invalid_gzip"),
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_json_behind_a_byte_order_mark_is_read(server, encoding):
    status, _, document = server.ask("POST", "/classify", ASKED.decode().encode(encoding))
    assert (status, document["results"][0]["text"]) == (200, "a good film")


def test_a_mark_that_lies_is_told(server):
    status, _, document = server.ask("POST", "/classify", b"\xff\xfe{")
    assert (status, document["error"]["code"]) == (400, "invalid_json")
    assert "as its byte order mark says" in document["error"]["message"]


# ------------------------------------------------------------------------------------------------- too much


def through_urllib(url, body, headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as err:
        with err:
            return err.code, json.load(err)


def through_requests(url, body, headers):
    answer = requests.post(url, body, headers=headers, timeout=60)
    return answer.status_code, answer.json()


def in_chunks(url, body, headers):
    return through_requests(url, (body[i : i + 100_000] for i in range(0, len(body), 100_000)), headers)


CLIENTS = [through_urllib, through_requests, in_chunks]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("size", [9, 50])
def test_a_body_above_the_limit_is_answered_so_that_clients_read_it(server, client, size):
    url = f"http://127.0.0.1:{server.port}/classify"
    for _ in range(2):
        status, document = client(url, b" " * (size * 10**6), JSON)
        assert (status, document["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("client", CLIENTS)
def test_other_refusals_of_large_bodies_are_read_too(wide, client):
    url, body = f"http://127.0.0.1:{wide.port}", b" " * (7 * 10**6)
    assert client(f"{url}/classify", body, JSON)[0] == 401
    known = {**JSON, "Authorization": "Bearer sesame"}
    assert client(f"{url}/nothing", body, known)[0] == 404
    assert client(f"{url}/health", body, known)[0] == 405
    assert client(f"{url}/classify", body, {**known, "Content-Type": "text/plain"})[0] == 415


@pytest.mark.slow
def test_who_waits_to_be_asked_for_the_body_is_not_asked(server):
    connection = server.connect()
    connection.putrequest("POST", "/classify")
    for name, value in {**JSON, "Content-Length": "9000000", "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    with connection.getresponse() as answer:
        assert (answer.status, json.load(answer)["error"]["code"]) == (413, "body_too_large")
    connection.close()
