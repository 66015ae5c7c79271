"""Results of training: evaluated rows, the fit, and the calibration on rows that were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from textcnn.config import TEACHER_WEIGHT
from textcnn.evaluation.branch_weights import fit_weights
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD, Floats, fit_thresholds, probabilities
from textcnn.evaluation.metrics import Best, calibration_error, log_loss, score, score_best
from textcnn.evaluation.numbers import branch_shares
from textcnn.evaluation.promises import HeldOutAnswers
from textcnn.evaluation.strangers import in_two, label_likeness, statistics
from textcnn.grades import Grades
from textcnn.labels import MANY_LABELS, Labels
from textcnn.reading.soft_labels import SoftLabels
from textcnn.training.core_trainer import BY_TORCH, Road
from textcnn.training.loop import Fit

Encoded = TypeVar("Encoded")
Branches = Callable[[Any], list[npt.NDArray[np.floating]]]  # encoded rows to the logits (N, C) of each branch
NAMES = ("network", "n-grams", "characters")  # of the branches
MOST_LOGITS = 10_000_000  # of the rows that calibrate: fitting needs some 40 bytes for each
PRIOR_STRENGTH = 300.0  # of the ratio of the branches, see docs/log.md: fewer rows would not know better
LEAST_GAIN = 0.002  # share of the log loss by which the branch of characters must lower it, see docs/log.md


def calibrating_rows(num_rows: int, num_labels: int) -> npt.NDArray[np.int64]:
    """Return the numbers of the rows that calibrate a model: all, or evenly as many as have :data:`MOST_LOGITS`."""
    most = max(min(num_rows, MOST_LOGITS // num_labels), 1)
    return np.unique(np.linspace(0, max(num_rows - 1, 0), min(most, num_rows)).astype(np.int64))


def teacher_weight(given: float | None) -> float:
    """Return what the probabilities of a row with a label count in its target: the setting, or its default."""
    return TEACHER_WEIGHT if given is None else given


@dataclass(frozen=True)
class Part(Generic[Encoded]):
    """Rows of one split: encoded inputs, true labels, and optional weights in the loss and distributions of labels."""

    encoded: Encoded
    truth: Sequence[tuple[str, ...]]
    weights: npt.NDArray[np.float64] | None = None
    soft: SoftLabels | None = None

    def subset(self, rows: npt.NDArray[np.int64]) -> Part[Any]:
        """Return some rows, by their numbers, to be measured: without weights and distributions."""
        encoded: Any = self.encoded
        return Part(
            encoded.rows(rows) if hasattr(encoded, "rows") else encoded[rows],
            [self.truth[row] for row in rows.tolist()],
        )

    def targets(self, labels: Labels, weight: float | None) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
        """Return what the rows are trained towards: label ids ``(N,)``, or ``(N, C)`` shares of the labels."""
        if self.soft is None:
            return labels.encode(self.truth)
        return self.soft.targets(self.truth, labels, teacher_weight(weight))


@dataclass(frozen=True)
class Learned:
    """The result of a fit.

    Attributes:
        fit: history and times.
        epochs: passes that were planned.
        road: the backend that trained, and why.
    """

    fit: Fit
    epochs: int
    road: Road = BY_TORCH


@dataclass(frozen=True)
class Calibration:
    """How the logits of a model's branches become probabilities and labels.

    Attributes:
        temperature: the temperature that logits are divided by.
        scale: the factor of the n-gram branch's logits in the sum.
        character_scale: the factor of the logits of the branch of characters; none: there is no such branch.
        thresholds: ``(C,)``, the probability from which each label is assigned (multi-label).
        facts: for training.json: the weights of the branches, the number of rows that they were fitted on, and ECE and
            log loss on these rows before and after; empty: not calibrated.
        held_out: the answers to these rows (single-label).
        residuals: ``(M, K)``, the sizes of the errors on these rows (regression).
        grades: the grades of an ordered scale, fitted to these rows.
        epochs: the number of epochs for which these rows have decided; none: the setting stands.
    """

    temperature: float
    scale: float
    thresholds: list[float]
    facts: dict[str, Any] = field(default_factory=dict)
    held_out: HeldOutAnswers | None = None
    character_scale: float | None = None
    residuals: Floats | None = None
    grades: Grades | None = None
    epochs: int | None = None

    @property
    def scales(self) -> tuple[float, ...]:
        """The factors of the branches after the first."""
        return (self.scale,) if self.character_scale is None else (self.scale, self.character_scale)

    def probabilities(self, branches: Sequence[npt.NDArray[np.floating]], labels: Labels) -> Floats:
        """Return the probabilities ``(N, C)`` that the logits of the branches lead to."""
        return probabilities(weighted(branches, *self.scales), labels, self.temperature)

    def describe(self) -> str:
        """Describe the weights of the branches, and what they changed, in one line."""
        facts = self.facts
        if "mae_after" in facts:
            sum_of = " + ".join(f"{weight:.2f} x {name}" for name, weight in facts["weights"].items())
            return (
                f"fitted on {facts['rows']:,} rows: standardized score = {sum_of}; MAE {facts['mae_before']:.4g} -> "
                f"{facts['mae_after']:.4g}, R2 {facts['r2_before']:.3f} -> {facts['r2_after']:.3f}"
            )
        logits = " + ".join(f"{weight:.2f} x {name}" for name, weight in facts["weights"].items())
        return (
            f"calibrated on {facts['rows']:,} rows: logits = {logits}; ECE {facts['ece_before']:.3f} -> "
            f"{facts['ece_after']:.3f}, log loss {facts['log_loss_before']:.3f} -> {facts['log_loss_after']:.3f}"
        )

    def score(self, branches: Branches, part: Part[Any], labels: Labels) -> dict[str, Any]:
        """Compute the metrics of rows, those of very many labels in blocks."""
        if len(labels) > MANY_LABELS and not labels.multi_label:
            best = Best.of(
                lambda rows: self.probabilities(branches(part.encoded.rows(rows)), labels), len(part.truth), len(labels)
            )
            return score_best(part.truth, best, labels)
        return score(part.truth, self.probabilities(branches(part.encoded), labels), labels, self.thresholds)


def uncalibrated(
    scale: float, labels: Labels, character_scale: float | None = None, *, has_wide: bool = True
) -> Calibration:
    """Return temperature 1, thresholds 0.5 and the given factors of the branches.

    In regression, where each branch predicts the whole number, their mean weighted by the factors.
    """
    total = 1 + scale * has_wide + (character_scale or 0.0) if labels.targets else 1.0
    return Calibration(total, scale, [DEFAULT_THRESHOLD] * len(labels), character_scale=character_scale)


def with_thresholds(
    calibration: Calibration,
    branches: Sequence[npt.NDArray[np.floating]],
    truth: Sequence[tuple[str, ...]],
    labels: Labels,
) -> Calibration:
    """Return the calibration with thresholds fitted to these rows, if labels have thresholds (multi-label)."""
    if not labels.multi_label:
        return calibration
    return replace(calibration, thresholds=fit_thresholds(calibration.probabilities(branches, labels), truth, labels))


def weighted(branches: Sequence[npt.NDArray[np.floating]], *scales: float) -> npt.NDArray[np.floating]:
    """Return the sum of the branches' logits ``(N, C)``, those after the first multiplied by their ``scales``."""
    total = branches[0]
    for scale, branch in zip(scales, branches[1:], strict=False):
        total = total + np.float32(scale) * branch
    return total


