"""What a report says, before it is a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from textcnn.evaluation.confusion import Confusion
from textcnn.evaluation.intervals import ScoreIntervals
from textcnn.evaluation.metrics import CalibrationBins
from textcnn.evaluation.precision_recall import PrecisionRecall
from textcnn.report.speed import Speed
from textcnn.report.worst import Mistake


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
        statistics: of the texts, by :func:`textcnn.text.statistics.text_statistics`.
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
