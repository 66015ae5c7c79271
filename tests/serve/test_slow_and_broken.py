"""Clients that send slowly, without end, too much, too little or no HTTP: others are answered, and they are closed."""

import http.client
import json
import socket
import threading
import time
from contextlib import closing

import pytest

HOST = "127.0.0.1"
SECONDS = 1.5  # that a request may take
SLACK = 4.0  # of a busy machine
PLACES, BODY = 3, 100_000
HEAD = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GOOD = b'{"texts": ["a good film"]}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD


@pytest.fixture(scope="module")
def hasty(models, serving):
    limits = ["--timeout", SECONDS, "--max-concurrency", PLACES, "--max-body-bytes", BODY]
    with serving(models / "single", *limits) as running:
        yield running


@pytest.fixture
def link(hasty):
    """Connections to the server, closed at the end."""
    opened = []

    def connect():
        opened.append(socket.create_connection((HOST, hasty.port), timeout=10))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def read_answer(connection):
    """Status, headers and document of the next answer."""
    with closing(http.client.HTTPResponse(connection)) as answer:
        answer.begin()
        return answer.status, dict(answer.getheaders()), json.load(answer)


def received_until_closed(connection, seconds):
    """All that comes; an error if the connection stays open."""
    connection.settimeout(seconds)
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionError:  # reset, because bytes came that nobody read
        pass
    return b"".join(parts)


def drip(connection, stop):
    """A byte now and then, as long as anybody listens."""
    try:
        while not stop.wait(0.1):
            connection.sendall(b"x")
    except OSError:
        pass


SLOW = {
    "says nothing": b"",
    "has half a line": b"POST /cla",
    "has half a head": HEAD,
    "has half a body": HEAD + b"Content-Length: 5000\r\n\r\n{",
    "has half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n",
    "begins a second request": WHOLE + b"POST /",
    "goes on after a refusal": HEAD + b"Content-Length: 900000000\r\n\r\n",
}


def test_slow_clients_keep_nobody_out_and_are_closed(hasty, link):
    slow, stop, began = [], threading.Event(), time.monotonic()
    for name, start in SLOW.items():
        for is_dripping in [False] * PLACES + [True] * PLACES:
            one = link()
            one.sendall(start)
            slow.append((f"{name}, {'dripping' if is_dripping else 'silent'}", one, is_dripping))
    threads = [threading.Thread(target=drip, args=(one, stop)) for _, one, is_dripping in slow if is_dripping]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert hasty.classify(["a good film"])[0]["label"] == "pos"
        still_open = []
        for name, one, _ in slow:
            try:
                received_until_closed(one, max(began + SECONDS + SLACK - time.monotonic(), 0.01))
            except TimeoutError:
                still_open.append(name)
        assert still_open == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert hasty.metric("textcnn_requests_in_progress") == 0


def is_open_at(server, connection):
    """Whether the server's end of a connection is open, as the system has it (01 of proc_net_tcp(5): established)."""
    ends = [f":{server.port:04X}", f":{connection.getsockname()[1]:04X}"]
    with open("/proc/net/tcp") as file:
        lines = [line.split() for line in file]
    return any(line[1].endswith(ends[0]) and line[2].endswith(ends[1]) and line[3] == "01" for line in lines)


def test_answers_that_nobody_takes_are_given_up(hasty, link, wait_until):
    one = link()
    one.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)  # more answers than the system holds
    wait_until(lambda: is_open_at(hasty, one), SLACK)
    time.sleep(SECONDS / 2)
    assert is_open_at(hasty, one)
    wait_until(lambda: not is_open_at(hasty, one), SECONDS + SLACK)
    assert hasty.classify(["a good film"])[0]["label"] == "pos"


def send_until_closed(connection, part, most):
    """How many bytes went out before the other side had enough."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(part)
            sent += len(part)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    "start",
    [
        b"GET /health HTTP/1.1\r\nx: ",
        b"GET /",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\nx: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x=",
    ],
    ids=["header", "path", "trailer", "chunk extension"],
)
def test_what_is_no_body_is_not_kept_without_end(hasty, link, start):
    one = link()
    one.sendall(start)
    assert send_until_closed(one, b"a" * 65536, 2**26) < 2**24  # what buffers of the system hold, not more
    assert hasty.ask("GET", "/health")[0] == 200


def test_headers_beyond_the_limit_are_told(link):
    one = link()
    one.sendall(b"GET /health HTTP/1.1\r\n" + b"x: %s\r\n" % (b"a" * 1000) * 70)
    status, headers, document = read_answer(one)
    assert (status, document["error"]["code"]) == (431, "headers_too_large")
    assert (headers["connection"], headers["x-content-type-options"]) == ("close", "nosniff")
    assert received_until_closed(one, 5) == b""


@pytest.mark.parametrize(
    "line",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",  # TLS
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_like_all_else_and_fills_no_log(hasty, link, line):
    before = len(hasty.lines)
    one = link()
    one.sendall(line)
    status, headers, document = read_answer(one)
    assert (status, document["error"]["code"], headers["content-type"]) == (400, "invalid_http", "application/json")
    assert hasty.classify(["a good film"])[0]["label"] == "pos"
    assert hasty.lines[before:] == []


def test_a_body_far_too_large_is_refused_before_the_client_has_sent_it(hasty):
    status, _, document = hasty.ask("POST", "/classify", b"x" * 2**25)
    assert (status, document["error"]["code"]) == (413, "body_too_large")


def test_chunks_without_end_are_refused_and_closed(hasty, link):
    one, stop = link(), threading.Event()
    one.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk, began = b"4000\r\n" + b"a" * 0x4000 + b"\r\n", time.monotonic()

    def send():
        while not stop.is_set() and send_until_closed(one, chunk, len(chunk)):
            time.sleep(0.001)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        status, _, document = read_answer(one)
        assert (status, document["error"]["code"]) == (413, "body_too_large")
        received_until_closed(one, SECONDS + SLACK)
        assert time.monotonic() - began < SECONDS + SLACK
    finally:
        stop.set()
        thread.join()


def test_clients_that_go_are_counted_and_fill_no_log(hasty, link, wait_until):
    gone = 'textcnn_requests_total{path="/classify",status="499"}'
    before, lines = hasty.metric(gone), len(hasty.lines)
    for start in (HEAD + b"Content-Length: 5000\r\n\r\n{", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"):
        one = link()
        one.sendall(start)
        time.sleep(0.1)
        one.close()
    wait_until(lambda: hasty.metric(gone) == before + 2, 10)
    assert hasty.metric("textcnn_requests_in_progress") == 0
    assert hasty.lines[lines:] == []
