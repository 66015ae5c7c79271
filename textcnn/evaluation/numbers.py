"""Metrics of predicted numbers: errors and correlations, with bootstrap intervals; and the weights of branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NUMBER_METRICS = ("mae", "rmse", "r2", "pearson", "spearman")
RESAMPLES, CONFIDENCE = 1_000, 0.95
_CELLS = 4_000_000  # numbers drawn at once
LEAST_WEIGHT = 0.01  # of the network, by whose weight the others are divided
PRIOR_ROWS = 10.0  # rows that equal weights count as, when the weights of branches are fitted


def number_scores(truth: Floats, predicted: Floats, names: Sequence[str]) -> dict[str, Any]:
    """Compute the metrics of N predictions of K targets.

    Args:
        truth: ``(N, K)``.
        predicted: ``(N, K)``.
        names: the names of the targets.

    Returns:
        n, mae (mean absolute error), rmse (root mean square error), r2 (share of the variance that is explained),
        pearson and spearman (correlation of the numbers and of their ranks), each the mean over the targets; with
        several targets per_target too, by name. A metric that is not defined, as a correlation with a constant, is 0;
        without rows all are none.
    """
    if not len(truth):
        return {"n": 0, **dict.fromkeys(NUMBER_METRICS)}
    weights = np.ones((1, len(truth)))
    each = [_metrics(truth[:, k], predicted[:, k], weights) for k in range(len(names))]
    found = {name: float(np.mean([one[name][0] for one in each])) for name in NUMBER_METRICS}
    if len(names) == 1:
        return {"n": len(truth), **found}
    per_target = {
        name: {key: float(one[key][0]) for key in NUMBER_METRICS} for name, one in zip(names, each, strict=True)
    }
    return {"n": len(truth), **found, "per_target": per_target}


def number_intervals(truth: Floats, predicted: Floats, *, seed: int = 0) -> dict[str, list[float]]:
    """Return the 95 % interval of each metric by the percentile bootstrap over rows (Efron 1979).

    Args:
        truth: ``(N, K)``, one row at least.
        predicted: ``(N, K)``.
        seed: decides the samples.
    """
    random, num_rows = np.random.default_rng(seed), len(truth)
    size = max(1, _CELLS // num_rows)
    sampled: dict[str, list[Floats]] = {name: [] for name in NUMBER_METRICS}
    for done in range(0, RESAMPLES, size):
        drawn = random.multinomial(num_rows, np.full(num_rows, 1 / num_rows), size=min(size, RESAMPLES - done))
        each = [_metrics(truth[:, k], predicted[:, k], drawn.astype(np.float64)) for k in range(truth.shape[1])]
        for name in NUMBER_METRICS:
            sampled[name].append(np.mean([one[name] for one in each], axis=0))
    tail = (1 - CONFIDENCE) / 2
    return {name: np.quantile(np.concatenate(parts), [tail, 1 - tail]).tolist() for name, parts in sampled.items()}


def _metrics(truth: Floats, predicted: Floats, weights: Floats) -> dict[str, Floats]:
    """Compute the metrics ``(R,)`` of R samples, in which the rows occur ``weights (R, N)`` times."""
    error = predicted - truth
    total = weights.sum(axis=1)
    squared = weights @ np.square(error) / total
    variance = np.maximum(weights @ np.square(truth) / total - np.square(weights @ truth / total), 0)
    # Ranks of a sample are those among its rows: a row that occurs m times has the mean of m places.
    ranks = [_ranks(values, weights) for values in (truth, predicted)]
    return {
        "mae": weights @ np.abs(error) / total,
        "rmse": np.sqrt(squared),
        "r2": np.where(variance > 0, 1 - squared / np.where(variance > 0, variance, 1.0), 0.0),
        "pearson": _correlation(truth[None], predicted[None], weights),
        "spearman": _correlation(ranks[0], ranks[1], weights),
    }


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Return the mean rank ``(R, N)`` of each row in each sample; equal values share theirs."""
    known, places = np.unique(values, return_inverse=True)
    counts = np.zeros((len(weights), len(known)))
    np.add.at(counts.T, places, weights.T)
    before = np.cumsum(counts, axis=1) - counts
    return np.asarray((before + (counts - 1) / 2)[:, places])


def _correlation(one: Floats, other: Floats, weights: Floats) -> Floats:
    """Return the weighted correlation ``(R,)`` of ``(R or 1, N)`` values; 0 with a constant."""
    total = weights.sum(axis=1, keepdims=True)
    first = one - (weights * one).sum(axis=1, keepdims=True) / total
    second = other - (weights * other).sum(axis=1, keepdims=True) / total
    spread = (weights * first**2).sum(axis=1) * (weights * second**2).sum(axis=1)
    product = (weights * first * second).sum(axis=1)
    return np.asarray(np.where(spread > 0, product / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0))


def branch_shares(branches: Sequence[npt.NDArray[Any]], targets: npt.NDArray[Any]) -> Floats:
    """Return the weights ``(B,)``, 0 or more, whose sum of branches has the least squared error.

    Non-negative least squares (Lawson and Hanson 1974). Equal shares count as :data:`PRIOR_ROWS` rows; the first
    weight is :data:`LEAST_WEIGHT` at least.

    Args:
        branches: the standardized predictions ``(N, K)`` of each branch.
        targets: ``(N, K)``, standardized.
    """
    from scipy.optimize import nnls

    columns = np.stack([np.asarray(branch, np.float64).ravel() for branch in branches], axis=1)
    prior = np.sqrt(PRIOR_ROWS) * np.eye(len(branches))
    wanted = np.full(len(branches), np.sqrt(PRIOR_ROWS) / len(branches))
    found = nnls(np.concatenate([columns, prior]), np.concatenate([np.asarray(targets, np.float64).ravel(), wanted]))[0]
    found[0] = max(found[0], LEAST_WEIGHT)
    return np.asarray(found)
