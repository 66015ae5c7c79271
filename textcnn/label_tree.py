"""The tree over the labels of a model: probabilities of inner nodes, and the deepest node that is sure enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError

SEPARATORS = ("/", ".", ">")
_ROOT, _UNKNOWN = 0, -1
_CELLS = 2**23  # probabilities of nodes that are in memory at once
_LEAST = float(np.finfo(np.float32).tiny)  # the least threshold: what is below the end of a way does not reach it

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Chain = tuple[str, ...]


class Nodes(NamedTuple):
    """The answers to N rows: numbers ``(N,)`` of nodes, their probabilities and their levels, 1 below the root.

    Level 0 is the root, which is no answer; number and probability are then those of the most probable node of level 1.
    """

    numbers: Numbers
    probabilities: Floats
    levels: Numbers


class Paths(NamedTuple):
    """The way of N rows from the root down, always to the most probable child, or to a leaf of the node's own.

    Attributes:
        numbers: ``(N, D)``, the nodes of levels 1 to D; 0 below the end of the way.
        probabilities: ``(N, D)``, which never rise from level to level; 0 below the end.
    """

    numbers: Numbers
    probabilities: Floats


@dataclass(frozen=True)
class LabelTree:
    """A tree whose leaves are the labels of a model; a label at an inner node is a leaf of its own below that node.

    Args:
        labels: the C labels of the model.
        chains: for each label the names of the nodes from level 1 down to the label itself.
        separator: what stands between the names in a label; empty: the labels are names of nodes of a file.
    """

    labels: tuple[str, ...]
    chains: tuple[Chain, ...]
    separator: str = ""

    @classmethod
    def of_paths(cls, labels: Iterable[str], separator: str) -> LabelTree:
        """Return the tree of labels that are paths, as ``noun.animal``.

        Raises:
            DataError: a part of a path is empty, or two labels are the same path.
        """
        labels, names = tuple(labels), dict[Chain, str]()
        for label in labels:
            if (before := names.setdefault(_parts(label, separator), label)) != label:
                raise DataError(f"expected labels that are different paths, found {before!r} and {label!r}")
        chains = []
        for label in labels:
            parts, pieces = _parts(label, separator), label.split(separator)
            levels = range(1, len(parts) + 1)  # an inner node is called as the label that it is, or by a label's start
            chains.append(tuple(names.setdefault(parts[:n], separator.join(pieces[:n]).strip()) for n in levels))
        return cls(labels, tuple(chains), separator)

    @classmethod
    def of_parents(cls, labels: Iterable[str], parents: Mapping[str, str]) -> LabelTree:
        """Return the tree of labels and the parents of nodes; the parent of a node of level 1 is empty, or not there.

        Raises:
            DataError: a label is not in the tree, or a node is below itself.
        """
        labels, known = tuple(labels), {*parents, *parents.values()} - {""}
        if lacking := [label for label in labels if label not in known]:
            more = f" and {len(lacking) - 3:,} more" if len(lacking) > 3 else ""
            raise DataError(
                f"expected all labels in the tree, found no line child,parent with {', '.join(map(repr, lacking[:3]))}"
                f"{more}; add it"
            )
        return cls(labels, tuple(_upwards(label, parents) for label in labels))

    @classmethod
    def of(cls, labels: Iterable[str], saved: Mapping[str, Any]) -> LabelTree:
        """Return the tree of these labels that :meth:`to_json` has described, or that of further labels.

        Raises:
            DataError: the labels do not fit it.
        """
        if "separator" in saved:
            return cls.of_paths(labels, saved["separator"])
        return cls.of_parents(labels, saved["parents"])

    def to_json(self) -> dict[str, Any]:
        """Return the entry of config.json: the separator, or the parent of each node."""
        return {"separator": self.separator} if self.separator else {"parents": self._parents}

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The names of the M nodes: the root, which is called "", then each node before those below it."""
        children: dict[str, list[str]] = {"": []}
        for child, parent in self._parents.items():
            children.setdefault(parent, []).append(child)
        found, left = [], [""]
        while left:
            found.append(left.pop())
            left += reversed(children.get(found[-1], ()))
        return tuple(found)

    @cached_property
    def levels(self) -> Numbers:
        """The level ``(M,)`` of each node: 0 of the root."""
        found = [0]
        for parent in self._above[1:].tolist():
            found.append(found[parent] + 1)
        return np.array(found)

    @cached_property
    def label_levels(self) -> Numbers:
        """The level ``(C,)`` of each label."""
        return np.array([len(chain) for chain in self.chains])

    @cached_property
    def columns(self) -> Numbers:
        """The column ``(M,)`` of the label that each node is; -1 for a node that is none."""
        place = {label: column for column, label in enumerate(self.labels)}
        return np.array([place.get(name, -1) for name in self.nodes])

    @cached_property
    def is_inner(self) -> npt.NDArray[np.bool_]:
        """Whether there are nodes below each node ``(M,)``."""
        return np.isin(np.arange(len(self.nodes)), self._above[1:])

    @property
    def depth(self) -> int:
        """The number of levels D below the root."""
        return int(self.label_levels.max())

    def chain(self, label: str) -> Chain:
        """Return the names of the nodes down to a label; of one that is not in the tree, as far as it tells them."""
        if label in self._chain_of:
            return self._chain_of[label]
        if self.separator and all(map(str.strip, label.split(self.separator))):
            return LabelTree.of_paths((label,), self.separator).chains[0]
        return _upwards(label, self._parents)

    def describe(self) -> str:
        """Describe in one line the size of the tree, and its labels at inner nodes."""
        own = [self.nodes[number] for number in np.flatnonzero(self.is_inner & (self.columns >= 0))]
        shown = ", ".join(map(repr, own[:3])) + (", ..." if len(own) > 3 else "")
        return (
            f"a tree of {len(self.labels):,} labels: {self.depth} level{'s' * (self.depth > 1)} below the root, "
            f"{self.is_inner[1:].sum():,} inner nodes" + (f"; labels at inner nodes: {shown}" if own else "")
        )

    def probabilities(self, probs: Floats, *, multi_label: bool = False) -> Floats:
        """Return the probabilities ``(N, M)`` of the nodes.

        That of an inner node is the sum of the labels at and below it, added from the last node to the first, and at
        most 1; multi-label, it is the largest of them.

        Args:
            probs: ``(N, C)``, the probabilities of the labels.
            multi_label: whether the labels of a row are independent of each other.
        """
        found = np.zeros((len(self.nodes), len(probs)))
        found[self.columns >= 0] = probs.T[self.columns[self.columns >= 0]]
        join = np.maximum if multi_label else np.add
        above = self._above.tolist()
        for number in range(len(found) - 1, 0, -1):
            join(found[above[number]], found[number], out=found[above[number]])
        return np.minimum(found, 1.0, out=found).T

    def paths(self, probs: Floats, *, multi_label: bool = False) -> Paths:
        """Return the way of each row down the tree; arguments are those of :meth:`probabilities`."""
        numbers, found = np.zeros((len(probs), self.depth), np.int64), np.zeros((len(probs), self.depth))
        size = max(1, _CELLS // len(self.nodes))
        for start in range(0, len(probs), size):
            part = slice(start, start + size)
            values = self.probabilities(probs[part], multi_label=multi_label).T
            here, is_on = np.zeros(values.shape[1], np.int64), np.ones(values.shape[1], np.bool_)
            for level in range(self.depth):
                for node in np.unique(here[is_on]).tolist():
                    rows = np.flatnonzero(is_on & (here == node))
                    here[rows], is_on[rows] = self._most_probable(node, rows, values, probs[part])
                numbers[part, level] = np.where(is_on, here, _ROOT)
                found[part, level] = np.where(is_on, values[here, np.arange(len(here))], 0.0)
        return Paths(numbers, found)

    def _most_probable(
        self, node: int, rows: Numbers, values: Floats, probs: Floats
    ) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Return the most probable child of a node in each of the rows, and whether it is no leaf of the node's own."""
        children, column = self._below[node], self.columns[node]
        if not len(children):
            return np.full(len(rows), node), np.zeros(len(rows), np.bool_)
        best = children[values[np.ix_(children, rows)].argmax(axis=0)]
        return best, np.full(len(rows), True) if column < 0 else values[best, rows] >= probs[rows, column]

    def of_labels(self, probs: Floats) -> Nodes:
        """Return the most probable label of each row as a node, with the probability of the label alone."""
        best = probs.argmax(axis=1)
        numbers = np.array([self._number_of[label] for label in self.labels])[best]
        return Nodes(numbers, probs[np.arange(len(best)), best], self.label_levels[best])

    def answers(self, probs: Floats, least: float) -> Nodes:
        """Return the deepest node on the way of each row whose probability is ``least`` or more (single-label).

        There is one such way where ``least`` is above one half, whatever its children.
        """
        numbers, found = self.paths(probs)
        levels = (found.astype(np.float32) >= np.float32(max(least, _LEAST))).sum(axis=1)
        places = np.arange(len(probs)), np.maximum(levels - 1, 0)
        return Nodes(numbers[places], found[places], levels)

    def likeliest_below(self, probs: Floats, numbers: Numbers) -> Numbers:
        """Return the column ``(N,)`` of the most probable label at or below the node of each row."""
        found = np.empty(len(probs), np.int64)
        for number in np.unique(numbers).tolist():
            after = np.flatnonzero(self.levels[number + 1 :] <= self.levels[number])  # nodes below come before these
            stop = number + 1 + int(after[0]) if len(after) else len(self.nodes)
            columns, rows = self.columns[number:stop], np.flatnonzero(numbers == number)
            columns = np.sort(columns[columns >= 0])
            found[rows] = columns[probs[np.ix_(rows, columns)].argmax(axis=1)]
        return found

    def right_levels(self, chains: Numbers, truth: Sequence[str]) -> Numbers:
        """Return how many nodes of ``chains (N, D)``, from level 1 down, are the true label of the row or above it."""
        place = {label: number for number, label in enumerate(dict.fromkeys(truth))}
        wanted = self._numbered(map(self.chain, place))[[place[label] for label in truth]]
        same = (chains == wanted) & (chains != _ROOT)
        return np.asarray(np.logical_and.accumulate(same, axis=1).sum(axis=1))

    def are_right(self, answers: Nodes, truth: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return which answers ``(N,)`` are the true label or a node above it; the root is not right."""
        chains = self._numbered(_upwards(name, self._parents) if name else () for name in self.nodes)
        return (answers.levels > 0) & (self.right_levels(chains[answers.numbers], truth) >= answers.levels)

    @cached_property
    def _parents(self) -> dict[str, str]:
        return {child: parent for chain in self.chains for parent, child in zip(("", *chain), chain, strict=False)}

    @cached_property
    def _above(self) -> Numbers:
        """The number ``(M,)`` of the node above each; of the root, its own."""
        return np.array([_ROOT, *(self._number_of[self._parents[name]] for name in self.nodes[1:])])

    @cached_property
    def _below(self) -> list[Numbers]:
        """The numbers of the children of each node, in their order."""
        order = np.argsort(self._above[1:], kind="stable") + 1
        return np.split(order, np.cumsum(np.bincount(self._above[1:], minlength=len(self.nodes)))[:-1])

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.nodes)}

    @cached_property
    def _chain_of(self) -> dict[str, Chain]:
        return dict(zip(self.labels, self.chains, strict=True))

    def _numbered(self, chains: Iterable[Chain]) -> Numbers:
        """Return the numbers ``(K, D)`` of the nodes of K chains, cut or filled with 0; -1: there is no such node."""
        found = [[self._number_of.get(name, _UNKNOWN) for name in chain[: self.depth]] for chain in chains]
        return np.array([[*row, *[_ROOT] * (self.depth - len(row))] for row in found], np.int64).reshape(-1, self.depth)


def is_description(value: Any) -> bool:
    """Return whether a value of config.json has the form of :meth:`LabelTree.to_json`, or is none."""
    if not isinstance(value, dict) or len(value) != 1:
        return value is None
    parents = value.get("parents")
    is_table = isinstance(parents, dict) and all(isinstance(name, str) for name in [*parents, *parents.values()])
    return is_table or value.get("separator") in SEPARATORS


def _parts(label: str, separator: str) -> Chain:
    parts = tuple(part.strip() for part in label.split(separator))
    if not all(parts):
        raise DataError(f"expected labels that are paths with {separator!r} between their parts, found {label!r}")
    return parts


def _upwards(name: str, parents: Mapping[str, str]) -> Chain:
    """Return the names of the nodes from level 1 down to a node.

    Raises:
        DataError: the node is below itself.
    """
    chain = [name]
    seen = {name}
    while name := parents.get(name, ""):
        chain.append(name)
        if name in seen:
            raise DataError(f"expected a tree, found a circle of parents: {', '.join(map(repr, chain))}")
        seen.add(name)
    return tuple(reversed(chain))
