"""The ordered list of labels of a model, from which every mapping between names and ids is derived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError

SINGLE_LABEL = "single_label_classification"
MULTI_LABEL = "multi_label_classification"
UNSEEN = -1
MANY_LABELS = 2_000  # from here on labels are very many: no table of labels and words, or of labels and labels


MOST_NAMED = 20  # labels in one message


def named(names: Sequence[str]) -> str:
    """Return labels as a list for people, which ends after the first of very many."""
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(repr, names[:MOST_NAMED])) + more


@dataclass(frozen=True)
class Labels:
    """The ordered label names of a task, and whether it is multi-label."""

    names: tuple[str, ...]
    multi_label: bool = False

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
        return cls(tuple(saved["labels"]), saved["problem_type"] == MULTI_LABEL)

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
