"""What a one-layer model's own sums say of a report: why it erred, and which phrases it answers to."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, cast

from textcnn.explain.explaining import Explainer
from textcnn.explain.phrases import phrase_book
from textcnn.explain.seen import seen_phrases
from textcnn.inference.lookup import LookupModel
from textcnn.inference.predictor import Predictor
from textcnn.report.content import Phrase, Reason, Report
from textcnn.report.worst import Mistake
from textcnn.text.reading import Examples

if TYPE_CHECKING:
    from textcnn.explain.entries import Explanation

PHRASES = 12  # of each label
EDGES = {None: "", "start": " (at the start)", "end": " (at the end)", "whole": " (and nothing else)"}
PER_FILTER = 1  # the phrases of one filter are much alike
MOST_ROWS = 2_000  # measured rows whose phrases are looked at
MIN_SUPPORT = 2


def with_reasons(report: Report, predictor: Predictor, examples: Examples | None = None) -> Report:
    """The report with the words that made each error and with the phrase book, both exact.

    The phrases are those of ``examples``, the rows that were measured; without any, those of the whole vocabulary,
    which nobody need have written. A model of more than one layer, or one loaded with precision int8, has neither
    reasons nor phrases: its report is returned as it is.
    """
    model = predictor.lookup()
    if model is None or model.precision != "float32":
        return report
    num_rows = 0 if examples is None else min(len(examples), MOST_ROWS)
    phrases = _possible(model) if examples is None or not num_rows else _seen(model, examples, num_rows)
    mistakes = () if report.measured is None else report.measured.mistakes
    reasons = [_reasons(predictor, mistake) for mistake in mistakes]
    return replace(report, reasons=reasons, phrases=phrases, phrase_rows=num_rows)


def _possible(model: LookupModel) -> dict[str, list[Phrase]]:
    return {
        page.label: [Phrase(entry.text + EDGES[entry.at], entry.contribution) for entry in page.filters[0]]
        for page in phrase_book(model, top=PHRASES, per_filter=PER_FILTER)
    }


def _seen(model: LookupModel, examples: Examples, num_rows: int) -> dict[str, list[Phrase]]:
    texts = [examples.texts[i] for i in range(num_rows)]
    pages = seen_phrases(model, texts, examples.labels[:num_rows], top=PHRASES, min_support=MIN_SUPPORT)
    return {page.label: [Phrase(p.text, p.contribution, p.support) for p in page.strongest] for page in pages}


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
