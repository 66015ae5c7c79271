"""Gathers the content of a report from a model folder and labelled rows, with attributions of errors and phrases."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textcnn.evaluation.calibration import decide, probabilities
from textcnn.evaluation.intervals import score_intervals
from textcnn.evaluation.metrics import calibration_bins, confusion, log_loss, precision_recall, score
from textcnn.evaluation.numbers import number_intervals, number_scores
from textcnn.evaluation.promises import answered_curve
from textcnn.explain.explainer import Explainer
from textcnn.explain.phrases import phrase_book, seen_phrases
from textcnn.folder.config_json import read_json
from textcnn.folder.model_folder import CONFIG, TIMING, TRAINING
from textcnn.labels import MANY_LABELS
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import Examples
from textcnn.reading.statistics import frequent_unknown, text_statistics
from textcnn.report.content import (
    Measured,
    MeasuredNumbers,
    Mistake,
    Phrase,
    Reason,
    Report,
    largest_errors,
    measure_speed,
    worst_errors,
)
from textcnn.report.many_labels import measures_of_many
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.pipeline import EncodedTexts

if TYPE_CHECKING:
    from textcnn.explain.entries import Explanation

PHRASES = 12  # phrases listed for each label
EDGES = {None: "", "start": " (at the start)", "end": " (at the end)", "whole": " (and nothing else)"}
PER_FILTER = 1  # one phrase per filter, since those of one filter are similar
MOST_ROWS = 2_000  # measured rows in which phrases are counted
MIN_SUPPORT = 2


def with_reasons(report: Report, predictor: Predictor, examples: Examples | None = None) -> Report:
    """Return the report with exact attributions of each error, and with the strongest phrases of each label.

    The phrases are those observed in ``examples``, the measured rows, or else all possible phrases of the vocabulary,
    which need not occur in any text. For a model with more than one layer, or loaded with precision int8, the report is
    returned unchanged.
    """
    model = predictor.lookup()
    if model is None or model.precision != "float32":
        return report
    if isinstance(report.measured, MeasuredNumbers):
        pairs = zip(report.measured.mistakes, report.measured.explained, strict=True)
        return replace(report, reasons=[_reasons_of(predictor, mistake.text, name) for mistake, name in pairs])
    if predictor.labels.targets:
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
    """Return the attributions of the predicted label's logit, which they sum to together with the model's bias.

    Of several labels, the first wrong one is explained; if none was predicted, there are no attributions.
    """
    wrong = [name for name in mistake.given if name not in mistake.truth]
    named = (wrong or list(mistake.given))[:1]
    return _reasons_of(predictor, mistake.text, named[0]) if named else []


def _reasons_of(predictor: Predictor, text: str, label: str) -> list[Reason]:
    """Return what the words of a text add to the logit of a label, or to the number of a target."""
    ((one,),) = cast("list[list[Explanation]]", Explainer(predictor, labels=[label])([text]))
    entries = chain(one["words"], *(term.get("terms", ()) for term in one["other"]))
    return [Reason(entry["start"], entry["end"], entry["contribution"]) for entry in entries]


WORST = 20  # errors listed
ANSWERED_SHARES = [number / 50 for number in range(1, 51)]
UNKNOWN_WORDS = 20  # words outside the vocabulary listed


def gather(predictor: Predictor, folder: str | Path, examples: Examples | None, *, part: str = "test") -> Report:
    """Measure a model on labelled rows and return the content of a report.

    Args:
        predictor: a text model.
        folder: the folder that it was loaded from, with training.json and timing.json.
        examples: the labelled rows; none: the report is about the training alone.
        part: ``test``, or ``dev`` for rows that training used to select the epoch and to calibrate.

    Raises:
        ArtifactError: this is an image model, or a file of the folder is damaged.
    """
    folder = Path(folder)
    inputs = predictor.text_inputs()
    config, training, timing = (read_json(folder / name) for name in (CONFIG, TRAINING, TIMING))
    measured = None if examples is None else _measure(predictor, examples, part)
    return Report(folder.resolve().name, config, len(inputs.tokenizer), training, timing, measured)


def _measure_numbers(predictor: Predictor, examples: Examples, part: str) -> MeasuredNumbers:
    inputs, labels = predictor.text_inputs(), predictor.labels
    encoded, truth = inputs.encode(examples.texts), labels.numbers(examples.labels)
    predicted = predictor.probabilities_of(encoded)
    mistakes, explained = largest_errors(examples.texts, truth, predicted, labels, most=WORST)
    return MeasuredNumbers(
        name=Path(examples.name).name or "data",
        part=part,
        names=labels.names,
        scores=number_scores(truth, predicted, labels.names),
        intervals=number_intervals(truth, predicted),
        truth=truth,
        predicted=predicted,
        statistics=text_statistics(inputs, encoded),
        unknown_words=frequent_unknown(inputs, encoded, UNKNOWN_WORDS),
        mistakes=mistakes,
        explained=explained,
        speed=measure_speed(predictor, examples.texts),
    )


def _measure(predictor: Predictor, examples: Examples, part: str) -> Measured | MeasuredNumbers:
    if predictor.labels.targets:
        return _measure_numbers(predictor, examples, part)
    inputs, labels = predictor.text_inputs(), predictor.labels
    encoded = inputs.encode(examples.texts)
    is_many = len(labels) > MANY_LABELS and not labels.multi_label
    how: dict[str, Any] = {"most": WORST, "shares": ANSWERED_SHARES}
    found = (measures_of_many if is_many else _measures)(predictor, examples, encoded, **how)
    return Measured(
        name=Path(examples.name).name or "data",
        part=part,
        **found,
        statistics=text_statistics(inputs, encoded),
        unknown_words=frequent_unknown(inputs, encoded, UNKNOWN_WORDS),
        speed=measure_speed(predictor, examples.texts),
    )


def _measures(
    predictor: Predictor, examples: Examples, encoded: EncodedTexts, *, most: int, shares: list[float]
) -> dict[str, Any]:
    """Return what :class:`Measured` says of answers; arguments as for :func:`measures_of_many`."""
    labels, truth = predictor.labels, examples.labels
    logits = predictor.logits(encoded)
    raw, probs = probabilities(logits, labels), probabilities(logits, labels, predictor.temperature)
    given = decide(probs, labels, predictor.own_thresholds)
    mistakes, num_mistakes = worst_errors(examples.texts, truth, given, probs, labels, most=most)
    return {
        "scores": score(truth, probs, labels, predictor.own_thresholds),
        "intervals": score_intervals(truth, given, labels),
        "confusion": confusion(truth, given, labels),
        "curves": precision_recall(truth, probs, labels),
        "before": calibration_bins(truth, raw, labels),
        "after": calibration_bins(truth, probs, labels),
        "answered": [] if labels.multi_label else answered_curve(truth, probs, labels, shares),
        "log_loss": log_loss(truth, probs, labels),
        "mistakes": mistakes,
        "num_mistakes": num_mistakes,
    }
