"""What held-out rows promise of single-label answers: sets with a coverage, and accuracy above a confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats
from textcnn.label_tree import Nodes
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
        surest: ``(M,)`` float32, the probability of the first node on the way down the tree; none: there is no tree.
        first_wrong: ``(M,)`` float32, that of the first node on this way that is not right; 0: all are.
        likeness: ``(C, C)`` float32, of the labels in the statistics; none: they are those of distinct labels.
    """

    truth: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float32]
    given: npt.NDArray[np.int32] | None = None
    statistics: npt.NDArray[np.float32] | None = None
    outliers: npt.NDArray[np.float32] | None = None
    surest: npt.NDArray[np.float32] | None = None
    first_wrong: npt.NDArray[np.float32] | None = None
    likeness: npt.NDArray[np.float32] | None = None

    @classmethod
    def of(cls, probs: Floats, truth: Sequence[Sequence[str]], labels: Labels) -> HeldOutAnswers:
        """Collect what is needed of the answers to rows, whose labels the model knows."""
        targets = labels.encode(truth)
        scores, given = set_scores(probs)[np.arange(len(targets)), targets], probs.argmax(axis=1)
        confidence = probs.max(axis=1).astype(np.float32)
        found = cls(targets.astype(np.int32), confidence, given == targets, scores, given.astype(np.int32))
        if labels.tree is None:
            return found
        paths = labels.tree.paths(probs)
        right = labels.tree.right_levels(paths.numbers, [names[0] for names in truth])
        probabilities = np.pad(paths.probabilities, ((0, 0), (0, 1))).astype(np.float32)  # 0 below the end of the way
        first_wrong = probabilities[np.arange(len(right)), right]
        return replace(found, surest=probabilities[:, 0], first_wrong=first_wrong)

    @property
    def sureness(self) -> npt.NDArray[np.float32]:
        """The threshold ``(M,)`` up to which a row is answered: the largest probability, in a tree that of a node."""
        return self.confidence if self.surest is None else self.surest

    def least_confidence(self, accuracy: float) -> float:
        """Return the confidence from which at least this share of the answers is right, for as many rows as possible.

        A row is answered if it is as sure, and in a tree by the deepest node of the way down that is: wrongly, if the
        first wrong node of the way is as sure too. Above 1 if no confidence promises it.

        Raises:
            ConfigError: the accuracy is not above 0 and at most 1.
        """
        if not 0 < accuracy <= 1:
            raise ConfigError(f"min_accuracy must be above 0 and at most 1, got {accuracy:g}")
        sureness, candidates = np.sort(self.sureness), np.unique(self.sureness)
        wrong = np.where(self.correct, np.float32(-1), self.confidence)
        if self.first_wrong is not None:  # from just above a wrong node on, the rows are answered by the node before it
            wrong = self.first_wrong
            candidates = np.unique(np.concatenate([candidates, np.nextafter(wrong, np.float32(2))]))
        num_answered = len(sureness) - np.searchsorted(sureness, candidates)
        num_wrong = len(wrong) - np.searchsorted(np.sort(wrong), candidates)
        share = np.divide(num_answered - num_wrong, num_answered, out=np.zeros(len(candidates)), where=num_answered > 0)
        enough = np.flatnonzero(share >= accuracy)
        return float(candidates[enough[0]]) if len(enough) else 2.0

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


def interval_radii(residuals: Floats, coverage: float) -> Floats:
    """Return half the widths ``(K,)`` of intervals that hold a target's number with this probability.

    Split conformal prediction from the sizes ``(M, K)`` of errors on held-out rows (Lei et al. 2018).

    Raises:
        ConfigError: the coverage is not between 0 and 1, or the rows are too few for it.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage must be between 0 and 1, got {coverage:g}")
    radii = np.array([_quantile(column, coverage) for column in residuals.T])
    if np.isinf(radii).any():
        raise ConfigError(f"coverage {coverage:g} needs more than {len(residuals):,} held-out rows; ask for less")
    return radii


def _quantile(scores: npt.NDArray[np.floating], coverage: float) -> float:
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
        radii: ``(K,)``, half the width of the interval around each predicted number (regression); none: no intervals.
    """

    least: float = 0.0
    quantiles: Floats | None = None
    radii: Floats | None = None

    def sets(self, probs: Floats) -> npt.NDArray[np.bool_] | None:
        """Return which labels ``(N, C)`` are in the set of each row; none if no sets were asked for."""
        return None if self.quantiles is None else set_scores(probs) <= self.quantiles

    def unsure(self, probs: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows ``(N,)`` are less sure than asked for, by their most probable label."""
        return np.asarray(probs.max(axis=1, initial=0).astype(np.float32) < np.float32(self.least))


def promised_least(
    held_out: HeldOutAnswers | None, labels: Labels, min_probability: float | None, min_accuracy: float | None
) -> float:
    """Return the probability that an answer has to reach: the one given, or by held-out rows that of an accuracy.

    Raises:
        ConfigError: both or neither are given, or are out of range, or there are no held-out rows of one label each.
    """
    if (min_probability is None) == (min_accuracy is None):
        raise ConfigError("expected min_probability or min_accuracy, and not both")
    if min_probability is not None and not 0 <= min_probability <= 1:
        raise ConfigError(f"min_probability must be in [0, 1], got {min_probability:g}")
    if min_accuracy is None:
        return min_probability or 0.0
    if labels.multi_label or held_out is None:
        raise ConfigError(
            "min_accuracy needs a model with one label a row and answers to held-out rows: train it without "
            "--calibrate none, or run `textcnn calibrate` with rows that it was not trained on"
        )
    return held_out.least_confidence(min_accuracy)


def chooses_nodes(labels: Labels, promise: Promise | None) -> bool:
    """Return whether a row may be answered by an inner node of the tree of labels, if it is not sure of a label."""
    return promise is not None and promise.least > 0 and labels.tree is not None and not labels.multi_label


def answered_nodes(probs: Floats, labels: Labels, promise: Promise | None) -> Nodes | None:
    """Return the nodes that answer N rows, of level 0 where a row is unsure; none if the labels are of no tree.

    They are the deepest nodes that are as sure as promised; without a promise, and multi-label, where no node is surer
    than the label below it that is most probable, they are labels.
    """
    if labels.tree is None:
        return None
    if promise is not None and chooses_nodes(labels, promise):
        return labels.tree.answers(probs, promise.least)
    nodes = labels.tree.of_labels(probs)
    return nodes if promise is None else nodes._replace(levels=np.where(promise.unsure(probs), 0, nodes.levels))


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


def sure_answers(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels, promise: Promise) -> dict[str, Any]:
    """Measure the answers that are as sure as promised: their share and accuracy (single-label).

    In a tree an answer is right if it is the true label or a node above it, and ``levels`` has the share of the rows
    that are answered at each level.
    """
    nodes = answered_nodes(probs, labels, promise)
    if nodes is None or labels.tree is None:
        sure, right = ~promise.unsure(probs), probs.argmax(axis=1) == labels.encode(truth)
        levels = {}
    else:
        sure, right = nodes.levels > 0, labels.tree.are_right(nodes, [names[0] for names in truth])
        levels = {"levels": (np.bincount(nodes.levels, minlength=labels.tree.depth + 1)[1:] / len(sure)).tolist()}
    accuracy = float(right[sure].mean()) if sure.any() else None
    return {"share": float(sure.mean()), "accuracy": accuracy, "min_probability": promise.least, **levels}


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