def fit_calibration(
    branches: Sequence[npt.NDArray[np.floating]],
    truth: Sequence[tuple[str, ...]],
    labels: Labels,
    scale: float,
    *,
    kind: str,
    fits_scale: bool,
    character_scale: float | None = None,
    counts: npt.NDArray[np.int64] | None = None,
) -> Calibration | None:
    """Fit temperature, factors of the branches and thresholds to rows that the branches were not trained on.

    A third branch, of characters, is left out if it does not lower the log loss by the share :data:`LEAST_GAIN`. None
    if the model knows the label of no row.

    Args:
        branches: the logits ``(N, C)`` of each branch; -inf in the first: the model does not know the label.
        truth: the true labels of the rows.
        labels: the labels of the columns.
        scale: the factor of the n-gram branch before, towards which few rows are shrunk.
        kind: what rows these are, for the facts: ``split``, ``folds``, ``dev`` or ``rows``.
        fits_scale: whether the factor is fitted too, and not the temperature alone; multi-label it is not, since rare
            labels lose by it (docs/log.md).
        character_scale: the factor of the branch of characters before; it then stays. None: it is on trial.
        counts: ``(N, 3)``, the counts of the texts (:meth:`TextPipeline.counts`); none: images.
    """
    if labels.targets:
        before = uncalibrated(scale, labels, character_scale, has_wide=len(branches) > 1)
        return _fitted_numbers(branches, truth, labels, before, kind, fits_scale) if len(truth) else None
    if not labels.multi_label:  # rows of labels that the model does not know say nothing
        targets = labels.encode(truth)
        known = np.flatnonzero((targets >= 0) & ~np.isneginf(branches[0][np.arange(len(targets)), targets]))
        branches, truth = [branch[known] for branch in branches], [truth[row] for row in known.tolist()]
        counts = None if counts is None else counts[known]
    if not len(truth):
        return None
    before = uncalibrated(scale, labels, character_scale)
    fits_scale = fits_scale and not labels.multi_label
    after = _fitted(branches[:2], truth, labels, before, fits_scale=fits_scale)
    gain = None
    if len(branches) > 2:
        with_characters = _fitted(branches, truth, labels, before, fits_scale=fits_scale)
        losses = [log_loss(truth, each.probabilities(branches, labels), labels) for each in (after, with_characters)]
        gain = 1 - losses[1] / max(losses[0], 1e-12)
        if character_scale is not None or gain >= LEAST_GAIN:
            after = with_characters
    after = with_thresholds(after, branches, truth, labels)
    weights = (1 / after.temperature, *(scale / after.temperature for scale in after.scales))
    named = dict(zip(NAMES[: len(branches)], weights, strict=False))
    facts: dict[str, Any] = {"kind": kind, "rows": len(truth), "weights": named}
    if gain is not None:
        facts["gain_of_characters"] = gain
    for name, state in {"before": before, "after": after}.items():
        probs = state.probabilities(branches, labels)
        facts[f"ece_{name}"] = calibration_error(truth, probs, labels)
        facts[f"log_loss_{name}"] = log_loss(truth, probs, labels)
    probs = after.probabilities(branches, labels)
    held_out = None if labels.multi_label else HeldOutAnswers.of(probs, truth, labels)
    if held_out is not None and counts is not None:
        parts = in_two([weight * branch for weight, branch in zip(weights, branches, strict=False)])
        likeness = label_likeness(parts[0])
        held_out = replace(held_out, statistics=statistics(parts, counts, likeness), likeness=likeness)
    return replace(after, facts=facts, held_out=held_out)


