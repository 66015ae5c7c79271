"""Texts cut where their reasons are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.errors import DataError
from textcnn.report.content import Reason
from textcnn.report.page import highlight

SPANS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.floats(-2, 2)), max_size=6)


@given(SPANS)
def test_the_parts_are_the_text_and_add_up(spans):
    text = "0123456789"
    reasons = [Reason(min(a, b), max(a, b), c) for a, b, c in spans]
    parts = highlight(text, reasons)
    assert "".join(part.text for part in parts) == text
    position = 0
    for part in parts:
        covering = [r.contribution for r in reasons if r.start <= position and position + len(part.text) <= r.end]
        assert part.contribution == pytest.approx(sum(covering))
        assert -1 <= part.strength <= 1
        position += len(part.text)


def test_words_for_and_against():
    parts = highlight("not good", [Reason(0, 3, -1.0), Reason(4, 8, 2.0)])
    assert [tuple(part) for part in parts] == [("not", -1.0, -0.5), (" ", 0.0, 0.0), ("good", 2.0, 1.0)]


@pytest.mark.parametrize("span", [(-1, 2), (3, 2), (0, 9)])
def test_a_reason_outside_its_text(span):
    with pytest.raises(DataError, match=f"within the 8 characters of its text, got {span[0]} to {span[1]}"):
        highlight("not good", [Reason(*span, 1.0)])
