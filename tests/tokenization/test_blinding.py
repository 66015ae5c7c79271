"""Blinded words and phrases: whatever stands in their place, the ids are the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.config import TextConfig
from textcnn.errors import ConfigError
from textcnn.tokenization.lexicon import Lexicon, SubwordRule
from textcnn.tokenization.masking import Blinding, read_phrase
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import UNKNOWN, Tokenizer

TRAIN = ["john saw a good film", "mary saw a bad film", "it's john's film , not a good one"]
TOKENIZER = Tokenizer.train(TRAIN, TextConfig())
LEXICON = Lexicon(TOKENIZER, SubwordRule())
WIDE = WideFeatures.fit(TOKENIZER.encode_batch(TRAIN), len(TOKENIZER))
NAMES = ("john", "mary", "johanna")  # the last one is not in the vocabulary


def encode(texts, *blinded, lexicon=LEXICON, tokenizer=TOKENIZER):
    return TextPipeline(tokenizer, None, lexicon, WIDE, blinded).encode(texts)


def same(one, other):
    assert one.ids.tolist() == other.ids.tolist()
    assert one.unseen.names == other.unseen.names
    assert one.unseen.bags.ids.tolist() == other.unseen.bags.ids.tolist()
    assert one.wide.rows.tolist() == other.wide.rows.tolist()
    assert one.wide.weights.tobytes() == other.wide.weights.tobytes()


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(["NAME", "NAME's", "a", "good", "film", "unseen", "another", "."]), max_size=12),
    st.permutations(NAMES),
)
def test_a_text_is_the_same_whichever_blinded_word_stands_in_it(words, names):
    texts = [" ".join(words).replace("NAME", name) for name in names]
    texts += [text.upper() for text in texts[:1]]
    first, *others = (encode([text, "a johannes film"], *NAMES) for text in texts)
    for other in others:
        same(first, other)


def test_the_model_reads_the_unknown_word_in_their_place():
    found = encode(["John saw johanna's film"], *NAMES)
    assert found.ids.tolist()[0] == found.ids.tolist()[2] == TOKENIZER.unknown_id
    assert found.ids.tolist()[1] == TOKENIZER.types().index("saw")
    assert found.unseen.names == ()


def test_without_the_lexicon_too():
    assert (
        encode(["john saw"], "john", lexicon=None).ids.tolist()
        == encode(["mary saw"], "mary", lexicon=None).ids.tolist()
    )


def test_a_phrase_is_hidden_only_where_it_stands_together_and_within_one_text():
    texts = ["not good", "good , not", "not", "good", "a not good film"]
    found, unknown = encode(texts, "not good"), TOKENIZER.unknown_id
    assert (found.ids == unknown).tolist() == [True, True] + [False] * 6 + [True, True, False]
    plain = encode(texts)
    assert found.ids[2:8].tolist() == plain.ids[2:8].tolist()


def test_phrases_that_overlap_are_hidden_both():
    assert (encode(["a good film ,"], "a good", "good film").ids == TOKENIZER.unknown_id).tolist() == [1, 1, 1, 0]


def test_a_phrase_with_a_word_known_by_its_characters_alone():
    found = encode(["a goodish film", "a film"], "goodish film")
    assert (found.ids == TOKENIZER.unknown_id).tolist() == [False, True, True, False, False]


def test_nothing_changes_in_texts_without_them():
    texts = ["a good film", "", "an unseen zebra and a yak"]
    same(encode(texts), encode(texts, "paul", "not good"))


def test_types_and_phrases_of_a_run_of_words():
    blinding = Blinding(TOKENIZER, ["john", "not a"])
    assert {TOKENIZER.types()[k] for k in blinding.types.tolist()} == {"john", "john's"}
    assert blinding.holds(["is", "not", "a"])
    assert blinding.holds(["John"])
    assert not blinding.holds(["a", "not"])


def test_words_and_phrases_that_cannot_be_blinded():
    def read(phrase, *, single=False, tokenizer=TOKENIZER, lexicon=LEXICON):
        return read_phrase(tokenizer, lexicon, phrase, single=single)

    assert read("  Not   GOOD") == "not good"
    assert read("Zebra", single=True, lexicon=None) == "zebra"
    with pytest.raises(ConfigError, match=re.escape("expected a word to blind, found none in '  '")):
        read("  ")
    with pytest.raises(ConfigError, match=re.escape("'Jean-Luc' is 3 tokens (jean - luc)")):
        read("Jean-Luc", single=True)
    with pytest.raises(ConfigError, match=re.escape("does not know 'zebra', which is [UNK] to it already")):
        read("a zebra", lexicon=None)
    for kind in ("char", "bpe", "wordpiece"):
        with pytest.raises(ConfigError, match="this model's tokenizer is of another kind"):
            read("good", tokenizer=Tokenizer.train(TRAIN * 3, TextConfig(tokenizer=kind)))


def test_the_unknown_word_is_what_the_tokenizer_says():
    assert TOKENIZER.types()[TOKENIZER.unknown_id] == UNKNOWN
