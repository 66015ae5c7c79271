"""Compares training with later texts: words, labels, confidence and evidence, with intervals that hold together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.evaluation.calibration import Floats

Integers = npt.NDArray[np.int64]

LEAST_EFFECT = 0.2  # standard deviations that a mean has to move by
# The answers of training come from models of fewer rows, which know fewer words and are less sure than the final one,
# whose means are higher on texts of the same kind, by up to 0.15 standard deviations on real sets (docs/log.md).
LEAST_RISE = 1.0
FEWEST_ROWS = 30  # fewer rows have no normal mean
MOST_NAMED = 20  # words and n-grams listed


@dataclass(frozen=True)
class Sample:
    """What is compared of N texts.

    Attributes:
        num_rows: the number of texts whose words are counted.
        num_labelled: the number of texts whose labels are.
        keys: ``(K,)``, the words and pairs of words that are counted, ascending (:func:`count_ngrams`).
        rows_with: ``(K,)``, in how many texts each occurs.
        bound: what is not among the keys occurs in so many texts at most.
        labels: how many texts have each true label; none: not known.
        given: how many texts the model gives each label; none: not known.
        values: ``(N,)`` of each statistic by name: the confidence, and what tells of evidence.
        is_held_out: whether the values are of models of fewer rows.
    """

    num_rows: int
    num_labelled: int
    keys: Integers
    rows_with: Integers
    bound: int
    labels: Mapping[str, int] | None
    given: Mapping[str, int] | None
    values: Mapping[str, npt.NDArray[np.floating]]
    is_held_out: bool = False


@dataclass(frozen=True)
class Change:
    """A share of the rows, or a mean over them, before and after.

    Attributes:
        name: the word, the n-gram, the label or the statistic.
        before: the share or mean in training.
        after: that of the new texts.
        low: the lower bound of the difference.
        high: the upper bound; all bounds of a comparison hold together with the probability asked for.
        moved: whether the difference is no chance.
    """

    name: str
    before: float
    after: float
    low: float
    high: float
    moved: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the change as JSON values."""
        return asdict(self)


def compare_shares(
    names: Sequence[str],
    before: Integers,
    after: Integers,
    sizes: tuple[int, int],
    error: float,
    *,
    most: int | None = None,
    num_tests: int | None = None,
) -> list[Change]:
    """Compare shares of rows by Fisher's exact test; the probability of any false alarm is ``error`` at most.

    Args:
        names: of the K things that rows have or lack.
        before: ``(K,)``, the number of rows with each in training.
        after: ``(K,)``, the number among the new rows.
        sizes: the numbers of rows.
        error: the probability of one or more false alarms among all K (Bonferroni).
        most: the number of changes to return, those with the least probable difference first; none: all, in order.
        num_tests: how many comparisons share the error; none: K.
    """
    if not len(names) or not min(sizes):
        return []
    level = error / (num_tests or len(names))
    chances = _fisher(before, after, sizes)
    order = np.arange(len(names)) if most is None else np.argsort(chances, kind="stable")[:most]
    found = []
    for place in order.tolist():
        low, high = _newcombe(int(before[place]), int(after[place]), sizes, level)
        shares = float(before[place] / sizes[0]), float(after[place] / sizes[1])
        found.append(Change(names[place], *shares, low, high, bool(chances[place] <= level)))
    return found


def _fisher(before: Integers, after: Integers, sizes: tuple[int, int]) -> Floats:
    """Return the two-sided probabilities ``(K,)`` of so unequal shares: twice the smaller tail, at most 1."""
    from scipy.stats import hypergeom

    both = before + after
    least = hypergeom.cdf(after, sum(sizes), both, sizes[1])
    most = hypergeom.sf(after - 1, sum(sizes), both, sizes[1])
    return np.asarray(np.minimum(2 * np.minimum(least, most), 1.0), np.float64)


def _newcombe(before: int, after: int, sizes: tuple[int, int], level: float) -> tuple[float, float]:
    """Return the interval of a difference of shares (Newcombe 1998, his method 10, from Wilson's intervals)."""
    z = _quantile(level)
    shares = before / sizes[0], after / sizes[1]
    (low0, high0), (low1, high1) = (_wilson(share, size, z) for share, size in zip(shares, sizes, strict=True))
    difference = shares[1] - shares[0]
    low = difference - float(np.hypot(shares[1] - low1, high0 - shares[0]))
    return low, difference + float(np.hypot(high1 - shares[1], shares[0] - low0))


def _wilson(share: float, size: int, z: float) -> tuple[float, float]:
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * float(np.sqrt(share * (1 - share) / size + z * z / (4 * size * size)))
    return middle - half, middle + half


def _quantile(level: float) -> float:
    """Return how many standard deviations a normal number exceeds, on either side, with this probability."""
    return -NormalDist().inv_cdf(max(level, 1e-300) / 2)


def compare_means(
    before: Mapping[str, npt.NDArray[np.floating]],
    after: Mapping[str, npt.NDArray[np.floating]],
    error: float,
    least_rise: float = LEAST_EFFECT,
) -> list[Change]:
    """Compare means by Welch's interval; the probability of any false alarm is ``error`` at most.

    A mean has moved if its interval lies beyond :data:`LEAST_EFFECT` standard deviations, upwards beyond
    ``least_rise``.
    """
    names = [name for name in before if name in after and min(len(before[name]), len(after[name])) >= FEWEST_ROWS]
    found = []
    for name in names:
        one, two = before[name].astype(np.float64), after[name].astype(np.float64)
        spread = _quantile(error / len(names)) * float(np.sqrt(one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two)))
        difference = float(two.mean() - one.mean())
        low, high, unit = difference - spread, difference + spread, float(one.std())
        moved = low > least_rise * unit or high < -LEAST_EFFECT * unit
        found.append(Change(name, float(one.mean()), float(two.mean()), low, high, moved))
    return found


