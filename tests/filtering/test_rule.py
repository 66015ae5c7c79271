"""The exact quantile of a share, and the names of a label's folder."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.errors import ConfigError
from textcnn.filtering.rule import Rule, folder_of, num_kept, quantile_cut
from textcnn.labels import Labels, Target

SCORES = st.one_of(st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, float("nan")]), st.floats(0, 1), st.floats(-9, 9))


@given(
    st.lists(st.lists(SCORES, max_size=8), min_size=1, max_size=4),
    st.floats(0, 1, exclude_min=True, exclude_max=True),
)
def test_a_cut_keeps_the_largest_scores_and_of_equal_ones_the_first(shards, share):
    parts = {f"{number}": np.array(scores, np.float64) for number, scores in enumerate(shards)}
    cut = quantile_cut(parts, share)
    kept = np.concatenate([cut.kept(values, 0, name) for name, values in parts.items()])
    scores = np.concatenate(list(parts.values()))
    order = sorted((-score, place) for place, score in enumerate(scores.tolist()) if score == score)
    expected = {place for _, place in order[: num_kept(len(order), share)]}
    assert set(np.flatnonzero(kept).tolist()) == expected


def test_ties_are_counted_over_the_blocks_of_a_shard():
    values = np.array([0.5, 0.5, 0.5, 0.7])
    cut = quantile_cut({"a": values, "b": values}, 6 / 8)
    assert cut.ties == {"a": 3, "b": 1}
    assert cut.kept(values[:2], 0, "b").tolist() == [True, False]
    assert cut.kept(values[2:], 2, "b").tolist() == [False, True]


def test_a_share_is_rounded_to_the_nearest_number_of_documents():
    assert [num_kept(10, share) for share in (0.04, 0.05, 0.14, 0.15)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("label", "folder"),
    [("pos", "pos"), ("a/b", "a%2Fb"), ("..", "%2E."), ("_x", "%5Fx"), ("é ü", "%C3%A9 %C3%BC"), ("", "%")],
)
def test_a_label_makes_a_folder_that_is_safe(label, folder):
    assert folder_of(label) == folder


def test_a_route_needs_one_label_a_document_and_free_names():
    with pytest.raises(ConfigError, match="this model gives several"):
        Rule(None).check(Labels(("a", "b"), multi_label=True))
    with pytest.raises(ConfigError, match="--route cannot make a folder 'rejected'"):
        Rule(None).check(Labels(("a", "rejected")))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(None), "--route is for models of labels, and this one predicts numbers"),
        (Rule("other", min_score=1.0), "--keep expects a number that the model predicts ('stars'), got 'other'"),
        (Rule("stars", 0.5), "--min-probability is for models of labels, this one predicts numbers; use --min-score"),
        (Rule("stars"), "--keep of a number expects --min-score or --keep-share, and not both"),
        (Rule("stars", min_score=float("inf")), "--min-score expects a finite number, got inf"),
    ],
)
def test_rules_that_do_not_fit_numbers(rule, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        rule.of(Labels(("stars",), targets=(Target(3.0, 1.0, 1.0, 5.0),)))


def test_a_least_number_does_not_fit_labels():
    with pytest.raises(ConfigError, match="--min-score is for models of numbers"):
        Rule("a", min_score=1.0).of(Labels(("a", "b")))
