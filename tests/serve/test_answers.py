"""What the server answers, over a real socket: the rows of `classify`, whoever else asks at the same time."""

import http.client
import json
import threading

import pytest

import textcnn
from textcnn.explain.explainer import Explainer
from textcnn.prediction.answers import AnswerForm, answer_rows
from textcnn.prediction.predictor import Predictor
from textcnn.serve.models import EXPLAINED

TEXTS = ["a good film", "a bad film", "", "nothing of that 😀 sort", "good good bad", "line\nbreak\t\u0000 <b>"]


class Row:
    def __init__(self, text):
        self.text, self.columns = text, {}


def expected(model, texts, explain=None, **form):
    predictor = Predictor.load(model)
    answerer = predictor if explain is None else Explainer(predictor, labels=explain, top=EXPLAINED)
    return answer_rows(answerer, [Row(text) for text in texts], AnswerForm(**form))[0]


def as_json(rows):
    return json.loads(json.dumps(rows))


@pytest.mark.parametrize("form", [{}, {"top_k": 2}])
def test_rows_are_those_of_classify(server, models, form):
    assert server.classify(TEXTS, **form) == as_json(expected(models / "single", TEXTS, **form))
    assert [server.classify([text], **form)[0] for text in TEXTS] == server.classify(TEXTS, **form)


@pytest.mark.parametrize("threshold", [None, 0.01])
def test_a_model_by_name_with_a_threshold(server, models, threshold):
    rows = server.classify(TEXTS, model="multi", threshold=threshold)
    assert rows == as_json(expected(models / "multi", TEXTS, threshold=threshold))
    assert all("labels" in row for row in rows)


@pytest.mark.parametrize(("asked", "labels"), [(True, "predicted"), ("all", "all")])
def test_reasons_are_those_of_classify(server, models, asked, labels):
    assert server.classify(TEXTS, explain=asked) == as_json(expected(models / "single", TEXTS, explain=labels))


def test_full_reasons_are_those_of_explain(server, models):
    found = [row["explanation"] for row in server.classify(TEXTS, explain="full")]
    assert found == as_json(textcnn.load(models / "single").explain(TEXTS))


def test_no_texts_no_rows(server):
    assert server.classify([]) == []


@pytest.mark.parametrize("together", [1, 10])
def test_each_of_many_clients_gets_its_own_answer(server, together):
    words = [f"a {'good' if n % 3 else 'bad'} film {n}" for n in range(120)]
    asked = [(words[n:] + words[:n])[:together] for n in range(len(words))]
    alone = [server.classify(texts) for texts in asked]
    before = server.metric("textcnn_batch_texts_count")
    wrong, failed = [], []

    def ask(first):
        connection = server.connect()
        try:
            for n in range(first, len(asked), 8):
                if server.classify(asked[n], connection=connection) != alone[n]:
                    wrong.append(n)
        except (OSError, AssertionError, http.client.HTTPException) as err:
            failed.append(err)
        connection.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, failed) == ([], [])
    if together > 1:  # single texts do not wait for others
        assert server.metric("textcnn_batch_texts_count") - before < len(asked), "no two requests were joined"


def test_labels_and_limits(server, models):
    status, _, about = server.ask("GET", "/labels")
    assert status == 200
    assert about["labels"] == list(textcnn.load(models / "single").labels.names)
    assert (about["model"], about["models"], about["runtime"]) == ("single", ["single", "multi"], "look-up")
    assert about["limits"]["max_texts"] == 300
    _, _, other = server.ask("GET", "/labels?model=multi")
    assert other["problem_type"] == "multi_label_classification"


def test_states_and_the_described_interface(server):
    assert server.ask("GET", "/health")[2]["status"] == "ok"
    assert server.ask("GET", "/ready")[2] == {"status": "ready", "models": ["single", "multi"]}
    status, _, described = server.ask("GET", "/openapi.json")
    assert status == 200
    assert set(described["paths"]) == {"/classify", "/labels", "/health", "/ready", "/metrics"}
    body = described["paths"]["/classify"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {
        *("texts", "model", "top_k", "threshold", "explain", "none_of_these", "min_probability", "min_accuracy")
    }


def test_metrics_count_texts_and_requests(server):
    names = 'textcnn_texts_total{model="multi"}', 'textcnn_requests_total{path="/classify",status="200"}'
    before = [server.metric(name) for name in names]
    server.classify(TEXTS, model="multi")
    assert [server.metric(name) - old for name, old in zip(names, before, strict=True)] == [len(TEXTS), 1]
    _, headers, text = server.ask("GET", "/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE textcnn_request_seconds histogram" in text
    buckets = [float(x.split()[-1]) for x in text.splitlines() if x.startswith("textcnn_request_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == server.metric("textcnn_request_seconds_count")


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ("{", 400, "invalid_json", "expected a JSON document: .*EOF"),
        ({}, 422, "invalid_request", "texts: Field required"),
        ({"texts": "one"}, 422, "invalid_request", "texts: Input should be a valid"),
        ({"texts": ["a", 1]}, 422, "invalid_request", r"texts\.1: Input should be a valid string"),
        ({"texts": ["a"], "topk": 1}, 422, "invalid_request", "topk: Extra inputs"),
        ({"texts": ["a"], "top_k": 1.5}, 422, "invalid_request", "top_k: .*valid integer"),
        ({"texts": ["a"], "top_k": 0}, 422, "invalid_request", "top_k: .*greater than or equal to 1"),
        ({"texts": ["a"], "model": "x"}, 404, "no_such_model", "one of the models single, multi, got 'x'"),
        ({"texts": ["a"], "threshold": 0.5}, 409, "not_for_this_model", "threshold .* is for multi-label models"),
        ({"texts": ["a"] * 301}, 422, "too_many_texts", "at most 300 texts, got 301"),
        ({"texts": ["a", "b" * 1001]}, 422, "text_too_long", r"at most 1,000 characters, got 1,001 in texts\.1"),
        ({"texts": ["a" * 200_000]}, 413, "body_too_large", "at most 200,000 bytes"),
    ],
)
def test_errors_say_what_was_expected_and_nothing_of_the_inside(server, body, status, code, message):
    import re

    found, _, document = server.ask("POST", "/classify", body)
    error = document["error"]
    assert (found, error["code"]) == (status, code)
    assert re.search(message, error["message"])
    assert not re.search(r"Traceback|\.py|/tmp|pydantic", json.dumps(document))


def test_other_wrong_requests(server):
    assert server.ask("GET", "/nothing")[2]["error"]["code"] == "not_found"
    assert server.ask("GET", "/classify")[0] == 405
    assert server.ask("GET", "/static/../app.py")[0] == 404
    form = server.ask("POST", "/classify", "texts=a", headers={"Content-Type": "text/plain"})
    assert (form[0], form[2]["error"]["code"]) == (415, "not_json")


def test_half_of_a_surrogate_pair_is_refused_not_fatal(server):
    status, _, document = server.ask("POST", "/classify", '{"texts": ["\\ud800"]}')
    assert (status, document["error"]["code"]) == (400, "invalid_json")
