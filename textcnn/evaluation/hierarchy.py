"""Metrics of labels that are the leaves of a tree: accuracy by level, hierarchical precision and recall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from textcnn.label_tree import LabelTree


def hierarchy_scores(truth: Sequence[Sequence[str]], given: Sequence[Sequence[str]], tree: LabelTree) -> dict[str, Any]:
    """Compute the metrics of labels given to N rows, one row at least.

    Hierarchical precision and recall (Kiritchenko et al. 2006) count the nodes from level 1 down to each label, so that
    a wrong label is the less wrong the more of its way is right. A label above a level stands for itself there.

    Args:
        truth: the true labels of each row.
        given: the labels that a model gave each row.
        tree: the tree of the model's labels.

    Returns:
        levels: for each level the share of rows whose labels, cut there, are the true ones; precision, recall and f1;
        per_node: a dictionary of precision, recall, f1 and support for each inner node of these rows.
    """
    pairs = Counter((frozenset(t), frozenset(g)) for t, g in zip(truth, given, strict=True))
    right, wanted, found, hits = Counter[int](), Counter[str](), Counter[str](), Counter[str]()
    for (true, own), count in pairs.items():
        chains = [tree.chain(name) for name in true], [tree.chain(name) for name in own]
        for level in range(1, tree.depth + 1):
            true_nodes, own_nodes = ({chain[:level][-1] for chain in each} for each in chains)
            right[level] += count * (true_nodes == own_nodes)
        true_nodes, own_nodes = ({node for chain in each for node in chain} for each in chains)
        for total, nodes in ((wanted, true_nodes), (found, own_nodes), (hits, true_nodes & own_nodes)):
            total.update(dict.fromkeys(nodes, count))
    inner = [name for name, is_inner in zip(tree.nodes, tree.is_inner, strict=True) if is_inner and name]
    return {
        "levels": [{"level": level, "accuracy": right[level] / len(truth)} for level in range(1, tree.depth + 1)],
        **_ratios(hits.values(), found.values(), wanted.values()),
        "per_node": {
            name: {**_ratios([hits[name]], [found[name]], [wanted[name]]), "support": wanted[name]}
            for name in inner
            if wanted[name] or found[name]
        },
    }


def _ratios(hits: Iterable[int], given: Iterable[int], wanted: Iterable[int]) -> dict[str, float]:
    both, num_given, num_wanted = sum(hits), sum(given), sum(wanted)
    return {
        "precision": both / num_given if num_given else 0.0,
        "recall": both / num_wanted if num_wanted else 0.0,
        "f1": 2 * both / (num_given + num_wanted) if num_given + num_wanted else 0.0,
    }