PARTS = ("words", "labels", "confidence", "evidence")  # each has an equal share of the error


@dataclass(frozen=True)
class Comparison:
    """What has moved between two samples.

    Attributes:
        rows: the numbers of rows before and after.
        error: the probability of calling anything moved where nothing is.
        words: the words and n-grams whose shares of the rows differ most.
        labels: each label's share: the true ones where they are known, otherwise those that the model gives.
        kind: ``true`` or ``given``, of the labels; empty: they are not compared.
        confidence: the mean of the largest probability.
        evidence: the means of the other statistics.
    """

    rows: tuple[int, int]
    error: float
    words: list[Change]
    labels: list[Change]
    kind: str
    confidence: list[Change]
    evidence: list[Change]

    def moved(self) -> list[str]:
        """Return the parts that have moved."""
        return [part for part in PARTS if any(change.moved for change in getattr(self, part))]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        parts = {part: [change.to_dict() for change in getattr(self, part)] for part in PARTS}
        head = {"rows": {"before": self.rows[0], "after": self.rows[1]}, "error": self.error, "moved": self.moved()}
        return {**head, "labels_are": self.kind, **parts}


def compare(before: Sample, after: Sample, naming: Any, *, error: float = 0.05) -> Comparison:
    """Compare two samples.

    Args:
        before: the texts of training.
        after: the new texts.
        naming: a function from keys ``(K,)`` to their words and n-grams.
        error: the probability that anything is called moved where nothing is, shared by :data:`PARTS`.
    """
    part, rise = error / len(PARTS), LEAST_RISE if before.is_held_out else LEAST_EFFECT
    confidence = {"confidence"}
    evidence = before.values.keys() - confidence
    kind = "true" if before.labels and after.labels else "given" if before.given and after.given else ""
    counts = {"true": (before.labels, after.labels), "given": (before.given, after.given)}.get(kind, ({}, {}))
    sizes = (before.num_labelled, after.num_labelled)
    return Comparison(
        sizes,
        error,
        _compare_words(before, after, naming, part),
        _compare_labels(counts[0] or {}, counts[1] or {}, sizes, kind, part),
        kind,
        compare_means(_only(before.values, confidence), after.values, part, rise),
        compare_means(_only(before.values, evidence), after.values, part, rise),
    )


def _only(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _compare_words(before: Sample, after: Sample, naming: Any, error: float) -> list[Change]:
    keys = np.union1d(before.keys, after.keys)
    old, new = _looked_up(keys, before, before.bound), _looked_up(keys, after, after.bound)
    # What one side does not count occurs there in so many rows at most; a difference within that is none.
    unknown = [np.isin(keys, side.keys, invert=True) & (side.bound > 0) for side in (before, after)]
    sizes = before.num_rows, after.num_rows
    expected = (new * sizes[0] / max(sizes[1], 1), old * sizes[1] / max(sizes[0], 1))
    old = np.where(unknown[0], np.minimum(before.bound, expected[0]).astype(np.int64), old)
    new = np.where(unknown[1], np.minimum(after.bound, expected[1]).astype(np.int64), new)
    chosen = np.flatnonzero(_may_differ(old, new, sizes, error / max(len(keys), 1)))
    # Only those that may have moved are looked at closely, but all share the error.
    found = compare_shares(
        naming(keys[chosen]), old[chosen], new[chosen], sizes, error, most=MOST_NAMED, num_tests=len(keys)
    )
    return [change for change in found if change.moved]


def _may_differ(old: Integers, new: Integers, sizes: tuple[int, int], level: float) -> npt.NDArray[np.bool_]:
    """Return which counts are worth an exact test: those whose normal approximation is not far from the level."""
    shares = (old + new) / max(sum(sizes), 1)
    spread = np.sqrt(np.maximum(shares * (1 - shares) * (1 / max(sizes[0], 1) + 1 / max(sizes[1], 1)), 1e-300))
    distance = np.abs(old / max(sizes[0], 1) - new / max(sizes[1], 1)) / spread
    return np.asarray(distance > 0.6 * _quantile(level))


def _looked_up(keys: Integers, sample: Sample, absent: int) -> Integers:
    if not len(sample.keys):
        return np.full(len(keys), absent, np.int64)
    places = np.minimum(np.searchsorted(sample.keys, keys), len(sample.keys) - 1)
    return np.where(sample.keys[places] == keys, sample.rows_with[places], absent)


def _compare_labels(
    before: Mapping[str, int], after: Mapping[str, int], sizes: tuple[int, int], kind: str, error: float
) -> list[Change]:
    if not kind:
        return []
    names = sorted({**before, **after})
    counts = [np.array([side.get(name, 0) for name in names], np.int64) for side in (before, after)]
    if kind == "given":  # single-label: rows whose label is not known are in neither
        sizes = int(counts[0].sum()), int(counts[1].sum())
    return compare_shares(names, counts[0], counts[1], sizes, error)
