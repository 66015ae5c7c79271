"""Measures a model of very many labels for a report, in blocks of rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from textcnn.evaluation.calibration import probabilities
from textcnn.evaluation.intervals import score_intervals
from textcnn.evaluation.metrics import (
    BLOCK_PROBABILITIES,
    OTHERS,
    SMALLEST,
    Best,
    Confusion,
    bins_of,
    confusion,
    score_best,
)
from textcnn.evaluation.promises import answered_from
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import Examples
from textcnn.report.content import Mistake
from textcnn.tokenization.pipeline import EncodedTexts

CONFUSED = 15  # labels of the confusion matrix, next to all others together


def measures_of_many(
    predictor: Predictor, examples: Examples, encoded: EncodedTexts, *, most: int, shares: list[float]
) -> dict[str, Any]:
    """Return what :class:`textcnn.report.content.Measured` says of answers, without curves of labels.

    Args:
        predictor: a single-label model.
        examples: the N rows.
        encoded: their texts.
        most: errors to list.
        shares: shares of the rows of which the accuracy is drawn.
    """
    labels, truth = predictor.labels, examples.labels
    best, raw, own = _answers(predictor, encoded, labels.encode(truth))
    given, right = [(labels.names[place],) for place in best.labels.tolist()], best.correct(truth, labels)
    success = right.astype(float)
    return {
        "scores": score_best(truth, best, labels),
        "intervals": score_intervals(truth, given, labels),
        "confusion": _confusions(truth, given),
        "curves": {},
        "before": bins_of(raw, success),
        "after": bins_of(best.confidence, success),
        "answered": answered_from(best.confidence, right, shares),
        "log_loss": float(-np.log(np.maximum(own, SMALLEST)).mean()),
        "mistakes": _mistakes(examples, best, own, labels, most),
        "num_mistakes": int((~right).sum()),
    }


def _answers(predictor: Predictor, encoded: EncodedTexts, targets: Any) -> tuple[Best, Any, Any]:
    """Return the best labels, the largest probabilities before calibration, and those of the true labels."""
    num_rows, labels = len(targets), predictor.labels
    places, confidence, raw, own = np.zeros(num_rows, np.int64), *np.zeros((3, num_rows))
    size = max(BLOCK_PROBABILITIES // len(labels), 1)
    for start in range(0, num_rows, size):
        rows = np.arange(start, min(start + size, num_rows))
        logits = predictor.logits(encoded.rows(rows))
        raw[rows] = probabilities(logits, labels).max(axis=1)
        probs = probabilities(logits, labels, predictor.temperature)
        places[rows], confidence[rows] = probs.argmax(axis=1), probs.max(axis=1)
        own[rows] = np.where(targets[rows] >= 0, probs[np.arange(len(rows)), targets[rows]], 0)
    return Best(places, confidence), raw, own


def _mistakes(examples: Examples, best: Best, own: Any, labels: Labels, most: int) -> list[Mistake]:
    """Return the worst errors, as :func:`textcnn.report.content.worst_errors` ranks them."""
    targets = labels.encode(examples.labels)
    wrong = np.flatnonzero(targets != best.labels)
    gaps = np.where(targets[wrong] >= 0, np.maximum(1 - own[wrong], best.confidence[wrong]), best.confidence[wrong] - 1)
    found = []
    for row in wrong[np.argsort(-gaps, kind="stable")[:most]].tolist():
        name, truth = labels.names[best.labels[row]], tuple(examples.labels[row])
        shown = {truth[0]: float(own[row])} if targets[row] >= 0 else {}
        found.append(Mistake(row + 1, examples.texts[row], truth, (name,), shown | {name: float(best.confidence[row])}))
    return found


def _confusions(truth: Any, given: list[tuple[str]]) -> Confusion:
    """Return the confusion matrix of the labels that are confused most, and of all others together."""
    pairs = Counter((wanted[0], found[0]) for wanted, found in zip(truth, given, strict=True) if wanted[0] != found[0])
    often = Counter(name for pair, count in pairs.items() for name in pair for _ in range(count))
    kept = {name for name, _ in sorted(often.items(), key=lambda item: (-item[1], item[0]))[:CONFUSED]}
    names = {name for row in (*truth, *given) for name in row}
    of_kept = [[(row[0] if row[0] in kept else OTHERS,) for row in rows] for rows in (truth, given)]
    found = confusion(of_kept[0], of_kept[1], Labels((*sorted(kept), OTHERS)))
    ranked = sorted(((*pair, count) for pair, count in pairs.items()), key=lambda entry: (-entry[2], entry[:2]))
    return Confusion(found.names, found.counts, len(names - kept), tuple(ranked[:100]))
