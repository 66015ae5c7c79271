"""Defines the content of a report about a model and labelled rows, before it is rendered, and measures the speed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from textcnn.evaluation.calibration import Floats
from textcnn.evaluation.intervals import ScoreIntervals
from textcnn.evaluation.metrics import CalibrationBins, Confusion, PrecisionRecall
from textcnn.evaluation.promises import Answered
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor

_SINGLE, _BATCH, _REPEATS = 200, 2_000, 3  # texts classified one by one; texts in a batch, and how often it is timed
_SECONDS = 0.5  # approximate time limit of each of the two measurements


@dataclass(frozen=True)
class Speed:
    """The speed of classification, from strings to labels.

    Attributes:
        runtime: the name of the runtime.
        single_ms: the median time of a single text in milliseconds.
        single_ms_95: the 95th percentile of the time of a single text.
        batch_size: the number of texts in a batch.
        texts_per_second: the throughput of such a batch, the median of three runs.
        tokens_per_second: the throughput in tokens.
    """

    runtime: str
    single_ms: float
    single_ms_95: float
    batch_size: int
    texts_per_second: float
    tokens_per_second: float


def measure_speed(predictor: Predictor, texts: Sequence[str]) -> Speed:
    """Measure the speed on single texts and on a batch, for about a second; warm-up calls are not timed."""
    rows = [texts[i] for i in range(min(len(texts), _BATCH))]
    for _ in range(2):  # the first call fills the caches, the second takes and sets up the path for known words
        predictor.answer(rows[:1])
    single: list[float] = []
    for text in rows[:_SINGLE]:
        single.append(_seconds(predictor, [text]))
        if sum(single) > _SECONDS:
            break
    most = max(1, int(_SECONDS / _REPEATS / float(np.median(single))))
    batch = rows[:most]
    num_tokens = predictor.answer(batch).num_tokens
    seconds = float(np.median([_seconds(predictor, batch) for _ in range(_REPEATS)]))
    middle, slow = np.quantile(single, [0.5, 0.95]) * 1000
    return Speed(
        predictor.runtime.name, float(middle), float(slow), len(batch), len(batch) / seconds, num_tokens / seconds
    )


def _seconds(predictor: Predictor, texts: list[str]) -> float:
    began = time.perf_counter()
    predictor.answer(texts)
    return time.perf_counter() - began


@dataclass(frozen=True)
class Mistake:
    """A misclassified row.

    Attributes:
        row: the number of the row, from 1.
        text: the text.
        truth: the true labels.
        given: the predicted labels.
        probabilities: the probabilities of all labels in ``truth`` and ``given`` that the model has.
    """

    row: int
    text: str
    truth: tuple[str, ...]
    given: tuple[str, ...]
    probabilities: dict[str, float]


def worst_errors(
    texts: Sequence[str],
    truth: Sequence[tuple[str, ...]],
    given: Sequence[tuple[str, ...]],
    probs: Floats,
    labels: Labels,
    *,
    most: int,
) -> tuple[list[Mistake], int]:
    """Return the ``most`` worst errors, the worst first, and the number of misclassified rows.

    Errors are ranked by the largest difference between a probability and the truth (0 or 1) among the wrong labels.
    Rows whose true labels include one that the model lacks come last.

    Args:
        texts: the N texts.
        truth: the true labels of each text.
        given: the predicted labels of each text.
        probs: ``(N, C)``, the probabilities.
        labels: the labels of the columns.
        most: the largest number of errors to return.
    """
    index = {name: i for i, name in enumerate(labels.names)}
    wrong = [row for row in range(len(truth)) if set(truth[row]) != set(given[row])]

    def gap(row: int) -> float:
        missed = [1 - probs[row, index[name]] for name in set(truth[row]) - set(given[row]) if name in index]
        added = [probs[row, index[name]] for name in set(given[row]) - set(truth[row])]
        return float(max(missed + added, default=0.0)) - (not set(truth[row]) <= set(index))

    gaps = np.array([gap(row) for row in wrong])
    mistakes = []
    for row in (wrong[k] for k in np.argsort(-gaps, kind="stable")[:most]):
        concerned = [name for name in dict.fromkeys((*truth[row], *given[row])) if name in index]
        found = {name: float(probs[row, index[name]]) for name in concerned}
        mistakes.append(Mistake(row + 1, texts[row], tuple(truth[row]), tuple(given[row]), found))
    return mistakes, len(wrong)


class Reason(NamedTuple):
    """The contribution of the characters ``start`` to ``end`` of a text to the logit of its predicted label."""

    start: int
    end: int
    contribution: float


class Phrase(NamedTuple):
    """A phrase and its contribution to the logit of a label.

    For phrases observed in rows, it is the mean over the rows in which the phrase wins a filter, whose number is
    ``support``.
    """

    text: str
    contribution: float
    support: int | None = None


@dataclass(frozen=True)
class Measured:
    """The measurements of a model on N labelled rows.

    Attributes:
        name: the name of the file or data set of the rows.
        part: ``test``, or ``dev`` for rows by which training selected the epoch and the temperature.
        scores: the metrics of :func:`textcnn.evaluation.metrics.score`.
        intervals: the confidence intervals of the metrics.
        confusion: the confusion matrix.
        curves: the precision-recall curve of each label.
        before: the calibration at temperature 1.
        after: the calibration at the model's temperature.
        answered: the accuracy of the most confident answers, by their share of the rows; empty for multi-label models.
        log_loss: the mean log loss of the probabilities.
        statistics: statistics of the texts (:func:`textcnn.reading.statistics.text_statistics`).
        unknown_words: the most frequent words outside the vocabulary, with their counts.
        mistakes: the worst errors, the worst first.
        num_mistakes: the number of misclassified rows.
        speed: the speed on these texts on this machine.
    """

    name: str
    part: str
    scores: Mapping[str, Any]
    intervals: ScoreIntervals
    confusion: Confusion
    curves: Mapping[str, PrecisionRecall]
    before: CalibrationBins
    after: CalibrationBins
    answered: Sequence[Answered]
    log_loss: float
    statistics: Mapping[str, Any]
    unknown_words: Sequence[tuple[str, int]]
    mistakes: Sequence[Mistake]
    num_mistakes: int
    speed: Speed


@dataclass(frozen=True)
class MeasuredNumbers:
    """The measurements of a model of K numbers on N rows.

    Attributes:
        name: the name of the file or data set of the rows.
        part: ``test``, or ``dev`` for rows by which training selected the epoch and the weights of the branches.
        names: the names of the targets.
        scores: the metrics of :func:`textcnn.evaluation.numbers.number_scores`.
        intervals: the 95 % interval of each metric.
        truth: ``(N, K)``.
        predicted: ``(N, K)``.
        statistics: as in :class:`Measured`.
        unknown_words: as in :class:`Measured`.
        mistakes: the rows with the largest errors, in standard deviations of the target, the largest first.
        explained: the target with the largest error of each of them.
        speed: as in :class:`Measured`.
    """

    name: str
    part: str
    names: Sequence[str]
    scores: Mapping[str, Any]
    intervals: Mapping[str, Sequence[float]]
    truth: Floats
    predicted: Floats
    statistics: Mapping[str, Any]
    unknown_words: Sequence[tuple[str, int]]
    mistakes: Sequence[Mistake]
    explained: Sequence[str]
    speed: Speed


def largest_errors(
    texts: Sequence[str], truth: Floats, predicted: Floats, labels: Labels, *, most: int
) -> tuple[list[Mistake], list[str]]:
    """Return the ``most`` rows with the largest errors, in standard deviations, and the target of each error."""
    errors = np.abs(predicted - truth) / labels.stds
    worst, rows = errors.argmax(axis=1), np.argsort(-errors.max(axis=1, initial=0), kind="stable")[:most].tolist()
    found = []
    for row in rows:
        name, several = labels.names[worst[row]], len(labels) > 1
        shown = [
            f"{name} {value:.4g}" if several else f"{value:.4g}"
            for value in (truth[row, worst[row]], predicted[row, worst[row]])
        ]
        found.append(Mistake(row + 1, texts[row], (shown[0],), (shown[1],), {}))
    return found, [labels.names[worst[row]] for row in rows]


@dataclass(frozen=True)
class Report:
    """The whole content of a report.

    Attributes:
        model: the name of the model's folder.
        config: its config.json.
        vocabulary_size: the number of types of its tokenizer.
        training: its training.json.
        timing: its timing.json.
        measured: the measurements on labelled rows; none: there were no test or dev rows.
        reasons: for each of ``measured.mistakes``, the attributions of the predicted label; where spans overlap, their
            contributions add up.
        phrases: the strongest phrases of each label, the strongest first.
        phrase_rows: the number of measured rows in which the phrases were observed; 0: they are of the vocabulary.
    """

    model: str
    config: Mapping[str, Any]
    vocabulary_size: int
    training: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    measured: Measured | MeasuredNumbers | None = None
    reasons: Sequence[Sequence[Reason]] | None = None
    phrases: Mapping[str, Sequence[Phrase]] | None = None
    phrase_rows: int = 0
