"""A model whose labels are a tree, as a server answers with it and as its page draws it."""

import json
import os

import pytest

import textcnn
from textcnn.evaluation.promises import Promise
from textcnn.explain.explainer import Explainer
from textcnn.prediction.answers import AnswerForm, answer_rows
from textcnn.serve.models import EXPLAINED

WORDS = {"animal": "alive", "animal/dog": "barks", "animal/cat": "purrs", "plant/oak": "acorns"}
ROWS = [(f"it {word} {n}", label) for n in range(52) for label, word in WORDS.items()]
TEXTS = ["it barks", "acorns or not", ""]


class Row:
    def __init__(self, text):
        self.text, self.columns = text, {}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees") / "tree"
    textcnn.train(ROWS, hierarchy="/", output=folder, embedding_dim=8, num_filters=4, epochs=6, threads=1)
    return folder


@pytest.fixture(scope="module")
def tree(model, serving):
    with serving(model) as running:
        yield running


@pytest.mark.parametrize("least", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("top_k", [None, 2])
@pytest.mark.parametrize("explain", [False, True])
def test_rows_are_those_of_classify(tree, model, least, top_k, explain):
    promise, predictor = Promise(least), textcnn.load(model)
    answerer = Explainer(predictor, top=EXPLAINED, promise=promise) if explain else predictor
    expected, _ = answer_rows(answerer, [Row(text) for text in TEXTS], AnswerForm(top_k=top_k, promise=promise))
    found = tree.classify(TEXTS, top_k=top_k, min_probability=least, explain=explain)
    assert found == json.loads(json.dumps(expected))
    assert all(("path" in row) == (top_k is not None) for row in found)


def test_held_out_rows_promise_an_accuracy(tree, model):
    least = textcnn.load(model).held_out.least_confidence(0.9)
    assert tree.classify(TEXTS, min_accuracy=0.9) == tree.classify(TEXTS, min_probability=least)
    both = {"texts": TEXTS, "min_accuracy": 0.9, "min_probability": 0.9}
    status, _, document = tree.ask("POST", "/classify", both)
    assert (status, document["error"]["message"]) == (409, "expected min_probability or min_accuracy, and not both")


def test_a_model_without_held_out_rows_promises_none(server):
    for name in ("single", "multi"):
        status, _, document = server.ask("POST", "/classify", {"texts": ["a"], "model": name, "min_accuracy": 0.9})
        assert (status, document["error"]["code"]) == (409, "not_for_this_model")


def test_labels_have_the_nodes_of_the_tree(tree):
    found = tree.ask("GET", "/labels")[2]["tree"]
    assert [(node["label"], node["level"]) for node in found] == [
        *(("animal", 1), ("animal/cat", 2), ("animal/dog", 2), ("plant", 1), ("plant/oak", 2))
    ]


def test_a_model_without_a_tree_has_none(server):
    assert "tree" not in server.ask("GET", "/labels")[2]
    assert "level" not in server.classify(["a good film"], min_probability=1.0)[0]
    assert server.classify(["a good film"], min_probability=1.0)[0]["flags"] == ["unsure"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_page_draws_the_way_down_the_tree(browser, tree):
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"http://127.0.0.1:{tree.port}/")
    page.locator("#text").fill("it barks")
    page.locator("#answers .path .path").wait_for()
    (row,) = tree.classify(["it barks"], top_k=2)
    assert page.locator("#answers .path bdi").all_inner_texts() == [node["label"] for node in row["path"]]
    shown = page.locator("#answers .path .amount").all_inner_texts()
    assert shown == [f"{100 * node['probability']:.1f} %" for node in row["path"]]
    if place := os.environ.get("TEXTCNN_SCREENSHOTS"):
        page.screenshot(path=f"{place}/tree.png", full_page=True)
    page.close()
    assert said == []
