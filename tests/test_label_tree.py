"""The tree over labels: sums of leaves, the deepest sure node, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.errors import DataError
from textcnn.evaluation.hierarchy import hierarchy_scores
from textcnn.evaluation.promises import HeldOutAnswers, Promise, answered_nodes, sure_answers
from textcnn.label_tree import LabelTree, is_description
from textcnn.labels import Labels

PARTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
PATHS = st.lists(PARTS, min_size=1, max_size=12, unique=True)


def tree_of(*labels: str) -> LabelTree:
    return LabelTree.of_paths(labels, "/")


def drawn(number: int, columns: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(columns, 0.4), number)


def is_at_or_above(node: str, label: str) -> bool:
    return f"{label}/".startswith(f"{node}/")


@settings(deadline=None, max_examples=50)
@given(labels=PATHS, seed=st.integers(0, 2**32 - 1), number=st.integers(1, 9))
def test_nodes_are_the_sums_of_the_labels_at_and_below_them_in_any_batch(labels, seed, number):
    tree, probs = tree_of(*labels), drawn(number, len(labels), seed)
    found = tree.probabilities(probs)
    for node, column in zip(tree.nodes[1:], found.T[1:], strict=True):
        below = [place for place, label in enumerate(labels) if is_at_or_above(node, label)]
        assert column == pytest.approx([math.fsum(row) for row in probs[:, below]], abs=1e-12)
    assert found[:, 0] == pytest.approx(1)
    for row in range(number):
        assert (tree.probabilities(probs[row : row + 1]) == found[row]).all()
    above = [tree.nodes.index(node.rpartition("/")[0]) for node in tree.nodes[1:]]
    assert (found[:, above] >= found[:, 1:]).all()


@settings(deadline=None, max_examples=50)
@given(labels=PATHS, seed=st.integers(0, 2**32 - 1))
def test_nodes_of_independent_labels_are_as_probable_as_the_most_probable_of_them(labels, seed):
    tree, probs = tree_of(*labels), np.random.default_rng(seed).random((3, len(labels)))
    for node, column in zip(tree.nodes[1:], tree.probabilities(probs, multi_label=True).T[1:], strict=True):
        below = [place for place, label in enumerate(labels) if is_at_or_above(node, label)]
        assert (column == probs[:, below].max(axis=1)).all()


@settings(deadline=None, max_examples=50)
@given(labels=PATHS, seed=st.integers(0, 2**32 - 1), least=st.floats(0.51, 1))
def test_the_answer_is_the_deepest_node_that_is_sure_enough(labels, seed, least):
    tree, probs = tree_of(*labels), drawn(20, len(labels), seed)
    nodes = tree.probabilities(probs)
    answers = tree.answers(probs, least)
    for row, (number, value, level) in enumerate(zip(*answers, strict=True)):
        sure = np.flatnonzero(nodes[row].astype(np.float32) >= np.float32(least))
        deepest = sure[tree.levels[sure].argmax()] if len(sure) else 0
        assert level == tree.levels[deepest]
        assert value == nodes[row, number]
        if level:
            assert number == deepest
        else:  # the root is no answer: the most probable node of level 1 is shown
            assert value == nodes[row, tree.levels == 1].max()


@settings(deadline=None, max_examples=50)
@given(labels=PATHS, seed=st.integers(0, 2**32 - 1), pair=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_who_asks_for_more_gets_a_node_above_or_the_same(labels, seed, pair):
    tree, probs = tree_of(*labels), drawn(20, len(labels), seed)
    low, high = (tree.answers(probs, least) for least in sorted(pair))
    assert (high.levels <= low.levels).all()
    for above, below in zip(high.numbers, low.numbers, strict=True):
        assert is_at_or_above(tree.nodes[above], tree.nodes[below])


@settings(deadline=None, max_examples=60)
@given(labels=PATHS.filter(lambda labels: len(labels) > 1), seed=st.integers(0, 2**32 - 1), accuracy=st.floats(0.3, 1))
def test_held_out_rows_are_answered_as_rightly_as_promised_and_not_less_often_than_by_a_higher_threshold(
    labels, seed, accuracy
):
    known = Labels(tuple(labels)).with_tree({"separator": "/"})
    probs = drawn(200, len(labels), seed)
    random = np.random.default_rng(seed)
    truth = [(labels[random.choice(len(labels), p=row)],) for row in probs]
    least = HeldOutAnswers.of(probs, truth, known).least_confidence(accuracy)
    if least > 1:
        surest = float(known.tree.paths(probs).probabilities.max())
        assert sure_answers(truth, probs, known, Promise(surest))["accuracy"] < accuracy
        return
    found = sure_answers(truth, probs, known, Promise(least))
    assert found["accuracy"] >= accuracy
    assert sum(found["levels"]) == pytest.approx(found["share"])
    # No lower threshold would do: just below, the next wrong node or row is let in.
    every = np.unique(known.tree.probabilities(probs).astype(np.float32))
    for lower in every[every < np.float32(least)]:
        assert sure_answers(truth, probs, known, Promise(float(lower)))["accuracy"] < accuracy


def test_a_label_at_an_inner_node_is_a_leaf_of_its_own_below_it():
    tree = tree_of("noun", "noun/animal", "verb")
    assert tree.nodes == ("", "noun", "noun/animal", "verb")
    assert tree.columns.tolist() == [-1, 0, 1, 2]
    probs = np.array([[0.5, 0.3, 0.2], [0.3, 0.5, 0.2]])
    assert tree.probabilities(probs)[:, 1].tolist() == [0.8, 0.8]
    paths = tree.paths(probs)
    assert paths.numbers.tolist() == [[1, 0], [1, 2]]  # the first row's way ends at the leaf of the node's own
    assert tree.answers(probs, 0.1).levels.tolist() == [1, 2]
    assert tree.describe() == (
        "a tree of 3 labels: 2 levels below the root, 1 inner nodes; labels at inner nodes: 'noun'"
    )


def test_independent_labels_are_answered_by_a_label():
    labels = Labels(("a/x", "a/y", "b"), multi_label=True).with_tree({"separator": "/"})
    found = answered_nodes(np.array([[0.9, 0.2, 0.3], [0.1, 0.2, 0.3]]), labels, Promise(0.5))
    assert [labels.tree.nodes[number] for number in found.numbers] == ["a/x", "b"]
    assert found.levels.tolist() == [2, 0]


def test_spellings_of_a_path_are_one_node():
    tree = LabelTree.of_paths(["Food > Fruit", "Food>Bread", "Food"], ">")
    assert tree.nodes == ("", "Food", "Food > Fruit", "Food>Bread")
    with pytest.raises(DataError, match="labels that are different paths, found 'a > b' and 'a>b'"):
        LabelTree.of_paths(["a > b", "a>b"], ">")
    with pytest.raises(DataError, match="paths with '/' between their parts, found 'a//b'"):
        tree_of("a//b")


def test_parents_make_a_tree_of_names():
    parents = {"dog": "animal", "oak": "plant", "animal": "life", "plant": "life"}
    tree = LabelTree.of_parents(("dog", "oak", "animal", "stone"), {**parents, "stone": ""})
    assert tree.nodes == ("", "life", "animal", "dog", "plant", "oak", "stone")
    assert tree.levels.tolist() == [0, 1, 2, 3, 2, 3, 1]
    assert tree.chain("plant") == ("life", "plant")
    assert tree.chain("moon") == ("moon",)
    with pytest.raises(
        DataError, match=r"all labels in the tree, found no line child,parent with 'cat', 'cow', 'ox' and 1 more"
    ):
        LabelTree.of_parents(("cat", "cow", "ox", "yak", "dog"), parents)
    with pytest.raises(DataError, match="expected a tree, found a circle of parents: 'a', 'b', 'a'"):
        LabelTree.of_parents(("a",), {"a": "b", "b": "a"})


@given(labels=PATHS)
def test_a_tree_is_restored_from_its_description(labels):
    tree = tree_of(*labels)
    assert is_description(tree.to_json())
    assert LabelTree.of(labels, tree.to_json()) == tree
    named = LabelTree.of_parents(labels, {label: label.rpartition("/")[0] for label in tree.nodes[1:]})
    assert named.nodes == tree.nodes
    assert LabelTree.of(labels, named.to_json()) == named


@pytest.mark.parametrize(
    "value", [{}, {"separator": "-"}, {"parents": {"a": 1}}, [], "/", {"separator": "/", "parents": {}}]
)
def test_other_descriptions_are_none(value):
    assert not is_description(value)


def test_a_wrong_label_is_the_less_wrong_the_more_of_its_way_is_right():
    tree = tree_of("a/x/1", "a/x/2", "a/y", "b")
    truth = [("a/x/1",), ("a/x/1",), ("a/y",), ("b",), ("c/z",)]
    given_labels = [("a/x/1",), ("a/x/2",), ("b",), ("b",), ("b",)]
    found = hierarchy_scores(truth, given_labels, tree)
    assert [entry["accuracy"] for entry in found["levels"]] == [3 / 5, 3 / 5, 2 / 5]
    assert found["precision"] == (3 + 2 + 0 + 1 + 0) / (3 + 3 + 1 + 1 + 1)
    assert found["recall"] == (3 + 2 + 0 + 1 + 0) / (3 + 3 + 2 + 1 + 2)
    assert found["per_node"] == {
        "a": {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3},
        "a/x": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2},
    }
