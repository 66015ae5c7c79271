"""Temporary ids: equal for equal unseen words, and for a while only."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.config import TOKENIZERS, TextConfig
from textcnn.text.lexicon import Lexicon
from textcnn.text.tokenizer import UNKNOWN, Tokenizer

WORD = Tokenizer.train(["a good film", "a bad film"], TextConfig())
SIZE = len(WORD)

rows_of_words = st.lists(
    st.lists(st.sampled_from(["a", "good", "film", "odd", "Odd", "漢", "좋은", "!", "[UNK]", "[PAD]"]), max_size=5),
    max_size=6,
)


def resolve(lexicon, texts):
    tokens = lexicon.resolve(texts, WORD.encode_batch(texts))
    return [tokens.ids[a:b].tolist() for a, b in pairwise(tokens.offsets)]


@given(rows=rows_of_words, seed=st.integers(0, 9))
def test_every_token_has_the_name_of_its_word(rows, seed):
    texts = [" ".join(row) for row in rows]
    lexicon = Lexicon(WORD)
    found = resolve(lexicon, texts)
    assert [[lexicon.name(i) for i in row] for row in found] == [WORD.words(text) for text in texts]
    known = {name: i for i, name in enumerate(WORD.types())}
    ids = {lexicon.name(i): i for row in found for i in row}
    assert all(i == known[name] if name in known else i >= SIZE for name, i in ids.items())
    unseen = {name for name in ids if name not in known}
    assert sorted(ids[name] for name in unseen) == list(range(SIZE, SIZE + len(unseen)))
    assert lexicon.num_unseen == len(unseen)
    assert resolve(lexicon, texts) == found  # a second time, and in another order, the same
    assert resolve(lexicon, texts[::-1]) == found[::-1]


def test_known_ids_and_texts_without_unseen_words_stay_as_they_are():
    lexicon = Lexicon(WORD)
    tokens = WORD.encode_batch(["a good film", ""])
    assert lexicon.resolve(["a good film", ""], tokens) is tokens
    mixed = WORD.encode_batch(["", "a strange film", ""])
    before = mixed.ids.copy()
    resolved = lexicon.resolve(["", "a strange film", ""], mixed)
    assert resolved.ids.tolist() == [before[0], SIZE, before[2]]
    assert mixed.ids.tolist() == before.tolist()
    assert len(lexicon) == SIZE


def test_a_flush_forgets():
    lexicon = Lexicon(WORD)
    assert resolve(lexicon, ["odd", "strange", "odd"]) == [[SIZE], [SIZE + 1], [SIZE]]
    lexicon.flush()
    assert lexicon.num_unseen == 0
    assert resolve(lexicon, ["strange"]) == [[SIZE]]
    assert lexicon.name(SIZE) == "strange"
    with pytest.raises(IndexError):
        lexicon.name(SIZE + 1)


@pytest.mark.parametrize("kind", [kind for kind in TOKENIZERS if kind not in ("word", "char")])
def test_pieces_of_words_keep_the_unknown_id(kind):
    """A sub-word has no word to its name; whether the same word gets an id must not depend on its neighbours."""
    tokenizer = Tokenizer.train(["good film", "goods films"] * 2, TextConfig(tokenizer=kind))
    texts = ["漢 good", "漢", "漢 gofi", ""]
    tokens = tokenizer.encode_batch(texts)
    assert Lexicon(tokenizer).resolve(texts, tokens).ids.tolist() == tokens.ids.tolist()


def test_unseen_characters_have_ids_too():
    tokenizer = Tokenizer.train(["ab"], TextConfig(tokenizer="char"))
    lexicon = Lexicon(tokenizer)
    tokens = lexicon.resolve(["axbx"], tokenizer.encode_batch(["axbx"]))
    assert [lexicon.name(i) for i in tokens.ids] == ["a", "x", "b", "x"]
    assert tokens.ids[1] == tokens.ids[3] == len(tokenizer)
    assert UNKNOWN not in [lexicon.name(i) for i in tokens.ids]
