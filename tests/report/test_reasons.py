"""Why a model erred and what it answers to, in its report: the model's own sums."""

import sys

import pytest

import textcnn
from textcnn.explain.phrases import phrase_book, seen_phrases
from textcnn.reading.rows import read_examples
from textcnn.report import gather, with_reasons
from textcnn.report.gather import PHRASES
from textcnn.report.page import render


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_reasons_of_an_error_add_up_to_the_logit_of_the_label_given(models, reports, kind):
    predictor, report = textcnn.load(models / kind), reports[kind]
    found = with_reasons(report, predictor)
    assert len(found.reasons) == len(report.measured.mistakes) > 0
    for mistake, reasons in zip(report.measured.mistakes, found.reasons, strict=True):
        wrong = [name for name in mistake.given if name not in mistake.truth] or list(mistake.given)
        if not wrong:
            assert reasons == []
            continue
        ((one,),) = predictor.explain([mistake.text], labels=wrong[:1])
        assert one["bias"] + sum(reason.contribution for reason in reasons) == pytest.approx(one["logit"], abs=1e-9)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_phrases_are_those_of_the_phrase_book(models, reports, kind):
    predictor = textcnn.load(models / kind)
    found = with_reasons(reports[kind], predictor).phrases
    assert list(found) == predictor.classes_
    for page in phrase_book(predictor.lookup(), top=PHRASES, per_filter=1):
        assert [phrase.contribution for phrase in found[page.label]] == [one.contribution for one in page.filters[0]]
        for phrase, one in zip(found[page.label], page.filters[0], strict=True):
            assert phrase.text.startswith(one.text)
            assert (phrase.text != one.text) == (one.at is not None)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_where_there_are_rows_the_phrases_are_those_that_win_in_them(models, reports, kind, monkeypatch):
    monkeypatch.setattr(sys.modules["textcnn.report.gather"], "MOST_ROWS", 5)  # the package has a function of that name
    label = "pos" if kind == "single" else ["glad"]
    predictor = textcnn.load(models / kind)
    examples = read_examples([("good film", label), ("bad film", label), ("a good one", label)] * 2)
    found = with_reasons(reports[kind], predictor, examples)
    assert found.phrase_rows == 5
    assert list(found.phrases) == predictor.classes_
    pages = seen_phrases(predictor.lookup(), examples.texts[:5], examples.labels[:5], top=PHRASES)
    for page in pages:
        expected = [(one.text, one.contribution, one.support) for one in page.strongest]
        assert [tuple(phrase) for phrase in found.phrases[page.label]] == expected
    assert any(found.phrases.values())
    assert "The phrases in the first 5 rows with the largest contribution" in render(found)


def test_without_rows_there_are_the_phrases_alone(models):
    predictor = textcnn.load(models / "single")
    found = with_reasons(gather(predictor, models / "single", None), predictor)
    assert found.phrases
    assert not found.reasons


def test_a_model_without_exact_sums_has_neither(models, reports):
    quantized = textcnn.Predictor.load(models / "single", precision="int8")
    assert with_reasons(reports["single"], quantized) is reports["single"]
    deep = textcnn.train([("good", "a"), ("bad", "b")] * 4, architecture="lstm", epochs=1, threads=1, embedding_dim=4)
    report = gather(deep, models / "single", read_examples([("good", "b")]))
    assert with_reasons(report, deep) is report
