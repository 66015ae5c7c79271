"""The server is asked over real sockets, and the document says what came of it."""

import json
import socket
import threading

import pytest
from one_layer_models import make

from benchmarks import serve
from benchmarks.load import hammer, question
from textcnn.errors import DataError, TextCNNError

ROWS = "text,label\na good film,pos\nbad,neg\n,neg\nunseen words,pos\n"


@pytest.fixture
def model(tmp_path):
    return make().save(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(ROWS, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_document_and_tables(model, data):
    document = serve.serve_benchmark(model, data, workers=(1, 2), clients=3, seconds=1.0, arguments=["benchmark"])
    json.dumps(document, allow_nan=False)
    assert (document["texts"], document["runtime"]) == (4, "look-up")
    for run, workers in zip(document["runs"], (1, 2), strict=True):
        assert (run["workers"], run["errors"], run["problems"]) == (workers, 0, [])
        assert run["requests"] > 10
        assert run["requests"] / run["seconds"] == pytest.approx(run["requests_per_second"], rel=0.1)
        wait = run["latency_ms"]
        assert 0 < wait["p50"] <= wait["p95"] <= wait["p99"] <= wait["max"]
        assert len(run["server_cores"]) == (1 if workers == 1 else 1 + workers)  # a parent, and they
        assert run["server_us_per_request"] > 0
        memory = run["memory"]
        assert len(memory["at"]) == len(memory["rss_mb"]) == len(memory["pss_mb"])
        assert all(0 < pss <= rss for pss, rss in zip(memory["pss_mb"], memory["rss_mb"], strict=True))
    table = serve.to_markdown(document)
    assert "| workers | seconds | requests | errors |" in table
    assert f"| {document['runs'][1]['requests']:,} | 0 |" in table


def test_spread_is_of_the_last_two_thirds():
    sizes = [50, 90, 100, 100, 95, 100, 100]
    looks = [(float(at), {"rss": size * 10**6, "pss": 10**6}) for at, size in enumerate(sizes)]
    found = serve._memory(looks)
    assert (found["rss_mb"][0], found["rss_spread"], found["pss_spread"]) == (50.0, 0.05, 0.0)


@pytest.mark.slow
def test_what_cannot_be_asked_is_told(model, tmp_path):
    (tmp_path / "none.csv").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(DataError):
        serve.serve_benchmark(model, str(tmp_path / "none.csv"))
    with (
        pytest.raises(TextCNNError, match="expected a server to start, it said: error: expected a model folder at "),
        serve.running_server(tmp_path / "nowhere", 1),
    ):
        pass


def answering(*answers):
    """A server of one connection at a time, that gives these answers and then breaks off; its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work():
        with listener:
            for group in answers:
                connection, _ = listener.accept()
                with connection:
                    for answer in group:
                        connection.recv(65536)
                        for part in answer:
                            connection.sendall(part)
                    connection.recv(65536)

    threading.Thread(target=work, daemon=True).start()
    return listener.getsockname()


def reply(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body


def test_errors_are_counted_and_said():
    good, wrong = reply(b'{"label":"pos","x":1}'), reply(b'{"label":"neg","x":1}')
    address = answering([good, wrong, reply(b"", "429 Too Many Requests")], [good])
    load = hammer(address, [question("a", "pos")], clients=1, seconds=0, rounds=5)
    assert len(load.latencies) == 4
    assert load.errors == 3
    expected, status, closed = load.problems
    assert expected.startswith('expected b\'"label":"pos",\', got b\'{"label":"neg"')
    assert (status, closed) == ("HTTP/1.1 429 Too Many Requests", "the server closed the connection")
    assert load.seconds > 0


def test_an_answer_that_comes_in_pieces_is_one():
    head, body = reply(b'{"label":"pos","x":1}')
    address = answering([[head[:9], head[9:], body[:5], body[5:]]])
    load = hammer(address, [question("a", "pos")], clients=1, seconds=0)
    assert (len(load.latencies), load.errors) == (1, 0)
