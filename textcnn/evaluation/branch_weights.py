"""Fits the weights of a model's branches, and with them its temperature, to rows that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.labels import Labels

Floats = npt.NDArray[np.float64]
Logits = npt.NDArray[np.floating]

COLDEST, HOTTEST = 0.05, 20.0  # bounds of the temperature, the inverse of the first weight
NEAR, TOLERANCE, MOST_STEPS = 1e-7, 1e-5, 60
FLAT = 1e-12  # curvature that is added, as a share of the slope: where there is none, a step leads to the bound
FARTHEST = 2_000.0  # a logit this far below the largest has no share at any temperature: exp(-2000 / 20) is 1e-44
BLOCK = 2**17  # numbers handled at once


def fit_temperature(logits: Logits, truth: Sequence[Sequence[str]], labels: Labels) -> float:
    """Fit the temperature, between 0.05 and 20, with the least log loss on dev rows (Guo et al. 2017, 1706.04599).

    Rows whose labels were all unseen in training are left out; without rows the answer is 1.
    """
    return 1 / fit_weights([logits], truth, labels)[0]


def fit_weights(
    branches: Sequence[Logits],
    truth: Sequence[Sequence[str]],
    labels: Labels,
    *,
    prior: Sequence[float] = (1.0,),
    strength: float = 0.0,
) -> list[float]:
    """Fit the weight of each branch in the logits ``sum of weight * branch``, with the least log loss.

    The weight of the first branch is between 1/20 and 20, that of the others between 0 and 20. The loss is convex in
    the weights, so projected Newton steps find its minimum.

    Args:
        branches: logits ``(N, C)`` of each branch, on rows that it was not trained on. -inf in the first branch: the
            model does not know the label, and the entry does not count.
        truth: the true labels of the rows; a row whose label the model does not know does not count.
        labels: the labels of the columns.
        prior: the weights that the search starts from; few rows are shrunk towards their ratios, but not where it is 0.
        strength: how much the ratios count against the rows: half of ``strength * (ratio of the weights to the prior,
            less that of the first branch) ** 2`` is added to the loss.
    """
    loss_at = _Loss(branches, labels.encode(truth), labels.multi_label, np.asarray(prior, np.float64), strength)
    low, high = np.zeros(len(branches)), 1 / COLDEST
    low[0] = 1 / HOTTEST
    weights = np.clip(np.asarray(prior, np.float64), low, high)
    here = loss_at(weights)
    for _ in range(MOST_STEPS):
        # A weight next to its bound that the loss pushes outwards is put there, and does not shorten the others' step.
        is_least, is_most = (weights <= low + NEAR) & (here[1] > 0), (weights >= high - NEAR) & (here[1] < 0)
        free, before = ~(is_least | is_most), weights
        weights = np.where(is_least, low, np.where(is_most, high, weights))
        loss, slope, curvature = here = here if np.array_equal(weights, before) else loss_at(weights)
        step = _newton_step(slope, curvature, free)
        # Where the others pull a weight next to its bound outwards, it stays for now, so that they can move.
        while (blocked := ((weights <= low + NEAR) & (step < 0)) | ((weights >= high - NEAR) & (step > 0))).any():
            free &= ~blocked
            step = _newton_step(slope, curvature, free)
        if not free.any():
            break
        room = np.where(step > 0, high - weights, weights - low) / np.maximum(np.abs(step), 1e-300)
        step *= min(1.0, float(room[free].min()))  # up to the first bound, in the same direction
        before = weights
        weights, here = _search(loss_at, weights, here, step, low, high)
        if loss - here[0] <= TOLERANCE**2 * loss or np.abs(weights - before).max() < TOLERANCE * weights.max():
            break
    return [float(weight) for weight in weights]


def _newton_step(slope: Floats, curvature: Floats, free: npt.NDArray[np.bool_]) -> Floats:
    """Return the step to the minimum of the quadratic model over the free weights; the others stay."""
    step, flat = np.zeros(len(slope)), FLAT * np.abs(slope).max() * np.eye(int(free.sum()))
    step[free] = -np.linalg.lstsq(curvature[np.ix_(free, free)] + flat, slope[free], rcond=None)[0]
    return step


Point = tuple[float, Floats, Floats]  # loss, its slope (K,) and its curvature (K, K)


def _search(
    loss_at: _Loss, weights: Floats, here: Point, step: Floats, low: Floats, high: float
) -> tuple[Floats, Point]:
    """Return the best point along a step: one that is too long is halved, one that leads further down is doubled."""
    best, size = (weights, here), 1.0
    while size > 1e-6:
        tried = np.clip(weights + size * step, low, high)
        found = loss_at(tried)
        is_better = found[0] < best[1][0]
        if is_better:
            best = tried, found
        if size < 1 if is_better else size > 1:
            break
        size = 2 * size if is_better else size / 2
    return best


class _Loss:
    """The summed log loss as a function of the weights, with its first two derivatives."""

    def __init__(
        self,
        branches: Sequence[Logits],
        targets: npt.NDArray[Any],
        multi_label: bool,
        prior: Floats,
        strength: float,
    ) -> None:
        self._branches, self._targets = branches, targets
        self._of_rows = _multi_label_loss if multi_label else _single_label_loss
        self._prior, self._strength = prior, strength
        self._rows = np.arange(len(targets)) if multi_label else np.flatnonzero(targets >= 0)
        if not multi_label and len(self._rows):
            own = branches[0][self._rows, targets[self._rows]]
            self._rows = self._rows[~np.isneginf(own)]

    def __call__(self, weights: Floats) -> Point:
        loss, slope, curvature = self._of_prior(weights)
        for rows in self._blocks():
            parts = [branch[rows].astype(np.float64) for branch in self._branches]
            found = self._of_rows(parts, ~np.isneginf(parts[0]), self._targets[rows], weights)
            loss, slope, curvature = loss + found[0], slope + found[1], curvature + found[2]
        return loss, slope, curvature

    def _of_prior(self, weights: Floats) -> Point:
        size = len(weights)
        loss, slope, curvature = 0.0, np.zeros(size), np.zeros((size, size))
        for k in np.flatnonzero(self._prior[1:]) + 1:
            direction = np.zeros(size)
            direction[0], direction[k] = -1 / self._prior[0], 1 / self._prior[k]
            gap = float(direction @ weights)
            loss += self._strength * gap * gap / 2
            slope += self._strength * gap * direction
            curvature += self._strength * np.outer(direction, direction)
        return loss, slope, curvature

    def _blocks(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the numbers of so many rows that their logits fit into the processor's cache."""
        size = max(1, BLOCK // max(self._branches[0].shape[1], 1))
        return (self._rows[start : start + size] for start in range(0, len(self._rows), size))


def _single_label_loss(
    parts: list[Floats], known: npt.NDArray[np.bool_], targets: npt.NDArray[Any], weights: Floats
) -> Point:
    # A constant added to a row of logits changes nothing.
    parts = [np.maximum(z - z.max(axis=1, keepdims=True), -FARTHEST) for z in parts]
    together = np.where(known, sum(weight * z for weight, z in zip(weights, parts, strict=True)), -np.inf)
    together -= together.max(axis=1, keepdims=True)
    likely = np.exp(together)
    total = likely.sum(axis=1, keepdims=True)
    likely /= total
    own = np.arange(len(targets)), targets
    loss = float((np.log(total[:, 0]) - together[own]).sum())
    weighted = [likely * z for z in parts]
    means = np.stack([z.sum(axis=1) for z in weighted])
    slope = np.array([float((mean - z[own]).sum()) for mean, z in zip(means, parts, strict=True)])
    squares = np.array([[float(np.vdot(one, other)) for other in parts] for one in weighted])
    return loss, slope, squares - means @ means.T


def _multi_label_loss(
    parts: list[Floats], known: npt.NDArray[np.bool_], targets: npt.NDArray[Any], weights: Floats
) -> Point:
    parts = [np.where(known, np.clip(z, -FARTHEST, FARTHEST), 0) for z in parts]
    together = np.asarray(sum(weight * z for weight, z in zip(weights, parts, strict=True)))
    small = np.exp(-np.abs(together))
    likely = np.where(together >= 0, 1, small) / (1 + small)
    loss = np.log1p(small) + np.maximum(together, 0) - targets * together
    slope = np.array([float(np.vdot(z, likely - targets)) for z in parts])
    spread = likely * (1 - likely)
    curvature = np.array([[float(np.vdot(spread * one, other)) for other in parts] for one in parts])
    return float(loss[known].sum()), slope, curvature
