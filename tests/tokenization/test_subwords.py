from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.tokenization.lexicon import SubwordRule


def by_the_rule(word: str, rule: SubwordRule) -> list[int]:
    """The rule of the module's docstring, one character at a time."""
    marked = f"<{word}>"
    buckets = []
    for n in range(rule.n_min, rule.n_max + 1):
        for start in range(len(marked) - n + 1):
            value = 2166136261
            for byte in marked[start : start + n].encode("utf-8", "surrogatepass"):
                value = ((value ^ byte) * 16777619) % 2**32
            buckets.append(value % rule.buckets)
    return buckets[: rule.most]


@pytest.mark.slow
@given(
    *(st.lists(st.text(max_size=8), max_size=6), st.integers(1, 3), st.integers(0, 2)),
    *(st.sampled_from([7, 1000, 2**20]), st.none() | st.integers(1, 25)),
)
def test_bags_follow_the_rule(words, n_min, more, buckets, most):
    rule = SubwordRule(n_min, n_min + more, buckets, most)
    rows, offsets = rule.bags(words)
    assert [rows[a:b].tolist() for a, b in pairwise(offsets)] == [by_the_rule(w, rule) for w in words]


def test_the_rule_never_changes():
    rows, offsets = SubwordRule().bags(["cat", "日本"])
    assert offsets.tolist() == [0, 9, 15]
    cat = [53512, 19945, 48136, 88615, 16747, 89031, 51106, 88973, 27995]  # <c ca at t> <ca cat at> <cat cat>
    assert rows.tolist() == [*cat, 72335, 28721, 57397, 91675, 33629, 87871]


def test_n_grams_longer_than_every_word_take_no_time():
    words = ["a", "word", ""]
    rows, offsets = SubwordRule(2, 10**9, 1000).bags(words)
    longest = SubwordRule(2, len("<word>"), 1000).bags(words)
    assert (rows.tolist(), offsets.tolist()) == (longest[0].tolist(), longest[1].tolist())
    rows, offsets = SubwordRule(10**9, 10**9, 1000).bags(words)
    assert (rows.tolist(), offsets.tolist()) == ([], [0, 0, 0, 0])


def test_a_token_of_a_million_characters_has_no_more_n_grams_than_the_bound():
    buckets, offsets = SubwordRule(most=1024).bags(["ab" * 500_000, "word"])
    assert offsets.tolist() == [0, 1024, 1036]
    assert buckets[:1024].tolist() == SubwordRule(2, 2).bags(["ab" * 512])[0][:1024].tolist()
