"""What held-out rows promise of single-label answers: sets with a coverage, and accuracy above a confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats
from textcnn.labels import Labels

FEWEST_OF_LABEL = 20  # held-out rows of a label for a quantile of its own
SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the rows answered, in the table of `evaluate`


@dataclass(frozen=True)
class HeldOutAnswers:
    """Answers of a calibrated single-label model to M rows that it was not trained on.

    Attributes:
        truth: ``(M,)`` int32, the true labels.
        confidence: ``(M,)`` float32, the largest probability.
        correct: ``(M,)`` bool, whether it is that of the true label.
        score: ``(M,)`` float32, the set score of the true label (:func:`set_scores`).
        given: ``(M,)`` int32, the labels given; none: not known.
        statistics: ``(M, S)`` float32, statistics of the texts (:mod:`textcnn.evaluation.strangers`); none: not known.
        outliers: ``(K, S)`` float32, those of texts of no label; none: no such texts were given.
    """

    truth: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float32]
    given: npt.NDArray[np.int32] | None = None
    statistics: npt.NDArray[np.float32] | None = None
    outliers: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(cls, probs: Floats, truth: Sequence[Sequence[str]], labels: Labels) -> HeldOutAnswers:
        """Collect what is needed of the answers to rows, whose labels the model knows."""
        targets = labels.encode(truth)
        scores, given = set_scores(probs)[np.arange(len(targets)), targets], probs.argmax(axis=1)
        confidence = probs.max(axis=1).astype(np.float32)
        return cls(targets.astype(np.int32), confidence, given == targets, scores, given.astype(np.int32))

    def least_confidence(self, accuracy: float) -> float:
        """Return the confidence from which at least this share of the answers is right, for as many rows as possible.

        Above 1 if no confidence promises it.

        Raises:
            ConfigError: the accuracy is not above 0 and at most 1.
        """
        if not 0 < accuracy <= 1:
            raise ConfigError(f"min_accuracy must be above 0 and at most 1, got {accuracy:g}")
        order = np.argsort(-self.confidence, kind="stable")
        confidence = self.confidence[order]
        share = np.cumsum(self.correct[order]) / np.arange(1, len(order) + 1)
        ends = np.append(confidence[1:] != confidence[:-1], True)[: len(order)]  # equal confidences stay together
        enough = np.flatnonzero((share >= accuracy) & ends)
        return float(confidence[enough[-1]]) if len(enough) else 2.0

    def quantiles(self, coverage: float, labels: Labels, *, by_label: bool = False) -> tuple[Floats, list[str]]:
        """Return the largest set score ``(C,)`` of each label in a set, and the labels with too few rows for their own.

        Split conformal prediction (Vovk et al. 2005), by label as in Vovk 2012.

        Raises:
            ConfigError: the coverage is not between 0 and 1.
        """
        if not 0 < coverage < 1:
            raise ConfigError(f"coverage must be between 0 and 1, got {coverage:g}")
        pooled = _quantile(self.score, coverage)
        found, few = np.full(len(labels), pooled), []
        for number, name in enumerate(labels.names if by_label else ()):
            own = self.score[self.truth == number]
            if len(own) < max(FEWEST_OF_LABEL, math.ceil(1 / (1 - coverage))):
                few.append(name)
            else:
                found[number] = _quantile(own, coverage)
        return found, few


def _quantile(scores: npt.NDArray[np.float32], coverage: float) -> float:
    """Return the score that one further row does not exceed with this probability."""
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


def set_scores(probs: Floats) -> npt.NDArray[np.float32]:
    """Return the score ``(N, C)`` of each label: the sum of the probabilities of all labels before it.

    These are adaptive prediction sets (Romano et al. 2020, arXiv 2006.02544) that are never empty: the most probable
    label has the score 0. Its own probability does not count, because then the last label would have 1 in every row,
    and two labels would always or never be a set together.
    """
    order = np.argsort(-probs, axis=1, kind="stable")
    before = np.zeros(probs.shape)
    np.cumsum(np.take_along_axis(probs, order, axis=1)[:, :-1], axis=1, out=before[:, 1:])
    scores = np.empty(probs.shape, np.float32)
    np.put_along_axis(scores, order, before.astype(np.float32), axis=1)
    return scores


@dataclass(frozen=True)
class Promise:
    """How sure an answer has to be, and what a set of labels has to hold.

    Attributes:
        least: the probability below which a row is flagged ``unsure``.
        quantiles: ``(C,)`` of :meth:`HeldOutAnswers.quantiles`; none: no sets.
    """

    least: float = 0.0
    quantiles: Floats | None = None

    def sets(self, probs: Floats) -> npt.NDArray[np.bool_] | None:
        """Return which labels ``(N, C)`` are in the set of each row; none if no sets were asked for."""
        return None if self.quantiles is None else set_scores(probs) <= self.quantiles

    def unsure(self, probs: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows ``(N,)`` are less sure than asked for."""
        return np.asarray(probs.max(axis=1, initial=0).astype(np.float32) < np.float32(self.least))


class Coverage(NamedTuple):
    """The share of rows whose set holds the true label, and the mean number of labels in a set."""

    reached: float
    mean_size: float


def coverage_of(sets: npt.NDArray[np.bool_], truth: Sequence[Sequence[str]], labels: Labels) -> Coverage:
    """Measure sets on labelled rows; a label that the model does not know is in no set."""
    targets = labels.encode(truth)
    held = sets[np.arange(len(targets)), targets] & (targets >= 0)
    return Coverage(float(held.mean()), float(sets.sum(axis=1).mean()))


class Answered(NamedTuple):
    """The rows that are answered from a confidence on: their share, their accuracy, and that confidence."""

    share: float
    accuracy: float
    min_probability: float


def answered_curve(
    truth: Sequence[Sequence[str]], probs: Floats, labels: Labels, shares: Sequence[float] = SHARES
) -> list[Answered]:
    """Return the accuracy of the most confident answers, for these shares of the rows (risk-coverage curve)."""
    if not len(probs):
        return []
    return answered_from(probs.max(axis=1), probs.argmax(axis=1) == labels.encode(truth), shares)


def answered_from(
    confidence: Floats, correct: npt.NDArray[np.bool_], shares: Sequence[float] = SHARES
) -> list[Answered]:
    """Return :func:`answered_curve` of one row at least from the confidence ``(N,)`` of the answers."""
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(correct[order])
    counts = [max(round(share * len(order)), 1) for share in shares]
    return [
        Answered(count / len(order), float(right[count - 1] / count), float(confidence[order[count - 1]]))
        for count in counts
    ]
