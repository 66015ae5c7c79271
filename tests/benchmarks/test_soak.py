"""A soak is run, short, with all that may happen in it; and what it must find is found."""

import json
import socket
import threading

import pytest
from one_layer_models import make

from benchmarks import soak as soak_module
from benchmarks import soak_clients, soak_requests
from benchmarks.soak import _memory, run_soak
from benchmarks.soak_clients import Client, SlowClient, Tally
from benchmarks.soak_requests import Ask
from benchmarks.soak_table import lows, to_markdown
from textcnn.errors import DataError
from textcnn.runtime.cache import CACHE_BYTES

ROWS = "text,label\na good film,pos\nbad,neg\n,neg\nunseen words,pos\n"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(ROWS, encoding="utf-8")
    return str(path)


def test_document_and_tables(tmp_path, data, monkeypatch):
    monkeypatch.setattr(soak_module, "RELOAD", 0.5)
    monkeypatch.setattr(soak_module, "KILL", 1.5)
    monkeypatch.setattr(soak_module, "PAUSE", 0.2)
    monkeypatch.setattr(soak_requests, "NEW_TEXTS", 100)
    models = [make(seed=seed).save(tmp_path / f"model-{seed}") for seed in (1, 2)]
    document = run_soak(models, data, clients=3, slow_clients=3, seconds=6.0, arguments=["benchmark", "soak"])
    json.dumps(document, allow_nan=False)
    assert (document["wrong_answers"], document["problems"]) == (0, [])
    assert document["total"] == sum(sum(counts.values()) for counts in document["requests"].values()) > 100
    assert document["requests"]["one text"]["right"] > 10
    assert document["requests"]["new words"]["right"] > 10
    assert sum("right" in counts for counts in document["requests"].values()) > 12
    assert document["kills"] >= 2
    said = document["said"]
    assert said["ended with exit code"] == document["kills"]
    assert min(said["reloaded"], said["reload failed"]) > 0
    assert said["Traceback"] == 0
    followed = document["memory"]["followed"]
    assert [one["process"] for one in followed] == ["parent", "worker"]
    assert document["memory"]["others"]["count"] >= 2
    table = to_markdown(document)
    assert "| one text | " in table
    assert "| worker | " in table


def test_no_texts_no_soak(tmp_path):
    (tmp_path / "none.csv").write_text("text,label\n", encoding="utf-8")
    model = make().save(tmp_path / "model")
    with pytest.raises(DataError):
        run_soak([model, model], str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"results": [1]}, "right"),
        (200, {"results": [2]}, "right"),
        (200, {"results": [1, 2]}, "wrong"),
        (503, {"error": {"message": "x"}}, "told to come again"),
        (500, {"error": {"message": "x"}}, "status 500"),
    ],
)
def test_an_answer_is_that_of_a_model_or_wrong(status, body, outcome):
    tally = Tally()
    client = Client(("127.0.0.1", 0), [], [], 0, tally, threading.Event())
    client._judge(Ask("kind", b"", 200, ([1], [2])), status, json.dumps(body).encode())
    assert dict(tally.counts) == {("kind", outcome): 1}
    assert bool(tally.problems) == (outcome != "right")


def test_a_slow_client_that_is_never_closed_is_found(monkeypatch):
    for name, value in {"TIMEOUT": 0.1, "SLACK": 0.1, "DRIP": 0.05}.items():
        monkeypatch.setattr(soak_clients, name, value)
    tally, stop = Tally(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = SlowClient(listener.getsockname(), 0, tally, stop)
        client.start()
        connection, _ = listener.accept()
        client.join(0.5)
        stop.set()
        client.join(10)
        connection.close()
    assert [outcome for _, outcome in tally.counts] == ["still open"] * len(tally.counts)
    assert tally.problems


def test_slopes_are_of_processes_that_were_there_all_the_time():
    def size(mb):
        return {"rss": mb * 10**6, "anonymous": 10**6}

    looks = [(at * 60.0, {1: size(100), 2: size(200 + 3 * at)} | ({3: size(9)} if at > 5 else {})) for at in range(10)]
    memory = _memory(looks, 1)
    parent, old = memory["followed"]
    assert [parent["process"], old["process"]] == ["parent", "worker"]
    assert [one["rss_slope"] for one in (parent, old)] == [0.0, 3.0]
    assert old["rss_mb"][-1] == 227.0
    assert memory["others"] == {"count": 1, "largest_rss_mb": 9.0}


def test_new_words_are_more_than_a_server_keeps_in_mind():
    """Rows of types of the smallest model that a preset makes: two widths of 50 filters."""
    row = 4 * 50 * (2 + 3)
    assert soak_requests.NEW_TEXTS * soak_requests.NEW_WORDS * row > CACHE_BYTES / 2


def test_what_is_left_after_a_reload_is_the_lowest_of_a_minute():
    course = {"at": [0.0, 30.0, 59.0, 61.0, 119.0, 121.0], "anonymous_mb": [9.0, 5.0, 7.0, 8.0, 6.0, 4.0]}
    assert lows(course) == [5.0, 6.0, 4.0]
