"""Metrics of predictions: accuracy, F1, calibration error, confusion, precision and recall."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.calibration import Floats, decide
from textcnn.evaluation.hierarchy import hierarchy_scores
from textcnn.evaluation.numbers import number_scores
from textcnn.grades import grade_scores
from textcnn.labels import Labels

BLOCK_PROBABILITIES = 4_000_000  # computed at once where only the best of each row is wanted
BINS = 15  # as in Guo et al. 2017 (arXiv 1706.04599)
SMALLEST = float(np.finfo(np.float64).eps)  # the least probability in a log loss, which stays finite


def score(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels, thresholds: Sequence[float]) -> dict[str, Any]:
    """Compute the metrics of predictions for N rows.

    Args:
        truth: the true labels of each row; one unseen in training counts as wrong and has its own line.
        probs: ``(N, C)``.
        labels: the labels of the columns.
        thresholds: ``(C,)``, used for multi-label.

    Returns:
        n, accuracy (multi-label: all labels of a row right), macro_f1, micro_f1, ece, and per_label: a dictionary of
        precision, recall, f1 and support for each label. Without rows the numbers are none. Of labels of a tree also
        hierarchy: :func:`textcnn.evaluation.hierarchy.hierarchy_scores`. In regression: those of
        :func:`textcnn.evaluation.numbers.number_scores`.
    """
    if labels.targets:
        found = number_scores(labels.numbers(truth), probs, labels.names)
        if labels.grades is None:
            return found
        wanted = labels.grades.numbers(labels.numbers(truth)[:, 0])
        given = labels.grades.probabilities(probs[:, 0]).argmax(axis=1)
        return found | grade_scores(wanted, given, len(labels.grades.names))
    if not len(truth):
        return _scores(truth, [], None, labels)
    return _scores(truth, decide(probs, labels, thresholds), calibration_error(truth, probs, labels), labels)


def score_best(truth: Sequence[Sequence[str]], best: Best, labels: Labels) -> dict[str, Any]:
    """Compute the metrics of single-label answers, as :func:`score` does, from the most probable labels alone."""
    given = [(labels.names[place],) for place in best.labels.tolist()]
    success = best.correct(truth, labels).astype(float)
    ece = bins_of(best.confidence, success).error if len(truth) else None
    return _scores(truth, given, ece, labels)


@dataclass(frozen=True)
class Best:
    """The most probable label of each of N rows.

    Attributes:
        labels: ``(N,)``, its number.
        confidence: ``(N,)``, its probability.
    """

    labels: npt.NDArray[np.int64]
    confidence: Floats

    @classmethod
    def of(cls, probabilities: Callable[[npt.NDArray[np.int64]], Floats], num_rows: int, num_labels: int) -> Best:
        """Find them block by block; ``probabilities`` returns those ``(B, C)`` of rows by their numbers."""
        size = max(BLOCK_PROBABILITIES // num_labels, 1)
        places, confidence = np.zeros(num_rows, np.int64), np.zeros(num_rows)
        for start in range(0, num_rows, size):
            rows = np.arange(start, min(start + size, num_rows))
            probs = probabilities(rows)
            places[rows], confidence[rows] = probs.argmax(axis=1), probs.max(axis=1)
        return cls(places, confidence)

    def correct(self, truth: Sequence[Sequence[str]], labels: Labels) -> npt.NDArray[np.bool_]:
        """Return which rows ``(N,)`` have this label."""
        return np.asarray(labels.encode(truth) == self.labels)


def _scores(
    truth: Sequence[Sequence[str]], answers: Sequence[Sequence[str]], ece: float | None, labels: Labels
) -> dict[str, Any]:
    if not len(truth):
        return {"n": 0, "accuracy": None, "macro_f1": None, "micro_f1": None, "ece": None, "per_label": {}}
    names = [*labels.names, *sorted({name for row in truth for name in row} - set(labels.names))]
    wanted, given = _pairs(truth, names), _pairs(answers, names)
    hits = np.intersect1d(wanted, given, assume_unique=True)
    # A row is right where its labels, those given and those that are both are equally many.
    per_row = [np.bincount(pairs // len(names), minlength=len(truth)) for pairs in (wanted, given, hits)]
    right = (per_row[0] == per_row[2]) & (per_row[1] == per_row[2])
    support, num_given, num_hits = (
        np.bincount(pairs % len(names), minlength=len(names)) for pairs in (wanted, given, hits)
    )
    # Averages are over the labels that occur, as scikit-learn has them; multi-label over all.
    occurring = np.flatnonzero(support + num_given) if not labels.multi_label else np.arange(len(names))
    support, num_given, num_hits = support[occurring], num_given[occurring], num_hits[occurring]
    precision, recall = _ratio(num_hits, num_given), _ratio(num_hits, support)
    f1 = _ratio(2 * num_hits, support + num_given)
    per_label = {
        names[i]: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for i, p, r, f, s in zip(occurring, precision, recall, f1, support, strict=True)
    }
    return {
        "n": len(truth),
        "accuracy": float(right.mean()),
        "macro_f1": float(f1.mean()),
        "micro_f1": float(_ratio(2 * len(hits), len(wanted) + len(given))),
        "ece": ece,
        "per_label": per_label,
        **({} if labels.tree is None else {"hierarchy": hierarchy_scores(truth, answers, labels.tree)}),
    }


def _pairs(rows: Sequence[Sequence[str]], names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return ``row * len(names) + label`` for every label of every row, unique and ascending."""
    index = {name: i for i, name in enumerate(names)}
    found = [number * len(names) + index[name] for number, row in enumerate(rows) for name in row]
    return np.unique(np.array(found, np.int64))


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Divide, giving 0 where the denominator is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)


