"""NumPy definition of :mod:`textcnn.core.one_text`, used without the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textcnn.core.lookup_numpy import Array, Integers, activate, whole_numbers, window_sums
from textcnn.core.units import UNIT, WIDE_SHIFT

if TYPE_CHECKING:
    from textcnn.core.one_text import Memory, Weights

MOST_TOKENS = 1024  # tokens of a text, at most


@dataclass
class Facts:
    """Further results for a text; see :class:`textcnn.core.one_text.Facts`."""

    tokens: int = 0
    unknown: int = 0
    clipped: bool = False
    label: int = -1
    margin: float = 0.0


class OneText:
    """NumPy version of :class:`textcnn.core.one_text.OneText`."""

    table_type = dict

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._head = weights.head.astype(np.float64)
        self._overhang = int(weights.sizes.max(initial=1)) - 1
        self._memory: Memory | None = None
        self.best: Array = np.zeros((1, len(weights.sizes), 0), np.float32)
        self.rest: Integers = np.zeros((1, len(weights.output_bias)), np.int64)
        self.logits = np.zeros(self.rest.shape)
        self.facts = Facts()

    def remember(self, memory: Memory, seed: int, num_chunks: int) -> None:
        """NumPy version of :meth:`textcnn.core.one_text.OneText.remember`."""
        if num_chunks >= len(memory.chunk_offsets):
            raise ValueError(f"expected the ids of {num_chunks} chunks, got {len(memory.chunk_offsets) - 1}")
        self._memory, width = memory, memory.products.shape[2]
        kind = np.float32 if memory.products.dtype == np.float32 else np.int16
        self.best = np.zeros((1, len(self._weights.sizes), width), kind)

    def __call__(self, data: bytes) -> bool:
        """NumPy version of :meth:`textcnn.core.one_text.OneText.__call__`."""
        ids = self._find_ids(data)
        rows = None if ids is None else self._find_rows(ids)
        if ids is None or rows is None or not self._add_rest(ids, rows):
            return False
        self._add_filters(rows)
        return True

    def _find_ids(self, data: bytes) -> npt.NDArray[np.int32] | None:
        """Return the ids of the text; none if a chunk is not cached or there are too many."""
        memory, own = self._memory, self._weights
        assert memory is not None
        numbers = [memory.table.get(chunk) for chunk in data.split()]
        if None in numbers:
            return None
        chunks = np.array(numbers, np.int64)
        first, last = memory.chunk_offsets[chunks], memory.chunk_offsets[chunks + 1]
        if (last - first == 1).all():
            ids = memory.chunk_ids[first]
        else:
            parts = zip(first.tolist(), last.tolist(), strict=True)
            ids = np.concatenate([memory.chunk_ids[begin:end] for begin, end in parts])
        if len(ids) > MOST_TOKENS:
            return None
        unknown = ids >= own.num_types
        if own.unknown is not None:
            unknown |= ids == own.unknown
        self.facts = Facts(len(ids), int(np.count_nonzero(unknown)))
        return ids

    def _find_rows(self, ids: npt.NDArray[np.int32]) -> Integers | None:
        """Return the cached row of every word that the filters see; none if a word has none."""
        memory, own = self._memory, self._weights
        assert memory is not None
        seen = ids[: own.longest]
        rows = memory.row_of[np.minimum(seen, own.num_types)]  # the entry after those of all types is -1
        for place in np.flatnonzero(seen >= own.num_types).tolist():
            number = int(seen[place]) - own.num_types
            rows[place] = memory.row_of_unseen[number] if number < len(memory.row_of_unseen) else -1
        if rows.min(initial=0) < 0:
            return None
        self.facts.clipped = bool(memory.clipped[rows].any())
        return rows

    def _add_rest(self, ids: npt.NDArray[np.int32], rows: Integers) -> bool:
        """Write what the mean, the wide branch and the bias add; False if a feature occurs too often."""
        memory, own = self._memory, self._weights
        assert memory is not None
        rest = np.add.reduce(memory.means[rows], axis=0) // max(len(rows), 1) + own.output_bias
        if len(own.table):
            assert own.ngrams is not None
            features = own.ngrams.weigh_text(ids, own.idf, own.logarithms)
            if features is None:
                return False
            terms = whole_numbers(own.table[features[0]] * np.float64(own.scale))
            rest += np.add.reduce(terms * whole_numbers(features[1].astype(np.float64))[:, None], axis=0) >> WIDE_SHIFT
        self.rest[0] = rest
        return True

    def _add_filters(self, rows: Integers) -> None:
        """Write the largest sum of each filter and, for float32 rows, the logits and the best label.

        These are ``pool`` and ``add_scores`` for one text; calling them would check and convert what is fixed here,
        and take 40 microseconds more.
        """
        memory, own, best = self._memory, self._weights, self.best[0]
        assert memory is not None
        best[:] = 0
        if len(rows) and len(own.sizes):
            padded = np.zeros(len(rows) + 2 * self._overhang, np.int64)
            padded[self._overhang : self._overhang + len(rows)] = rows
            stretch = memory.products[padded]
            for g, sums in window_sums(stretch, own.sizes, own.first_taps, self._overhang, best.dtype):
                np.maximum.reduce(sums[self._overhang + 1 - int(own.sizes[g]) :], axis=0, out=best[g])
        if best.dtype != np.float32:
            return
        terms = np.zeros((len(self._head) + 1, self.rest.shape[1]))
        if len(rows):
            scores = best[:, : len(own.bias) // max(len(own.sizes), 1)].reshape(-1) + own.bias
            np.multiply(activate(scores, own.activation).astype(np.float64)[:, None], self._head, out=terms[1:])
        self.logits[0] = np.add.accumulate(terms, axis=0)[-1] + self.rest[0] * UNIT
        self._find_label(self.logits[0])

    def _find_label(self, logits: npt.NDArray[np.float64]) -> None:
        if np.isfinite(logits).all():
            label = int(logits.argmax())
            second = np.delete(logits, label).max(initial=-np.inf)
            self.facts.label, self.facts.margin = label, float(logits[label] - second)
