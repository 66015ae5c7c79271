"""Near-duplicates are those of comparing every pair of texts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.reading.statistics import near_duplicates, similarity

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), max_size=8)


@pytest.mark.slow
@settings(deadline=None)
@given(TEXTS, TEXTS, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_none_is_missed_and_none_is_made_up(first, second, threshold):
    found = near_duplicates(first, second, threshold)
    best = {}
    for j, other in enumerate(second):
        values = [similarity(one, other) for one in first]
        if values and max(values) >= threshold:
            best[j] = (max(values), values.index(max(values)))
    assert {pair.test_row: (pair.similarity, pair.row) for pair in found} == best
    assert [pair.similarity for pair in found] == sorted((pair.similarity for pair in found), reverse=True)


def test_case_and_blanks_do_not_count_and_an_empty_text_is_like_no_other():
    assert [pair.similarity for pair in near_duplicates(["A  good\nfilm !", ""], ["a GOOD film!", "", "x"])] == [1.0]


def test_one_changed_word_of_a_long_text():
    text = " ".join(f"w{k}" for k in range(30))
    (pair,) = near_duplicates(["other words", text], [text.replace("w12", "x")])
    assert (pair.row, pair.test_row) == (1, 0)
    assert 0.8 < pair.similarity < 1


def test_sentences_without_blanks_are_compared_word_by_word():
    chinese = "我们昨天在北京的一家小餐馆里吃了非常好吃的烤鸭和很多其他的菜"
    changed = chinese.replace("烤鸭", "火锅")
    assert similarity(chinese, changed) > 0.8
    japanese = "昨日は東京の小さなレストランでとてもおいしい寿司をたくさん食べました"
    found = near_duplicates([chinese, japanese], [japanese.replace("寿司", "天丼"), changed], 0.8)
    assert [(pair.row, pair.test_row) for pair in found] in ([(0, 1), (1, 0)], [(1, 0), (0, 1)])
