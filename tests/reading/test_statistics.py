"""Numbers about texts: lengths, types, and what a vocabulary does not have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.config import ModelConfig, TextConfig
from textcnn.reading.statistics import expected_unknown, frequent_unknown, text_statistics
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

TEXTS = ["a film", "a good films films", "", "goods films", "xyxy"]


def pipeline(*, subwords, max_length=3):
    tokenizer = Tokenizer.train(["a good film"], TextConfig())
    lexicon = build_lexicon(tokenizer, ModelConfig(subwords=subwords))
    return TextPipeline(tokenizer, max_length, lexicon)


def test_numbers_of_a_few_texts():
    for subwords, types in ((True, 6), (False, 4)):  # without sub-words all unknown words are one token
        inputs = pipeline(subwords=subwords)
        found = text_statistics(inputs, inputs.encode(TEXTS))
        lengths = found.pop("lengths")
        assert found == {"rows": 5, "tokens": 9, "types": types, "unknown": 5, "cut": 1, "empty": 1}
        assert len(lengths) == 21
        assert (lengths[0], lengths[10], lengths[-1]) == (0, 2, 4)


def test_no_texts():
    inputs = pipeline(subwords=True)
    found = text_statistics(inputs, inputs.encode([]))
    assert found == {"rows": 0, "tokens": 0, "types": 0, "unknown": 0, "cut": 0, "empty": 0, "lengths": []}
    assert frequent_unknown(inputs, inputs.encode([]), 5) == []


def test_unknown_words_by_frequency():
    inputs = pipeline(subwords=True)
    assert frequent_unknown(inputs, inputs.encode(TEXTS), 5) == [("films", 3), ("goods", 1)]
    assert frequent_unknown(inputs, inputs.encode(TEXTS), 1) == [("films", 3)]
    inputs = pipeline(subwords=False)
    assert frequent_unknown(inputs, inputs.encode(TEXTS), 5) == []


WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@given(rows=st.lists(st.lists(WORDS, max_size=5).map(" ".join), min_size=1, max_size=8), known=st.integers(0, 3))
def test_the_unknown_words_to_expect_are_those_of_leaving_one_text_out(rows, known):
    tokenizer = Tokenizer.train(rows or ["a"], TextConfig())
    inputs = TextPipeline(tokenizer)
    always = set(tokenizer.types()[:known])
    found = expected_unknown(inputs, inputs.encode(rows), known=known)
    unknown = [
        word not in always and not any(word in other.split() for other in rows[:n] + rows[n + 1 :])
        for n, row in enumerate(rows)
        for word in row.split()
    ]
    assert found == (pytest.approx(np.mean(unknown)) if unknown else None)


def test_words_that_a_vocabulary_leaves_out_are_to_be_expected_too():
    rows = ["a a b", "a b", "c c"]  # two of each at least, but c in one text alone
    for subwords in (True, False):
        tokenizer = Tokenizer.train(rows, TextConfig(vocabulary_size=4))
        inputs = TextPipeline(tokenizer, None, build_lexicon(tokenizer, ModelConfig(subwords=subwords)))
        assert expected_unknown(inputs, inputs.encode(rows)) == pytest.approx(2 / 7)


def test_many_blocks_are_one(monkeypatch):
    rows = ["a b", "c", "b a", "d a", ""]
    inputs = TextPipeline(Tokenizer.train(rows, TextConfig()))
    encoded = inputs.encode(rows)
    expected = expected_unknown(inputs, encoded)
    whole = type(encoded).blocks
    monkeypatch.setattr(type(encoded), "blocks", lambda self, num_tokens: whole(self, 2))
    assert expected_unknown(inputs, encoded) == expected == pytest.approx(2 / 7)


def test_pieces_of_words_are_always_known():
    rows = ["a film", "a filmic film"] * 3
    inputs = TextPipeline(Tokenizer.train(rows, TextConfig(tokenizer="bpe")))
    assert expected_unknown(inputs, inputs.encode(rows)) is None
