"""Reads the setting ``hierarchy``: what stands between the parts of a label, or a file of children and parents."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from textcnn.errors import ConfigError, DataError
from textcnn.label_tree import SEPARATORS, LabelTree
from textcnn.labels import Labels
from textcnn.reading.messages import counted

HEADER = ["child", "parent"]


def labels_in_tree(labels: Labels, hierarchy: str | None, say: Callable[[str], None]) -> Labels:
    """Return the labels as leaves of the tree that the setting asks for; none: as they are.

    Args:
        labels: the labels.
        hierarchy: a separator, or the path of a file.
        say: receives a description of the tree.

    Raises:
        ConfigError: ``hierarchy`` is neither a separator nor a file.
        DataError: the file is no tree, or the labels do not fit it.
    """
    if hierarchy is not None:
        is_separator = hierarchy in SEPARATORS
        parents = {} if is_separator else read_parents(hierarchy)
        labels = labels.with_tree({"separator": hierarchy} if is_separator else {"parents": parents})
        nodes = {*parents, *parents.values()} - {"", *(() if labels.tree is None else labels.tree.nodes)}
        if nodes:
            say(f"note: {counted(len(nodes), 'node')} of {hierarchy} without a label at or below them left out")
    if labels.tree is not None:
        say(labels.tree.describe())
        if labels.tree.depth == 1:
            say("warning: the tree has one level, so it says nothing; is this what stands between the labels' parts?")
    return labels


def read_parents(path: str | Path) -> dict[str, str]:
    """Read the lines ``child,parent`` of a CSV file into the parent of each child; an empty parent is the root.

    A first line that says ``child,parent`` is a header. Cells may be parted by tabs.

    Raises:
        ConfigError: there is no such file.
        DataError: a line has another number of cells, no child, or a second parent of a child; or a node is below
            itself.
    """
    parents: dict[str, str] = {}
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(
            f"hierarchy must be one of {' '.join(SEPARATORS)} or a file child,parent, got {str(path)!r}: {err}"
        ) from err
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    for line, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (line == 1 and [cell.lower() for cell in cells] == HEADER):
            continue
        if len(cells) != 2:
            raise DataError(f"expected a line child,parent, found {row!r}", path=path, line=line)
        child, parent = cells
        if not child:
            raise DataError(f"expected a child before the parent {parent!r}, found none", path=path, line=line)
        if parents.setdefault(child, parent) != parent:
            raise DataError(
                f"expected one parent of {child!r}, found {parents[child]!r} and {parent!r}", path=path, line=line
            )
    try:
        LabelTree.of_parents(parents, parents)
    except DataError as err:
        raise DataError(str(err), path=path) from err
    return parents
