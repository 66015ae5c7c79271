"""Which labels are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textcnn.labels import Labels

OTHERS = "(others)"


@dataclass(frozen=True)
class Confusion:
    """A table of labels against labels.

    Attributes:
        names: of rows and columns.
        counts: ``(L, L)``. Single-label: rows with the true label of the line and the label given of the column.
            Multi-label: on the diagonal, rows whose label was given rightly; elsewhere, rows that lack the label of the
            line and were given that of the column wrongly.
        folded: how many labels stand together in the last line and column, called ``(others)``; 0: all are shown.
    """

    names: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    folded: int = 0

    def pairs(self, most: int) -> list[tuple[str, str, int]]:
        """The most frequent confusions: the label missed, the label given for it, and how often."""
        off = self.counts.copy()
        np.fill_diagonal(off, 0)
        order = np.argsort(-off, axis=None, kind="stable")[:most]
        places = zip(*np.unravel_index(order, off.shape), strict=True)
        return [(self.names[i], self.names[j], int(off[i, j])) for i, j in places if off[i, j]]

    def folded_to(self, most: int) -> Confusion:
        """The ``most - 1`` labels with the most confusions as they are, the others together; no name is twice."""
        if len(self.names) <= most:
            return self
        off = self.counts.sum(axis=0) + self.counts.sum(axis=1) - 2 * np.diag(self.counts)
        kept = np.sort(np.argsort(-off, kind="stable")[: most - 1])
        group = np.full(len(self.names), most - 1)
        group[kept] = np.arange(most - 1)
        counts = np.zeros((most, most), np.int64)
        np.add.at(counts, (group[:, None], group[None, :]), self.counts)
        return Confusion((*(self.names[i] for i in kept), OTHERS), counts, len(self.names) - most + 1)


def confusion(truth: Sequence[Sequence[str]], given: Sequence[Sequence[str]], labels: Labels) -> Confusion:
    """Compare labels with the true ones; those unseen in training have a line too."""
    names = [*labels.names, *sorted({name for row in truth for name in row} - set(labels.names))]
    index = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for wanted, found in zip(map(set, truth), map(set, given), strict=True):
        for name in wanted & found:
            counts[index[name], index[name]] += 1
        for missed in wanted - found:
            for wrong in found - wanted:
                counts[index[missed], index[wrong]] += 1
    return Confusion(tuple(names), counts)
