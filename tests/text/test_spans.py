"""Character offsets from remembered chunks are those of the tokenizer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.config import TextConfig
from textcnn.text.spans import Spans
from textcnn.text.tokenizer import Tokenizer

TRAIN = ["a good film, it's a good plot", "İstanbul e\u0301tude 漢字 don't", "the end of the films"]
characters = st.sampled_from("agodfilmI'!,. \t\n\u3000\xa0\x85\x1c\x1f漢字éİ\u0301\u0327ß\ud800\0") | st.characters()


@pytest.fixture(scope="module", params=["word", "wordpiece", "char", "bpe"])
def tokenizer(request):
    return Tokenizer.train(TRAIN, TextConfig(tokenizer=request.param))


@settings(deadline=None, max_examples=150)
@given(text=st.text(characters, max_size=30))
def test_spans_are_those_of_the_tokenizer_one_for_each_token(tokenizer, text):
    spans = Spans(tokenizer, most_chunks=2)
    for _ in range(2):
        assert list(spans(text)) == tokenizer.spans(text)
    found = spans(text)
    assert [found[k] for k in range(len(found))] == found[:] == list(found)
    assert len(found) == len(tokenizer.encode_batch([text]).ids)


def test_places_are_counted_from_both_ends(tokenizer):
    found = Spans(tokenizer)("a good  film")
    assert (found[0], found[-1]) == (tokenizer.spans("a good  film")[0], tokenizer.spans("a good  film")[-1])
    assert len(found[1:]) == len(found) - 1
    with pytest.raises(IndexError):
        found[len(found)]
