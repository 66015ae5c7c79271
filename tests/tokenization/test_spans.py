"""Character offsets from remembered chunks are those of the tokenizer."""

import copy
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import core
from textcnn.config import TextConfig
from textcnn.tokenization.offsets import Spans
from textcnn.tokenization.tokenizer import Tokenizer

TRAIN = ["a good film, it's a good plot", "İstanbul e\u0301tude 漢字 don't", "the end of the films"]
characters = st.sampled_from("agodfilmI'!,. \t\n\u3000\xa0\x85\x1c\x1f漢字éİ\u0301\u0327ß\ud800\0") | st.characters()


@pytest.fixture(scope="module", params=["word", "wordpiece", "char", "bpe"])
def tokenizer(request):
    return Tokenizer.train(TRAIN, TextConfig(tokenizer=request.param))


def lists(places):
    spans = list(zip(places.starts.tolist(), places.ends.tolist(), strict=True))
    return [spans[a:b] for a, b in pairwise(places.offsets.tolist())]


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(texts=st.lists(st.text(characters, max_size=30), max_size=4))
def test_places_are_the_spans_of_the_tokenizer_one_for_each_token(tokenizer, texts):
    expected = [tokenizer.spans(text) for text in texts]
    spans = Spans(tokenizer, most_chunks=2)
    for _ in range(2):
        found = spans(texts)
        assert lists(found) == expected
        assert np.diff(found.offsets).tolist() == tokenizer.encode_batch(texts).lengths.tolist()
    for number in range(len(texts)):
        assert lists(found.of(number)) == [expected[number]]


def test_without_the_core_they_are_the_same(tokenizer, monkeypatch):
    texts = ["a good  film", "", "漢字 don't"] * 2
    compiled = lists(Spans(tokenizer)(texts))
    monkeypatch.setattr(core, "library", lambda: None)
    assert lists(Spans(tokenizer)(texts)) == compiled


def test_what_failed_is_forgotten(tokenizer, monkeypatch):
    spans = Spans(tokenizer)
    with monkeypatch.context() as patch:
        patch.setattr(Tokenizer, "spans", lambda self, text: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            spans(["a good film, e\u0301tude"])
    assert lists(spans(["a good film, e\u0301tude"])) == [tokenizer.spans("a good film, e\u0301tude")]


def test_copies_begin_anew(tokenizer):
    spans = Spans(tokenizer)
    spans(["a good film"])
    assert lists(copy.copy(spans)(["the film"])) == [tokenizer.spans("the film")]
