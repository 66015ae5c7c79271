"""Sampling of training batches, learning-rate schedule, stratified splits and class weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError
from textcnn.labels import Labels

Rows = npt.NDArray[np.int64]
_POOL = 50  # batches sorted by length together: little padding, and still a random order


def default_epochs(num_rows: int) -> int:
    """Return the default number of epochs, between 4 for large training sets and 10 for small ones."""
    return min(10, max(4, math.ceil(80_000 / num_rows)))


def shuffled_batches(
    sizes: Rows, batch_size: int, *, seed: int, epoch: int, batch_tokens: int | None = None
) -> list[Rows]:
    """Return the rows of every batch of an epoch: shuffled, but with texts of similar length together.

    Args:
        sizes: ``(N,)`` tokens of each row.
        batch_size: rows of a batch; the last one may have fewer.
        seed: decides the order, with the epoch.
        epoch: number of the epoch, from 0.
        batch_tokens: a batch of more tokens is split, so that long texts need no more memory than short ones; none:
            no batch is. A longer text is a batch of its own.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(sizes))
    pool = batch_size * _POOL
    bucketed = [
        chunk[np.argsort(sizes[chunk], kind="stable")] for chunk in np.split(order, range(pool, len(order), pool))
    ]
    batches = [chunk[start : start + batch_size] for chunk in bucketed for start in range(0, len(chunk), batch_size)]
    if batch_tokens is not None:
        batches = [part for batch in batches for part in _parted(batch, sizes[batch], batch_tokens)]
    return [batches[i] for i in random.permutation(len(batches))]


def _parted(rows: Rows, sizes: Rows, most: int) -> list[Rows]:
    """Split a batch into parts of at most ``most`` tokens, or of one row."""
    cuts, num_tokens = [], 0
    for place, size in enumerate(sizes.tolist()):
        if place and num_tokens + size > most:  # after a row without a token too
            cuts.append(place)
            num_tokens = 0
        num_tokens += size
    return np.split(rows, cuts)


def linear_decay(num_steps: int, warmup: float) -> Callable[[int], float]:
    """Return a schedule: a factor that rises from 0 over the share ``warmup`` of the steps, then falls to 0."""
    rising = warmup * num_steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return max((num_steps - step) / max(num_steps - rising, 1), 0.0)

    return factor


def stratified_split(labels: list[tuple[str, ...]], fraction: float, *, seed: int) -> tuple[Rows, Rows]:
    """Split rows at random into kept and held-out ones: ``fraction`` of each label (or set of labels).

    A label with a single row keeps it in training.
    """
    held_out: list[int] = []
    owed = 0.0  # what rounding has kept back in earlier groups: small groups are served in turn
    for rows in _strata(labels, np.random.default_rng([seed, 1])):
        owed += fraction * len(rows)
        # Labels of a single row owe their share, but never more than one row to the label after them.
        take = min(round(owed), len(rows) - 1, math.floor(fraction * len(rows) + 1))
        owed -= take
        held_out.extend(int(row) for row in rows[:take])
    kept = np.setdiff1d(np.arange(len(labels)), held_out)
    return kept.astype(np.int64), np.sort(np.array(held_out, np.int64))


def stratified_folds(labels: Sequence[tuple[str, ...]], num_folds: int, *, seed: int) -> Rows:
    """Return the fold of every row, ``(N,)``; each label (or set of labels) is spread evenly over the folds.

    Folds differ by one row at most, in all and within a label.
    """
    dealt = [int(row) for rows in _strata(labels, np.random.default_rng([seed, 2])) for row in rows]
    folds = np.empty(len(labels), np.int64)
    folds[dealt] = np.arange(len(dealt)) % num_folds
    return folds


def number_strata(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return a name for the tenth of the rows that the first number of each row, given as text, belongs to."""
    first = np.array([float(row[0]) for row in rows])
    edges = np.quantile(first, np.arange(1, 10) / 10) if len(first) else first
    return [(str(tenth),) for tenth in np.searchsorted(edges, first, side="right").tolist()]


def _strata(labels: Sequence[tuple[str, ...]], random: np.random.Generator) -> Iterator[Rows]:
    """Yield the shuffled rows of each set of labels, sets ordered by name."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(labels):
        groups.setdefault(tuple(sorted(key)), []).append(row)
    for key in sorted(groups):
        yield random.permutation(groups[key])


Floats = npt.NDArray[np.float32]


def label_log_odds(labels: Labels, rows: Sequence[Sequence[str]], weight: Floats | None = None) -> Floats:
    """Return log-odds ``(C,)`` of the labels, a positive counting ``weight`` times, smoothed by half a row."""
    counts = Counter(name for row in rows for name in row)
    present = np.array([float(counts[name]) for name in labels.names], np.float32)
    odds = (present + np.float32(0.5)) / (np.float32(len(rows)) - present + np.float32(0.5))
    return np.log(odds if weight is None else odds * weight)


def class_weights(
    setting: str | dict[str, float] | None, labels: Labels, rows: Sequence[Sequence[str]]
) -> Floats | None:
    """Return the weights ``(C,)`` of the labels, or none.

    ``balanced`` is scikit-learn's rule ``n / (C * count)``; multi-label it is ``(n - count) / count``, from 0.01 to
    100. A dictionary holds weights by label; the labels it leaves out have 1.

    Raises:
        ConfigError: an unknown rule, an unknown label, or a weight that is not above 0.
    """
    if setting is None:
        return None
    counts = Counter(name for row in rows for name in row)
    if setting == "balanced":
        if labels.multi_label:
            odds = [(len(rows) - counts[n]) / max(counts[n], 1) for n in labels.names]
            found = [min(max(odd, 0.01), 100.0) for odd in odds]
        else:
            found = [len(rows) / (len(labels) * max(counts[n], 1)) for n in labels.names]
        return np.array(found, np.float32)
    if isinstance(setting, str):
        raise ConfigError(f"class_weight must be 'balanced' or a weight for each label, got {setting!r}")
    problems = [
        f"class_weight names the label {name!r}; the data has {', '.join(labels.names)}"
        for name in setting
        if name not in labels.names
    ]
    problems += [
        f"class_weight of {name!r} must be above 0, got {value!r}" for name, value in setting.items() if not value > 0
    ]
    if problems:
        raise ConfigError(problems)
    return np.array([float(setting.get(name, 1.0)) for name in labels.names], np.float32)
