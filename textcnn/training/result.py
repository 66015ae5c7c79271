"""Results of training: evaluated rows, the fit, and what was calibrated on dev rows; without torch."""

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
    """Rows of one split: encoded inputs, true labels, and optional weights in the loss."""

    encoded: Encoded
    truth: Sequence[tuple[str, ...]]
    weights: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Learned:
    """The result of a fit, with what was calibrated on the dev rows.

    Attributes:
        fit: history and times.
        epochs: passes that were planned.
        temperature: 1 without dev rows.
        thresholds: ``(C,)``; 0.5 without dev rows.
        calibration: ECE on the dev rows before and after the temperature, or empty.
        dev: metrics on the dev rows, or none.
        road: the backend that trained, and why.
    """

    fit: Fit
    epochs: int
    temperature: float = 1.0
    thresholds: list[float] = field(default_factory=list)
    calibration: dict[str, float] = field(default_factory=dict)
    dev: dict[str, Any] | None = None
    road: Road = BY_TORCH


def calibrated(learned: Learned, logits: Logits, dev: Part[Any] | None, labels: Labels) -> Learned:
    """Fit temperature and thresholds, and compute metrics, on the dev rows; without dev rows nothing changes.

    Args:
        learned: result of the fit.
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
    """Compute metrics of rows at the temperature and thresholds fitted on the dev rows."""
    probs = probabilities(logits(part.encoded), labels, learned.temperature)
    return score(part.truth, probs, labels, learned.thresholds)
