"""Models of numbers on the server: scores in the answers, ranges for the page, and what is of labels refused."""

from __future__ import annotations

import pytest

import textcnn
from textcnn.prediction.predictor import Predictor

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 8, "threads": 1, "regression": True}
ROWS = [(f"a good film {n}", 4 + n / 10) for n in range(12)] + [(f"a bad film {n}", 1 - n / 10) for n in range(12)]
TWO = {"text": [text for text, _ in ROWS], "one": [y for _, y in ROWS], "other": [-100 * y for _, y in ROWS]}
TEXTS = ["a good film", "a bad film", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("scores")
    textcnn.train(ROWS, output=place / "stars", **TINY)
    textcnn.train(TWO, output=place / "two", label_column=("one", "other"), **TINY)
    return place


@pytest.fixture(scope="module")
def numbers(folder, serving):
    with serving(folder / "stars", f"two={folder / 'two'}") as running:
        yield running


def test_rows_are_the_numbers_of_predict(numbers, folder):
    rows = numbers.classify(TEXTS)
    assert [row["score"] for row in rows] == Predictor.load(folder / "stars").predict(TEXTS)
    assert rows[2]["flags"] == ["empty"]
    both = numbers.classify(TEXTS, model="two")
    assert [tuple(row["scores"].values()) for row in both] == Predictor.load(folder / "two").predict(TEXTS)


def test_reasons_are_one_of_each_target(numbers):
    why = numbers.classify(TEXTS[:1], explain="full")[0]["explanation"]
    total = why["bias"] + sum(e["contribution"] for e in why["words"]) + sum(t["contribution"] for t in why["other"])
    assert total == pytest.approx(why["logit"])
    assert [one["label"] for one in numbers.classify(TEXTS[:1], model="two", explain=True)[0]["explanation"]] == [
        "one",
        "other",
    ]


def test_the_ranges_of_training_are_told(numbers):
    about = numbers.ask("GET", "/labels")[2]
    assert about["problem_type"] == "regression"
    (target,) = about["targets"]
    assert (target["low"], target["high"]) == pytest.approx((-0.1, 5.1))
    assert [entry["name"] for entry in numbers.ask("GET", "/labels?model=two")[2]["targets"]] == ["one", "other"]


@pytest.mark.parametrize("option", [{"top_k": 2}, {"threshold": 0.5}, {"none_of_these": 0.9}], ids=str)
def test_what_is_of_labels_is_refused(numbers, option):
    status, _, document = numbers.ask("POST", "/classify", {"texts": TEXTS, **option})
    assert status == 409
    assert document["error"]["code"] == "not_for_this_model"


def test_the_page_shows_the_number_on_a_scale(numbers, browser):
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"http://127.0.0.1:{numbers.port}/")
    page.locator("#text").fill("a good film")
    page.locator("#answers .scale .point").wait_for()
    assert float(page.locator("#answers .label").inner_text()) == pytest.approx(4.5, abs=1.5)
    assert page.locator("#answers .scale .number").all_inner_texts() == ["-0.1", "5.1"]
    assert page.locator(".highlighted").inner_text() == "a good film"
    page.get_by_label("Compare with").select_option("two")
    page.locator("#answers article").nth(1).locator(".scale").nth(1).wait_for()
    page.locator("#lines").fill("a good film\na bad film")
    page.get_by_role("button", name="Classify the lines").click()
    page.get_by_text("2 rows classified").wait_for()
    assert page.locator("#rows-head th").all_inner_texts() == ["text", "stars: score", "two: one", "other"]
    page.close()
    assert said == []
