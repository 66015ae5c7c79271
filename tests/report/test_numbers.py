"""The report about a model of numbers: metrics with intervals, predicted against true, residuals, largest errors."""

from __future__ import annotations

import re

import numpy as np
import pytest

import textcnn
from textcnn.reading.rows import read_examples
from textcnn.report import gather, with_reasons, write_report
from textcnn.report.content import MeasuredNumbers
from textcnn.report.page import render

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 4, "threads": 1, "regression": True}
EVIL = "<script>document.title='taken'</script>"
TRAIN = {
    "text": [f"{word} film {n}" for n in range(12) for word in ("good", "bad")],
    "stars": [5.0, 1.0] * 12,
    "<b>price</b>": [100.0 + n for n in range(24)],
}


@pytest.fixture(scope="module", params=[("stars",), ("stars", "<b>price</b>")], ids=len)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("numbers") / "model"
    predictor = textcnn.train(TRAIN, dev=TRAIN, output=folder, label_column=request.param, **TINY)
    rows = {**TRAIN, "text": [*TRAIN["text"][:-1], f"good {EVIL}"]}
    rows["stars"] = [*TRAIN["stars"][:-1], -40.0]
    examples = read_examples(rows, like=predictor.schema)
    return predictor, with_reasons(gather(textcnn.load(folder), folder, examples), textcnn.load(folder), examples)


def test_the_largest_error_comes_first_with_reasons_that_add_up(made):
    predictor, report = made
    measured = report.measured
    assert isinstance(measured, MeasuredNumbers)
    assert measured.mistakes[0].row == 24
    assert measured.explained[0] == "stars"
    assert measured.mistakes[0].truth[0].endswith("-40")
    (score, *_) = np.atleast_1d(predictor.predict([measured.mistakes[0].text])[0])
    why = np.atleast_1d(np.array(predictor.explain([measured.mistakes[0].text])[0])).tolist()[0]
    assert sum(reason.contribution for reason in report.reasons[0]) + why["bias"] == pytest.approx(score, abs=1e-4)


def test_the_page_has_the_figures_and_nothing_that_runs(made, tmp_path):
    _, report = made
    page = render(report)
    for part in ("mean absolute error", "Predicted against true", "Residuals", "largest errors", "text regressor"):
        assert part in page
    assert EVIL not in page
    assert "<b>price" not in page
    assert page.count('aria-label="Histogram of the errors') == len(report.measured.names)
    assert not re.findall(r"<script|accuracy|label of the line", page)
    assert write_report(report, tmp_path / "page").read_text(encoding="utf-8") == page


def test_without_rows_the_report_is_about_the_training(made, tmp_path):
    predictor, _ = made
    folder = predictor.save(tmp_path / "m")
    assert "nothing could be measured" in render(with_reasons(gather(textcnn.load(folder), folder, None), predictor))
