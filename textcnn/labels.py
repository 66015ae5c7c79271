"""The ordered list of labels of a model, from which every mapping between names and ids is derived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ConfigError, DataError
from textcnn.grades import CUMULATIVE, Grades
from textcnn.label_tree import LabelTree

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
REGRESSION = "regression"
UNSEEN = -1
MANY_LABELS = 2_000  # from here on labels are very many: no table of labels and words, or of labels and labels


MOST_NAMED = 20  # labels in one message


def named(names: Sequence[str]) -> str:
    """Return labels as a list for people, which ends after the first of very many."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more


Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A number that a model predicts: its mean, standard deviation and range over the training rows.

    Logits are in standard deviations from the mean, so that training and every runtime see numbers of one size,
    whatever the unit of the target.
    """

    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class Labels:
    """The ordered label names of a task, and whether it is multi-label.

    Attributes:
        names: the names of the logits' columns; of the target columns, in regression.
        multi_label: whether a text may have any number of labels.
        tree: the tree of which they are the leaves; none: of no tree.
        targets: the scale of each target, in regression; empty: the names are labels.
        grades: the grades that the one target is read as (ordinal); none: it is a number.
    """

    names: tuple[str, ...]
    multi_label: bool = False
    tree: LabelTree | None = None
    targets: tuple[Target, ...] = ()
    grades: Grades | None = None

    @classmethod
    def collect(cls, rows: Iterable[Sequence[str]], *, multi_label: bool) -> Labels:
        """Collect the labels of a training set, sorted by name.

        Raises:
            DataError: fewer than two classes in a single-label set, or no label at all.
        """
        counts = Counter(name for row in rows for name in row)
        if not counts or (len(counts) < 2 and not multi_label):
            shown = ", ".join(f"{name!r}: {count}" for name, count in counts.items()) or "none"
            raise DataError(f"expected at least two labels to tell apart, found {shown}; check the label column")
        # Sorted, so that the ids of labels do not depend on the order of the rows.
        return cls(tuple(sorted(counts)), multi_label)

    @classmethod
    def scores(cls, names: Sequence[str], rows: Sequence[Sequence[str]], weights: Floats | None = None) -> Labels:
        """Measure the targets of a training set, whose rows are numbers as text, in the order of ``names``.

        Args:
            names: the names of the K targets.
            rows: ``(N, K)``.
            weights: ``(N,)``, how much each row counts; none: all the same.

        Raises:
            DataError: a target has the same value in all rows.
        """
        values = np.array(rows, np.float64).reshape(len(rows), len(names))
        mean = np.average(values, axis=0, weights=weights)
        std = np.sqrt(np.average(np.square(values - mean), axis=0, weights=weights))
        low, high = values.min(axis=0), values.max(axis=0)
        for column in np.flatnonzero((low == high) | (std == 0)).tolist():
            raise DataError(f"expected different numbers in {names[column]!r}, found {low[column]:g} in all rows")
        return cls(
            tuple(names), targets=tuple(Target(*map(float, row)) for row in zip(mean, std, low, high, strict=True))
        )

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Labels:
        """Return the labels that a config.json tells."""
        targets = tuple(Target(**target) for target in saved.get("targets", ()))
        grades: dict[str, Any] | None = saved.get("grades")
        found = None if grades is None else Grades.from_json(grades)
        is_multi = saved["problem_type"] == MULTI_LABEL
        labels = cls(tuple(saved["labels"]), is_multi, targets=targets, grades=found)
        described = saved.get("hierarchy")
        return labels if described is None else labels.with_tree(described)

    def with_tree(self, described: Mapping[str, Any] | None) -> Labels:
        """Return the labels as leaves of the tree that :meth:`LabelTree.to_json` has described; none: of no tree.

        Raises:
            DataError: the labels do not fit the tree.
        """
        return replace(self, tree=None if described is None else LabelTree.of(self.names, described))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def problem_type(self) -> str:
        """The task's name in Hugging Face's ``problem_type``."""
        return REGRESSION if self.targets else MULTI_LABEL if self.multi_label else SINGLE_LABEL

    @property
    def metric(self) -> str:
        """The metric that chooses an epoch on dev rows; the larger the better."""
        return "r2" if self.targets else "micro_f1" if self.multi_label else "accuracy"

    def require_labels(self, what: str) -> None:
        """Refuse ``what`` for a model that predicts numbers.

        Raises:
            ConfigError: the names are targets.
        """
        if self.targets:
            raise ConfigError(
                f"{what} is for models of labels, and this one predicts numbers ({', '.join(self.names)})"
            )

    def encode(self, rows: Sequence[Sequence[str]]) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
        """Encode rows as ids ``(N,)``, -1 for unknown labels, or, if multi-label, as 0/1 indicators ``(N, C)``.

        Numbers are standardized, ``(N, K)``.
        """
        if self.targets:
            return ((self.numbers(rows) - self.means) / self.stds).astype(np.float32)
        index = {name: i for i, name in enumerate(self.names)}
        if not self.multi_label:
            return np.array([index.get(row[0], UNSEEN) for row in rows], np.int64)
        targets = np.zeros((len(rows), len(self.names)), np.float32)
        for number, row in enumerate(rows):
            targets[number, [index[name] for name in row if name in index]] = 1
        return targets

    def numbers(self, rows: Sequence[Sequence[str]]) -> Floats:
        """Return the numbers ``(N, K)`` of rows, in the units of the targets."""
        return np.array(rows, np.float64).reshape(len(rows), len(self.targets))

    @property
    def means(self) -> Floats:
        """The means ``(K,)`` of the targets."""
        return np.array([target.mean for target in self.targets])

    @property
    def stds(self) -> Floats:
        """The standard deviations ``(K,)`` of the targets."""
        return np.array([target.std for target in self.targets])

    def standard_cuts(self, loss: str | None) -> tuple[float, npt.NDArray[np.float32]] | None:
        """Return slope and cuts ``(C - 1,)`` of the cumulative logits of standardized scores.

        None unless ``loss`` is ``cumulative``, or none, and these are grades. The cuts lie half-way between the grades.
        """
        if loss not in (None, CUMULATIVE) or self.grades is None:
            return None
        (target,), grades = self.targets, self.grades
        cuts = (np.array(grades.cuts) - target.mean) / target.std
        return grades.slope * target.std, cuts.astype(np.float32)

    def near_twins(self) -> list[tuple[str, str]]:
        """Return pairs of labels that differ only by case or blanks, which are usually typing errors."""
        first: dict[str, str] = {}
        twins = []
        for name in self.names:
            key = "".join(name.split()).casefold()
            if key in first:
                twins.append((first[key], name))
            first.setdefault(key, name)
        return twins


def label_counts(rows: Iterable[Sequence[str]]) -> dict[str, int]:
    """Count each label by name."""
    return dict(sorted(Counter(name for row in rows for name in row).items()))