def _fitted_numbers(
    branches: Sequence[npt.NDArray[np.floating]],
    truth: Sequence[tuple[str, ...]],
    labels: Labels,
    before: Calibration,
    kind: str,
    fits_scale: bool,
) -> Calibration:
    """Fit the weights of the branches to numbers, as :func:`fit_calibration` does to labels."""
    targets = labels.encode(truth)
    fits_scale = fits_scale and len(branches) > 1 and before.scale > 0

    def weights_of(count: int) -> list[float]:
        parts = list(branches[:2]) if fits_scale else [weighted(branches[:2], before.scale)]
        main, *others = branch_shares([*parts, *branches[2:count]], targets).tolist()
        own = [] if len(branches) < 2 else [others.pop(0) if fits_scale else main * before.scale]
        return [main, *own, *others]

    def squares_of(weights: Sequence[float]) -> float:
        parts = [weight * branch for weight, branch in zip(weights, branches, strict=False)]
        return float(np.square(np.sum(parts, axis=0) - targets).mean())

    weights, gain = weights_of(2), None
    if len(branches) > 2:
        with_characters = weights_of(3)
        gain = 1 - squares_of(with_characters) / max(squares_of(weights), 1e-12)
        weights = with_characters if before.character_scale is not None or gain >= LEAST_GAIN else weights
    factors = [weight / weights[0] for weight in weights[1:]]
    after = replace(
        before,
        temperature=1 / weights[0],
        scale=factors[0] if factors else before.scale,
        character_scale=factors[1] if len(factors) > 1 else None,
    )
    facts: dict[str, Any] = {"kind": kind, "rows": len(truth), "weights": dict(zip(NAMES, weights, strict=False))}
    if gain is not None:
        facts["gain_of_characters"] = gain
    for name, state in {"before": before, "after": after}.items():
        found = score(truth, state.probabilities(branches, labels), labels, state.thresholds)
        facts |= {f"mae_{name}": found["mae"], f"r2_{name}": found["r2"]}
    predicted, numbers = after.probabilities(branches, labels), labels.numbers(truth)
    grades = labels.grades
    if grades is not None:
        grades = grades.fitted(predicted[:, 0], grades.numbers(numbers[:, 0]))
    return replace(after, facts=facts, residuals=np.abs(predicted - numbers), grades=grades)


def _fitted(
    branches: Sequence[npt.NDArray[np.floating]],
    truth: Sequence[tuple[str, ...]],
    labels: Labels,
    before: Calibration,
    *,
    fits_scale: bool,
) -> Calibration:
    """Return the temperature and the factors of these branches with the least log loss."""
    scale, characters = before.scale, list(branches[2:])
    fits_scale = fits_scale and len(branches) > 1 and scale > 0
    parts = list(branches[:2]) if fits_scale else [weighted(branches[:2], scale)]
    prior = [1.0, scale][: len(parts)] + [before.character_scale or 0.0 for _ in characters]
    main, *others = fit_weights([*parts, *characters], truth, labels, prior=prior, strength=PRIOR_STRENGTH)
    if fits_scale:
        scale = others.pop(0) / main
    return replace(before, temperature=1 / main, scale=scale, character_scale=others[0] / main if others else None)
