"""Texts as Arrow lays them out: a sequence of strings to whoever wants one, and bytes to the core."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.config import TextConfig
from textcnn.tokenization.arrow_texts import ArrowTexts, arrow_column
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

texts = st.lists(st.text(max_size=12), max_size=12)
plain = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=12)


@settings(deadline=None)
@given(texts)
def test_a_sequence_of_strings(given_texts):
    found = ArrowTexts.of(given_texts)
    assert len(found) == len(given_texts)
    assert list(found) == found.tolist() == given_texts
    assert [found[i] for i in range(len(found))] == given_texts
    assert [found[-i] for i in range(1, len(found) + 1)] == given_texts[::-1]
    assert list(found[1:3]) == given_texts[1:3]
    assert list(found[::-2]) == given_texts[::-2]
    assert list(found[5:2]) == []
    assert [text for part in found.slices(7) for text in part] == given_texts
    assert list(ArrowTexts.concatenate([found[:2], found[2:]])) == given_texts
    with pytest.raises(IndexError):
        found[len(found)]


@settings(deadline=None)
@given(texts)
def test_blanks_and_nuls(given_texts):
    found = ArrowTexts.of(["", " ", "\x85\u3000", "\0", *given_texts])
    assert found.blank() == sum(not text or text.isspace() for text in found)
    again, count = found.without_nuls()
    assert list(again) == [text.replace("\0", " ") for text in found]
    assert count == sum(text.count("\0") for text in found)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
@settings(deadline=None)
@given(given_texts=plain, start=st.integers(0, 5))
def test_columns_of_arrow(given_texts, start, kind):
    column = pa.array(given_texts, pa.string()).cast(kind)[start:]
    for one in (column, pa.chunked_array([column, column[1:]])):
        found = ArrowTexts.of_arrow(one)
        assert found is not None
        assert list(found) == one.to_pylist()
        assert found.to_arrow() == pa.array(one.to_pylist(), pa.string())


def test_other_columns_are_not_taken():
    for column in (pa.array(["a", None]), pa.array([1]), pa.array(["a"]).dictionary_encode()):
        assert ArrowTexts.of_arrow(column) is None
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")]
    )
    assert ArrowTexts.of_arrow(broken) is None


def test_columns_of_libraries():
    import pandas
    import polars

    given_texts = ["a", "b c", ""]
    for column in (
        polars.Series(given_texts),
        pandas.Series(given_texts, dtype="string[pyarrow]"),
        pandas.Series(given_texts, dtype=pandas.ArrowDtype(pa.string())),
        pa.array(given_texts),
    ):
        found = arrow_column(column)
        assert found is not None
        assert list(found) == given_texts
    assert arrow_column(given_texts) is None
    assert arrow_column(pandas.Series([1, 2])) is None


@pytest.mark.slow
@settings(deadline=None)
@given(texts)
def test_ids_are_those_of_strings(given_texts):
    pipeline = TextPipeline(Tokenizer.train(["a good film", "é ü"], TextConfig()))
    ours, theirs = pipeline.encode(ArrowTexts.of(given_texts)), pipeline.encode(given_texts)
    np.testing.assert_array_equal(ours.ids, theirs.ids)
    np.testing.assert_array_equal(ours.offsets, theirs.offsets)
