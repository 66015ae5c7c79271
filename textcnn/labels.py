"""The ordered list of labels of a model, from which every mapping between names and ids is derived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.label_tree import LabelTree

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
UNSEEN = -1


@dataclass(frozen=True)
class Labels:
    """The ordered label names of a task, whether it is multi-label, and the tree of which they are leaves, if any."""

    names: tuple[str, ...]
    multi_label: bool = False
    tree: LabelTree | None = None

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
    def of(cls, saved: Mapping[str, Any]) -> Labels:
        """Return the labels that a config.json tells."""
        return cls(tuple(saved["labels"]), saved["problem_type"] == MULTI_LABEL).with_tree(saved.get("hierarchy"))

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
        return MULTI_LABEL if self.multi_label else SINGLE_LABEL

    def encode(self, rows: Sequence[Sequence[str]]) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
        """Encode rows as ids ``(N,)``, -1 for unknown labels, or, if multi-label, as 0/1 indicators ``(N, C)``."""
        index = {name: i for i, name in enumerate(self.names)}
        if not self.multi_label:
            return np.array([index.get(row[0], UNSEEN) for row in rows], np.int64)
        targets = np.zeros((len(rows), len(self.names)), np.float32)
        for number, row in enumerate(rows):
            targets[number, [index[name] for name in row if name in index]] = 1
        return targets

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
