"""Tells texts of none of the labels from texts like the held-out ones, by exact statistics of each text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats
from textcnn.evaluation.promises import HeldOutAnswers

Statistics = npt.NDArray[np.float32]

# The statistics of a text and their weights in the score, in standard deviations of the held-out rows. A weight of 0:
# it counts only where outliers were given, to which the weights are fitted. Chosen without test rows (docs/log.md).
WEIGHTS = {
    "certainty": 0.4,  # minus the entropy of the probabilities, in which like labels count as less than two
    "largest": 0.0,  # the largest logit
    "network": 0.4,  # the largest logit of the network alone
    "n-grams": 0.0,  # the largest logit of the n-gram branch alone
    "agreement": 0.0,  # the largest product of the probabilities that the two branches give a label
    "length": 0.2,  # the logarithm of the number of words, since long texts have larger logits
    "known words": 0.0,  # the share of words in the vocabulary
    "known n-grams": 0.2,  # the different n-grams seen in training, by the number of places for an n-gram
}
FEWEST_OUTLIERS = 10
LIKENESS_LABELS = range(10, 257)  # numbers of labels: fewer gain nothing by it, and a table of more is large
PRIOR_STRENGTH = 30.0  # of the weights above against those that outliers ask for


def in_two(parts: Sequence[npt.NDArray[np.floating]]) -> list[npt.NDArray[np.floating]]:
    """Return the calibrated logits of the network, with those of a branch of characters, and of the n-gram branch."""
    return list(parts) if len(parts) < 3 else [parts[0] + parts[2], parts[1]]


def label_likeness(network: npt.NDArray[np.floating]) -> npt.NDArray[np.float32] | None:
    """Return how much the labels are alike ``(C, C)``, from 0 to 1, by the network's logits ``(M, C)`` of M rows.

    The root of the correlation of two labels' logits above that of two labels in the mean, since logits that all rise
    and fall together make no two labels alike; 1 for a label and itself. None unless so many labels are
    in :data:`LIKENESS_LABELS`. Rows with a label that the model did not know (-inf) do not count.
    """
    num_labels = network.shape[1]
    if num_labels not in LIKENESS_LABELS:
        return None
    logits = network[np.isfinite(network).all(axis=1)].astype(np.float64)
    logits = logits - logits.sum(axis=0) / max(len(logits), 1)
    products = np.einsum("mc,md->cd", logits, logits)  # sums in one order, on any number of threads
    scale = 1 / np.sqrt(np.maximum(products.diagonal(), 1e-12))
    found: Floats = products * scale * scale[:, None]
    np.fill_diagonal(found, 0)
    mean = max(float(found.sum()) / (num_labels * (num_labels - 1)), 0.0)
    found = np.sqrt(np.clip((found - mean) / max(1 - mean, 1e-6), 0, 1))
    np.fill_diagonal(found, 1)
    return np.asarray(found, np.float32)


def statistics(
    branches: Sequence[npt.NDArray[np.floating]],
    counts: npt.NDArray[np.int64],
    likeness: npt.NDArray[np.float32] | None = None,
) -> Statistics:
    """Compute the statistics ``(N, S)`` of N texts, in the order of :data:`WEIGHTS`.

    Args:
        branches: the calibrated logits ``(N, C)`` of :func:`in_two`, whose sum is the logit of the probabilities; -inf
            in the first: the model does not know the label.
        counts: ``(N, 3)``, the numbers of words, of words in the vocabulary, and of different n-grams seen in training.
        likeness: ``(C, C)`` of :func:`label_likeness`, for the entropy (Leinster and Cobbold 2012, of order 1); none:
            no two labels are alike, and it is Shannon's.
    """
    network = branches[0].astype(np.float64)
    ngrams = branches[1].astype(np.float64) if len(branches) > 1 else np.zeros(network.shape)
    together = network + ngrams
    probs, length = _softmax(together), np.maximum(counts[:, 0], 1)
    both = _softmax(network) * _softmax(np.where(np.isneginf(network), -np.inf, ngrams))
    found = (
        (probs * np.log(np.maximum(_ordinary(probs, likeness), 1e-300))).sum(axis=1),
        together.max(axis=1),
        network.max(axis=1),
        ngrams.max(axis=1),
        both.max(axis=1),
        np.log1p(counts[:, 0]),
        counts[:, 1] / length,
        counts[:, 2] / (2 * length - 1),
    )
    return np.stack(found, axis=1).astype(np.float32)


def _ordinary(probs: Floats, likeness: npt.NDArray[np.float32] | None) -> Floats:
    """Return the probability ``(N, C)`` of each label and, by their likeness, of the others."""
    if likeness is None:
        return probs
    found = np.zeros(probs.shape)
    for number, row in enumerate(likeness):  # a matrix product may round a text differently in another batch
        found += probs[:, number, None] * row
    return found


def _softmax(logits: Floats) -> Floats:
    likely = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class StrangerScore:
    """A score of texts, the lower the less they are like the held-out rows.

    Attributes:
        center: ``(S,)``, the means of the statistics over the held-out rows.
        factors: ``(S,)``, the weights of the statistics, by their standard deviations.
        held_out: ``(M,)``, the scores of the held-out rows, ascending.
    """

    center: Floats
    factors: Floats
    held_out: Floats

    @classmethod
    def of(cls, answers: HeldOutAnswers) -> StrangerScore:
        """Make the score from the statistics of held-out rows and, if they are known, of outliers.

        Raises:
            ConfigError: the answers have no statistics.
        """
        own = answers.statistics
        if own is None or not len(own):
            raise ConfigError("the held-out answers were stored without statistics of their texts")
        center, spread = own.mean(axis=0, dtype=np.float64), own.std(axis=0, dtype=np.float64)
        scale = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0.0)
        weights = np.array(list(WEIGHTS.values()))
        if answers.outliers is not None:
            weights = _fitted((own - center) * scale, (answers.outliers - center) * scale, weights)
        factors = weights * scale
        return cls(center, factors, np.sort(_sums(own, center, factors)))

    def __call__(self, found: Statistics) -> Floats:
        """Return the scores ``(N,)`` of texts from their statistics."""
        return _sums(found, self.center, self.factors)

    def least(self, kept: float) -> float:
        """Return the score below which at most a share of ``1 - kept`` of further rows like the held-out ones lies.

        Raises:
            ConfigError: ``kept`` is not between 0 and 1.
        """
        if not 0 < kept < 1:
            raise ConfigError(f"the share of rows to keep must be between 0 and 1, got {kept:g}")
        rank = math.floor(round((len(self.held_out) + 1) * (1 - kept), 9))
        return float(self.held_out[rank - 1]) if rank else -math.inf


def _sums(found: Statistics, center: Floats, factors: Floats) -> Floats:
    """Return the weighted sum ``(N,)`` of each row, in a fixed order: the bits of a product depend on the batch."""
    total = np.zeros(len(found))
    for column, (mean, factor) in enumerate(zip(center.tolist(), factors.tolist(), strict=True)):
        total += (found[:, column] - mean) * factor
    return total


def _fitted(own: Floats, outliers: Floats, prior: Floats) -> Floats:
    """Return the weights of a logistic regression that tells own rows from outliers, shrunk towards the prior.

    Both kinds of rows weigh as much as the rarer one.
    """
    fewer = min(len(own), len(outliers))
    rows = np.concatenate([own, outliers])
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    is_own = np.repeat([1.0, 0.0], [len(own), len(outliers)])
    shares = np.repeat([fewer / len(own), fewer / len(outliers)], [len(own), len(outliers)])
    start = np.append(prior, 0.0)
    ridge = np.diag(np.append(np.full(len(prior), PRIOR_STRENGTH), 1e-6))

    def loss_at(weights: Floats) -> float:
        loss = shares * np.logaddexp(0, np.where(is_own > 0, -1, 1) * (rows @ weights))
        return float(loss.sum() + (weights - start) @ ridge @ (weights - start) / 2)

    weights, loss = start, loss_at(start)
    for _ in range(60):  # damped Newton steps; the loss is strictly convex
        likely = np.exp(-np.logaddexp(0, -(rows @ weights)))
        slope = rows.T @ (shares * (likely - is_own)) + ridge @ (weights - start)
        step = np.linalg.solve(rows.T @ (rows * (shares * likely * (1 - likely))[:, None]) + ridge, slope)
        size = 1.0
        while (after := loss_at(weights - size * step)) > loss and size > 1e-6:
            size /= 2
        weights, gained, loss = weights - size * step, loss - after, min(after, loss)
        if gained <= 1e-10 * max(loss, 1e-300):
            break
    return np.asarray(weights[:-1])


def auroc(own: npt.NDArray[np.floating], strangers: npt.NDArray[np.floating]) -> float:
    """Return the probability that an own row has a larger score than a stranger; equal scores count half."""
    values = np.sort(own)
    below = np.searchsorted(values, strangers, "left") + np.searchsorted(values, strangers, "right")
    return float(1 - (below / 2).mean() / len(own))