@dataclass(frozen=True)
class CalibrationBins:
    """Decisions in 15 equal bins of confidence, the data of a reliability diagram.

    Attributes:
        counts: ``(15,)``, decisions in each.
        confidence: ``(15,)``, the sum of their probabilities.
        success: ``(15,)``, how many were right.
    """

    counts: Floats
    confidence: Floats
    success: Floats

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017): mean gap between confidence and accuracy."""
        return float(np.abs(self.confidence - self.success).sum() / self.counts.sum())


def calibration_bins(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels) -> CalibrationBins:
    """Assign every decision to the bin of its confidence.

    Single-label: the confidence is that of the label given; multi-label: every label of every row counts.
    """
    if labels.multi_label:
        confidence = probs.ravel()
        success = labels.encode(truth).ravel().astype(float)
    else:
        best = probs.argmax(axis=1)
        confidence = probs[np.arange(len(probs)), best]
        success = np.array([labels.names[i] in row for i, row in zip(best, truth, strict=True)], float)
    return bins_of(confidence, success)


def bins_of(confidence: Floats, success: Floats) -> CalibrationBins:
    """Assign decisions ``(N,)`` of that confidence, right (1) or wrong (0), to bins."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(bins, weights=values, minlength=BINS), np.float64)

    return CalibrationBins(total(np.ones_like(confidence)), total(confidence), total(success))


def calibration_error(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels) -> float:
    """Return the expected calibration error over 15 equal bins (Guo et al. 2017)."""
    return calibration_bins(truth, probs, labels).error


def log_loss(truth: Sequence[Sequence[str]], probs: Floats, labels: Labels) -> float:
    """Return the mean of ``-ln p`` over N rows, with p the probability of the true label.

    Multi-label: the mean over every label of every row, with p the probability that the row has the label, or lacks
    it. A probability below :data:`SMALLEST`, and that of a label unseen in training, counts as :data:`SMALLEST`.
    """
    targets = labels.encode(truth)
    if not len(targets):
        return 0.0
    if labels.multi_label:
        of_truth = np.where(targets > 0, probs, 1 - probs)
    else:
        of_truth = np.where(targets >= 0, probs[np.arange(len(probs)), targets], 0.0)
    return float(-np.log(np.maximum(of_truth, SMALLEST)).mean())


OTHERS = "(others)"


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes:
        names: labels of rows and columns.
        counts: ``(L, L)``. Single-label: rows with the true label of the line and the label given of the column.
            Multi-label: on the diagonal, rows whose label was given rightly; elsewhere, rows that lack the label of the
            line and were given that of the column wrongly.
        folded: number of labels merged in the last row and column, called ``(others)``; 0: all are separate.
        ranked: the most frequent confusions of separate labels, where some are merged from the start; none: see
            ``counts``.
    """

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    folded: int = 0
    ranked: tuple[tuple[str, str, int], ...] | None = None

    def pairs(self, most: int) -> list[tuple[str, str, int]]:
        """Return the most frequent confusions: true label, given label, count."""
        if self.ranked is not None:
            return list(self.ranked[:most])
        off = self.counts.copy()
        np.fill_diagonal(off, 0)
        order = np.argsort(-off, axis=None, kind="stable")[:most]
        places = zip(*np.unravel_index(order, off.shape), strict=True)
        return [(self.names[i], self.names[j], int(off[i, j])) for i, j in places if off[i, j]]

    def folded_to(self, most: int) -> Confusion:
        """Keep the ``most - 1`` labels with the most confusions, and merge the others under a unique name."""
        if len(self.names) <= most:
            return self
        off = self.counts.sum(axis=0) + self.counts.sum(axis=1) - 2 * np.diag(self.counts)
        kept = np.sort(np.argsort(-off, kind="stable")[: most - 1])
        group = np.full(len(self.names), most - 1)
        group[kept] = np.arange(most - 1)
        counts = np.zeros((most, most), np.int64)
        np.add.at(counts, (group[:, None], group[None, :]), self.counts)
        return Confusion((*(self.names[i] for i in kept), OTHERS), counts, len(self.names) - most + 1)


def confusion(truth: Sequence[Sequence[str]], given: Sequence[Sequence[str]], labels: Labels) -> Confusion:
    """Compute the confusion matrix; labels unseen in training have a row too."""
    names = [*labels.names, *sorted({name for row in truth for name in row} - set(labels.names))]
    index = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for wanted, found in zip(map(set, truth), map(set, given), strict=True):
        for name in wanted & found:
            counts[index[name], index[name]] += 1
        for missed in wanted - found:
            for wrong in found - wanted:
                counts[index[missed], index[wrong]] += 1
    return Confusion(tuple(names), counts)


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision-recall curve of one label.

    Attributes:
        precision: ``(P,)``.
        recall: ``(P,)``, falling.
        average: area under the steps (average precision).
    """

    precision: Floats
    recall: Floats
    average: float


def precision_recall(
    truth: Sequence[Sequence[str]], probs: Floats, labels: Labels, *, points: int = 200
) -> dict[str, PrecisionRecall]:
    """Return the curves of the labels with both positive and negative rows, by scikit-learn.

    Args:
        truth: the true labels of each row.
        probs: ``(N, C)``.
        labels: the labels of the columns.
        points: a longer curve is thinned to about as many, evenly along it.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = {}
    for column, name in enumerate(labels.names):
        positive = np.array([name in row for row in truth])
        if not positive.any() or positive.all():
            continue
        precision, recall, _ = precision_recall_curve(positive, probs[:, column])
        kept = np.unique(np.linspace(0, len(recall) - 1, min(points, len(recall))).round().astype(int))
        average = float(average_precision_score(positive, probs[:, column]))
        curves[name] = PrecisionRecall(precision[kept], recall[kept], average)
    return curves
