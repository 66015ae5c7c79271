"""The order of training rows, how rates fall meanwhile, and what labels count in the loss."""

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
    """Passes that were enough in the laboratory: many over small sets, never more than 10 nor fewer than 4."""
    return min(10, max(4, math.ceil(80_000 / num_rows)))


def shuffled_batches(
    sizes: Rows, batch_size: int, *, seed: int, epoch: int, batch_tokens: int | None = None
) -> list[Rows]:
    """Rows of every batch of an epoch: random, but with texts of like length together.

    Args:
        sizes: ``(N,)`` tokens of each row.
        batch_size: rows of a batch; the last one may have fewer.
        seed: decides the order, with the epoch.
        epoch: number of the epoch, from 0.
        batch_tokens: a batch of more tokens is parted, so that long texts need no more memory than short ones; none:
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
    """A batch as parts of at most ``most`` tokens, or of one row."""
    cuts, held = [], 0
    for place, size in enumerate(sizes.tolist()):
        if place and held + size > most:  # after a row without a token too
            cuts.append(place)
            held = 0
        held += size
    return np.split(rows, cuts)


def linear_decay(num_steps: int, warmup: float) -> Callable[[int], float]:
    """A factor for each step: up from 0 over the share ``warmup`` of the steps, then down to 0 behind the last."""
    rising = warmup * num_steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return max((num_steps - step) / max(num_steps - rising, 1), 0.0)

    return factor


def stratified_split(labels: list[tuple[str, ...]], fraction: float, *, seed: int) -> tuple[Rows, Rows]:
    """Rows kept and rows held out: ``fraction`` of each label (multi-label: of each set of labels), at random.

    A label with a single row keeps it in training.
    """
    held: list[int] = []
    owed = 0.0  # what rounding has kept back in earlier groups: small groups are served in turn
    for rows in _strata(labels, np.random.default_rng([seed, 1])):
        owed += fraction * len(rows)
        take = min(round(owed), len(rows) - 1)
        owed -= take
        held.extend(int(row) for row in rows[:take])
    kept = np.setdiff1d(np.arange(len(labels)), held)
    return kept.astype(np.int64), np.sort(np.array(held, np.int64))


def stratified_folds(labels: Sequence[tuple[str, ...]], num_folds: int, *, seed: int) -> Rows:
    """The fold of every row, ``(N,)``: of each label (multi-label: of each set of labels) every fold has its share.

    Folds differ by one row at most, in all and within a label.
    """
    dealt = [int(row) for rows in _strata(labels, np.random.default_rng([seed, 2])) for row in rows]
    folds = np.empty(len(labels), np.int64)
    folds[dealt] = np.arange(len(dealt)) % num_folds
    return folds


def _strata(labels: Sequence[tuple[str, ...]], random: np.random.Generator) -> Iterator[Rows]:
    """The rows of each set of labels, in random order; the sets by name."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(labels):
        groups.setdefault(tuple(sorted(key)), []).append(row)
    for key in sorted(groups):
        yield random.permutation(groups[key])


Floats = npt.NDArray[np.float32]


def label_log_odds(labels: Labels, rows: Sequence[Sequence[str]], weight: Floats | None = None) -> Floats:
    """Log-odds ``(C,)`` of the labels, a positive counting ``weight`` times; half a row on each side."""
    counts = Counter(name for row in rows for name in row)
    present = np.array([float(counts[name]) for name in labels.names], np.float32)
    odds = (present + np.float32(0.5)) / (np.float32(len(rows)) - present + np.float32(0.5))
    return np.log(odds if weight is None else odds * weight)


def class_weights(
    setting: str | dict[str, float] | None, labels: Labels, rows: Sequence[Sequence[str]]
) -> Floats | None:
    """Weights ``(C,)`` of the labels, or none.

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
