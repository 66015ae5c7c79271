"""N-gram rows of seen and unseen words; temporary ids that belong to a corpus."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.config import TOKENIZERS, ModelConfig, TextConfig
from textcnn.tokenization.lexicon import Lexicon, SubwordRule, Unseen, build_lexicon
from textcnn.tokenization.tokenizer import PAD, UNKNOWN, Tokenizer

RULE = SubwordRule()
WORD = Tokenizer.train(["a good film", "a bad film"], TextConfig())
LEXICON = Lexicon(WORD, RULE)
SIZE = len(WORD)

rows_of_words = st.lists(
    st.lists(st.sampled_from(["a", "good", "goods", "film", "dab", "Dab", "漢", "좋은", "!", "[UNK]"]), max_size=5),
    max_size=6,
)


def buckets_of(word: str) -> list[int]:
    return [] if word in (PAD, UNKNOWN) else RULE.bags([word])[0].tolist()


TRAINED = sorted({bucket for word in WORD.types() for bucket in buckets_of(word)})


def expected_rows(word: str) -> list[int]:
    """Rows by the definition: the buckets of the vocabulary, in order, and nothing for any other bucket."""
    return [TRAINED.index(bucket) for bucket in buckets_of(word) if bucket in TRAINED]


@pytest.mark.slow
@given(rows=rows_of_words)
def test_every_token_has_the_name_and_the_rows_of_its_word(rows):
    texts = [" ".join(row) for row in rows]
    tokens, unseen = LEXICON.resolve(texts, WORD.encode_batch(texts))
    types = np.unique(tokens.ids).astype(np.int64)
    bags = LEXICON.bags(types, unseen)
    rows_of = {int(t): bags.ids[a:b].tolist() for t, (a, b) in zip(types, pairwise(bags.offsets), strict=True)}
    for text, (start, end) in zip(texts, pairwise(tokens.offsets), strict=True):
        for word, type_id in zip(WORD.words(text), tokens.ids[start:end].tolist(), strict=True):
            if type_id == WORD.unknown_id:
                assert expected_rows(word) == []  # no n-gram was trained: nothing to compose it of
                assert rows_of[type_id] == []
            else:
                assert LEXICON.name(type_id, unseen) == word
                assert rows_of[type_id] == expected_rows(word)
                assert (type_id >= SIZE) == (word not in WORD.types())


@given(rows=rows_of_words)
def test_a_word_has_the_same_rows_in_any_corpus(rows):
    texts = ["goods", *(" ".join(row) for row in rows)]
    tokens, unseen = LEXICON.resolve(texts, WORD.encode_batch(texts))
    bag = LEXICON.bags(tokens.ids[:1].astype(np.int64), unseen)
    assert bag.ids.tolist() == expected_rows("goods")


def test_the_table_has_a_row_for_every_bucket_of_the_vocabulary_and_no_other():
    assert LEXICON.num_ngrams == len(TRAINED)
    assert len(LEXICON) == SIZE


def test_tokens_are_not_changed_in_place():
    texts = ["", "a goods film", ""]
    tokens = WORD.encode_batch(texts)
    before = tokens.ids.tolist()
    resolved, unseen = LEXICON.resolve(texts, tokens)
    assert resolved.ids.tolist() == [before[0], SIZE, before[2]]
    assert unseen.names == ("goods",)
    assert tokens.ids.tolist() == before


@pytest.mark.parametrize("kind", [kind for kind in TOKENIZERS if kind not in ("word", "char")])
def test_pieces_of_words_keep_the_unknown_id(kind):
    """A sub-word has no word to its name; whether the same word gets an id must not depend on its neighbours."""
    tokenizer = Tokenizer.train(["good film", "goods films"] * 2, TextConfig(tokenizer=kind))
    texts = ["漢 good", "漢", "漢 gofi", ""]
    tokens = tokenizer.encode_batch(texts)
    resolved, unseen = Lexicon(tokenizer, RULE).resolve(texts, tokens)
    assert resolved.ids.tolist() == tokens.ids.tolist()
    assert unseen == Unseen()


def test_a_model_without_subwords_has_no_lexicon():
    assert build_lexicon(WORD, ModelConfig(subwords=False)) is None
    assert build_lexicon(WORD, ModelConfig(subwords=True, ngram_buckets=7)).num_ngrams == 7
