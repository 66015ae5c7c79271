"""What a one-layer model's own sums say of a report: why it erred, and which phrases it answers to."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, cast

from textcnn.explain.explaining import Explainer
from textcnn.explain.phrases import phrase_book
from textcnn.inference.predictor import Predictor
from textcnn.report.content import Phrase, Reason, Report
from textcnn.report.worst import Mistake

if TYPE_CHECKING:
    from textcnn.explain.entries import Explanation

PHRASES = 12  # of each label
EDGES = {None: "", "start": " (at the start)", "end": " (at the end)", "whole": " (and nothing else)"}
PER_FILTER = 1  # the phrases of one filter are much alike


def with_reasons(report: Report, predictor: Predictor) -> Report:
    """The report with the words that made each error and with the phrase book, both exact.

    A model of more than one layer, or one loaded with precision int8, has neither: its report is returned as it is.
    """
    model = predictor.lookup()
    if model is None or model.precision != "float32":
        return report
    pages = phrase_book(model, top=PHRASES, per_filter=PER_FILTER)
    phrases = {
        page.label: [Phrase(entry.text + EDGES[entry.at], entry.contribution) for entry in page.filters[0]]
        for page in pages
    }
    mistakes = () if report.measured is None else report.measured.mistakes
    return replace(report, reasons=[_reasons(predictor, mistake) for mistake in mistakes], phrases=phrases)


def _reasons(predictor: Predictor, mistake: Mistake) -> list[Reason]:
    """What words and pairs of words say for the label given; with the model's bias, they add up to its logit.

    Of several labels it is the first that is wrong; where none was given, nothing is said.
    """
    wrong = [name for name in mistake.given if name not in mistake.truth]
    named = (wrong or list(mistake.given))[:1]
    if not named:
        return []
    ((one,),) = cast("list[list[Explanation]]", Explainer(predictor, labels=named)([mistake.text]))
    entries = chain(one["words"], *(term.get("terms", ()) for term in one["other"]))
    return [Reason(entry["start"], entry["end"], entry["contribution"]) for entry in entries]
