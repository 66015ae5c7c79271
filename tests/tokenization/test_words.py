"""The vocabulary of words, counted by chunks, is the one that the package's trainer learns from all texts."""

from __future__ import annotations

import csv
import gzip
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import trainers

from textcnn.config import TextConfig
from textcnn.core.word_form import without_surrogates
from textcnn.tokenization import tokenizer as module
from textcnn.tokenization import words
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.tokenization.words import count_words

pytestmark = pytest.mark.usefixtures("twin")

PIECES = st.sampled_from(
    ["good", "Bad", "it's", "'", "_", "3", ".", " ", "\t", "\n", "\x1c", "\xa0", "\u3000", "\0", "é", "e\u0301",
     "漢字", "Σ", "İ", "\ud800", "[PAD]", "\u0301", "\x85", "\u2028"]
)  # fmt: skip
corpora = st.lists(st.lists(PIECES | st.characters(exclude_categories=[]), max_size=12).map("".join), max_size=6)


def trained(texts, config):
    """The types in the order of their ids, by the package's trainer."""
    pipeline = module._untrained(config)
    size, frequency = config.vocabulary_size - 2, config.min_frequency
    trainer = trainers.WordLevelTrainer(vocab_size=size, min_frequency=frequency, show_progress=False)
    pipeline.train_from_iterator(map(without_surrogates, texts), trainer)
    found = pipeline.get_vocab(with_added_tokens=False)
    return ["[PAD]", "[UNK]", *sorted(found, key=found.__getitem__)]


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(
    texts=corpora,
    lowercase=st.booleans(),
    vocabulary_size=st.sampled_from([3, 6, 100_000]),
    min_frequency=st.integers(1, 3),
)
def test_the_vocabulary_is_that_of_the_trainer(texts, **how):
    config = TextConfig(**how)
    assert Tokenizer.train(texts, config).types() == trained(texts, config)


def test_counts_do_not_depend_on_how_often_chunks_are_forgotten(monkeypatch):
    texts = [f"good{n % 7} Film, é{n % 5} it's {n}" for n in range(60)] * 2
    tokenizer = Tokenizer.train([], TextConfig())
    expected = count_words(texts, tokenizer)
    assert expected["film"] == 120
    monkeypatch.setattr(words, "MOST_CHUNKS", 10)
    monkeypatch.setattr(words, "SLICE", 100)
    assert count_words(texts, tokenizer) == expected


def test_real_texts_have_the_vocabulary_of_the_trainer(data_folder):
    with gzip.open(data_folder / "imdb" / "train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row["text"] for row in islice(csv.DictReader(file), 1_500)]
    for config in (TextConfig(), TextConfig(vocabulary_size=5_000, lowercase=False), TextConfig(min_frequency=3)):
        assert Tokenizer.train(rows, config).types() == trained(rows, config)
