"""What comes of training: rows, how the fit went, and what dev rows decide afterwards; without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.calibration import fit_temperature, fit_thresholds, probabilities
from textcnn.evaluation.metrics import calibration_error, score
from textcnn.labels import Labels
from textcnn.training.core_trainer import BY_TORCH, Road
from textcnn.training.loop import Fit

Encoded = TypeVar("Encoded")
Logits = Callable[[Any], npt.NDArray[np.floating]]  # encoded rows to their logits (N, C)


@dataclass(frozen=True)
class Part(Generic[Encoded]):
    """Rows of one split: encoded inputs, the true labels of each row, and how much it counts in the loss, if told."""

    encoded: Encoded
    truth: Sequence[tuple[str, ...]]
    weights: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Learned:
    """What the dev rows have decided, and how the fit went.

    Attributes:
        fit: history and times.
        epochs: passes that were planned.
        temperature: 1 without dev rows.
        thresholds: ``(C,)``; 0.5 without dev rows.
        calibration: ECE on the dev rows before and after the temperature, or empty.
        dev: metrics on the dev rows, or none.
        road: what the steps ran on, and why.
    """

    fit: Fit
    epochs: int
    temperature: float = 1.0
    thresholds: list[float] = field(default_factory=list)
    calibration: dict[str, float] = field(default_factory=dict)
    dev: dict[str, Any] | None = None
    road: Road = BY_TORCH


def calibrated(learned: Learned, logits: Logits, dev: Part[Any] | None, labels: Labels) -> Learned:
    """Take temperature, thresholds and metrics from the dev rows; without them nothing is taken.

    Args:
        learned: how the fit went.
        logits: encoded rows to the model's logits ``(N, C)``.
        dev: the rows.
        labels: of the columns.
    """
    if dev is None:
        return learned
    found, truth = logits(dev.encoded), dev.truth
    temperature = fit_temperature(found, truth, labels)
    before, after = probabilities(found, labels), probabilities(found, labels, temperature)
    thresholds = fit_thresholds(after, truth, labels) if labels.multi_label else learned.thresholds
    calibration = {
        "ece_before": calibration_error(truth, before, labels),
        "ece_after": calibration_error(truth, after, labels),
    }
    scores = score(truth, after, labels, thresholds)
    return replace(learned, temperature=temperature, thresholds=thresholds, calibration=calibration, dev=scores)


def measured(learned: Learned, logits: Logits, part: Part[Any], labels: Labels) -> dict[str, Any]:
    """Metrics on rows, at the temperature and thresholds that the dev rows decided."""
    probs = probabilities(logits(part.encoded), labels, learned.temperature)
    return score(part.truth, probs, labels, learned.thresholds)
