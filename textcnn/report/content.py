"""What a report says of a model and labelled rows, before it is a page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from textcnn.evaluation.calibration import Floats
from textcnn.evaluation.intervals import ScoreIntervals
from textcnn.evaluation.metrics import CalibrationBins, Confusion, PrecisionRecall
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor

_SINGLE, _BATCH, _REPEATS = 200, 2_000, 3  # texts asked one by one, texts at once, how often
_SECONDS = 0.5  # about what each of the two may take at most


@dataclass(frozen=True)
class Speed:
    """Times of classifying, from strings to labels.

    Attributes:
        runtime: which runtime answered.
        single_ms: median milliseconds of one text asked alone.
        single_ms_95: the slowest of 95 % of them.
        batch_size: texts asked at once.
        texts_per_second: of such a batch, the median of three.
        tokens_per_second: the same in tokens.
    """

    runtime: str
    single_ms: float
    single_ms_95: float
    batch_size: int
    texts_per_second: float
    tokens_per_second: float


def measure_speed(predictor: Predictor, texts: Sequence[str]) -> Speed:
    """Ask for texts one by one and all at once, for about a second; the first answers, which fill caches, not timed."""
    rows = [texts[i] for i in range(min(len(texts), _BATCH))]
    for _ in range(2):  # words that have been met are answered by code that is compiled when it first runs
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
    """A row that was answered wrongly.

    Attributes:
        row: its number, from 1.
        text: the text.
        truth: its true labels.
        given: the labels the model gave.
        probabilities: of all labels in ``truth`` and ``given`` that the model knows.
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
    """The ``most`` worst errors, the worst first, and how many rows are wrong.

    An error is as bad as the largest gap between a probability and the truth (0 or 1) among the labels that were
    decided wrongly. A row whose only fault is a label the model was never shown comes last.

    Args:
        texts: N texts.
        truth: the true labels of each.
        given: the labels the model gave each.
        probs: ``(N, C)``.
        labels: the labels of the columns.
        most: how many.
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
    """What the characters ``start`` to ``end`` of a text add to the logit of the label it was given."""

    start: int
    end: int
    contribution: float


class Phrase(NamedTuple):
    """Words and what they add to the logit of a label.

    Where phrases are of given rows: the mean over those in which they win a filter, and how many these are.
    """

    text: str
    contribution: float
    support: int | None = None


@dataclass(frozen=True)
class Measured:
    """A model on N labelled rows.

    Attributes:
        name: where the rows come from.
        part: ``test``, or ``dev``: rows that have already chosen the epoch and the temperature.
        scores: as :func:`textcnn.evaluation.metrics.score` gives them.
        intervals: how far they may be off.
        confusion: labels taken for each other.
        curves: precision against recall of each label.
        before: calibration as the network is, at temperature 1.
        after: calibration with the temperature of the model.
        statistics: of the texts, by :func:`textcnn.reading.statistics.text_statistics`.
        unknown_words: the most frequent words that the vocabulary does not have, and how often.
        mistakes: the worst errors, the worst first.
        num_mistakes: how many rows are wrong.
        speed: of classifying these texts, here.
    """

    name: str
    part: str
    scores: Mapping[str, Any]
    intervals: ScoreIntervals
    confusion: Confusion
    curves: Mapping[str, PrecisionRecall]
    before: CalibrationBins
    after: CalibrationBins
    statistics: Mapping[str, Any]
    unknown_words: Sequence[tuple[str, int]]
    mistakes: Sequence[Mistake]
    num_mistakes: int
    speed: Speed


@dataclass(frozen=True)
class Report:
    """Everything on the page.

    Attributes:
        model: name of the model's folder.
        config: its config.json.
        vocabulary_size: types of its tokenizer.
        training: its training.json.
        timing: its timing.json.
        measured: the model on labelled rows; none: no rows were held out.
        reasons: for each of ``measured.mistakes``, in their order, what parts of the text say for the label given;
            where two overlap they are added up.
        phrases: for each label its strongest phrases, the strongest first.
        phrase_rows: the phrases are those of the first so many rows measured; 0: of the whole vocabulary.
    """

    model: str
    config: Mapping[str, Any]
    vocabulary_size: int
    training: Mapping[str, Any] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)
    measured: Measured | None = None
    reasons: Sequence[Sequence[Reason]] | None = None
    phrases: Mapping[str, Sequence[Phrase]] | None = None
    phrase_rows: int = 0
