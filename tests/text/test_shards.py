"""Texts that are parted among processes: each has its own, and together they are all."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.config import DataConfig, ModelConfig, TextConfig
from textcnn.text.batching import TextInputs, WordDropout
from textcnn.text.corpus import EncodedShard, add_wide, encode_corpus, held_rows
from textcnn.text.holders import ALONE, Holders
from textcnn.text.lexicon import build_lexicon
from textcnn.text.overlap import digest, fingerprints
from textcnn.text.reading import read_examples
from textcnn.text.shards import Shard, ShardedTexts, own_texts
from textcnn.text.statistics import expected_unknown, text_statistics
from textcnn.text.stored import StoredTexts, TextWriter
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.wide import WideFeatures

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), min_size=1, max_size=40)


def parts_of(texts, size):
    found = []
    for rank in range(size):
        writer = TextWriter(-1, Shard(rank, size, -1))
        for text in texts:
            writer.append(text)
        found.append(writer.finish())
    return found


@settings(deadline=None, max_examples=40)
@given(texts=TEXTS, size=st.integers(1, 4), data=st.data())
def test_every_text_is_with_one_of_them(texts, size, data):
    rows = np.array(data.draw(st.lists(st.sampled_from(range(len(texts))), unique=True)), np.int64)
    seen = {}
    for part in parts_of(texts, size):
        assert isinstance(part, ShardedTexts)
        assert len(part) == len(texts)
        seen.update(dict(zip(part.rows.tolist(), part.own, strict=True)))
        chosen = part.select(rows)
        assert len(chosen) == len(rows)
        assert list(chosen.own) == [texts[rows[k]] for k in chosen.rows]
        assert chosen.rows.tolist() == [k for k, row in enumerate(rows) if row in part.rows]
    assert seen == dict(enumerate(texts))


def test_another_ones_text_cannot_be_had():
    part = parts_of(["a", "b", "c", "d"], 2)[1]
    assert (part[1], part[3], part[1:4:2]) == ("b", "d", ["b", "d"])
    for index in (0, slice(0, 2)):
        with pytest.raises(LookupError, match="row 0 is kept by another process"):
            part[index]
    assert own_texts(part) is part.own
    assert own_texts(["a"]) == ["a"]


def test_few_texts_stay_with_everybody():
    writer = TextWriter(100, Shard(1, 2, 100))
    writer.append("a")
    writer.append("b")
    assert writer.finish() == ["a", "b"]
    data = [("a", "x"), ("b", None), ("c", "y"), ("d", "x")]
    examples = read_examples(data, DataConfig(storage="disk"), shard=Shard(0, 2, -1))
    assert examples.labels == [("x",), ("y",), ("x",)]
    assert list(examples.texts.own) == ["a", "c"]
    assert examples.texts.rows.tolist() == [0, 1]
    assert isinstance(read_examples(data, DataConfig(storage="disk")).texts, StoredTexts)


class OfThreads(Holders):
    """Holders that are threads."""

    def __init__(self, rank, places, barrier):
        self.rank, self.size, self._places, self._barrier = rank, len(places), places, barrier

    def all(self, array):
        self._places[self.rank] = array.copy()
        self._barrier.wait(20)
        found = [place.copy() for place in self._places]
        self._barrier.wait(20)
        return found

    def sum(self, array):
        return sum(self.all(array))


def together(size, task):
    """What the task finds in each of so many threads that have a part each."""
    places, barrier = [None] * size, threading.Barrier(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: task(rank, OfThreads(rank, places, barrier)), range(size)))


WORDS = st.sampled_from(["good", "bad", "film", "Film", "naïve", "映画", "un-seen", "ab", "abc", ""])


@settings(deadline=None, max_examples=25)
@given(
    texts=st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=3, max_size=15),
    frequency=st.integers(1, 3),
    size=st.integers(2, 3),
)
def test_what_is_counted_together_is_what_one_counts(texts, frequency, size):
    config, parts = TextConfig(min_frequency=frequency), parts_of(texts, size)

    def found(mine, holders):
        tokenizer = Tokenizer.train(own_texts(mine), config, holders)
        inputs = TextInputs(tokenizer, 4, build_lexicon(tokenizer, ModelConfig(subwords=True)))
        encoded = encode_corpus(inputs, mine, holders)
        wide = WideFeatures.fit(encoded, len(tokenizer), holders)
        encoded = add_wide(encoded, wide, mine)
        drops = WordDropout.fit(encoded, len(tokenizer), 1, constant=0.1, rare=0.5, seed=1, holders=holders)
        statistics = text_statistics(inputs, encoded, holders)
        unknown = expected_unknown(inputs, encoded, holders=holders)
        return replace(inputs, wide=wide), encoded, drops, (statistics, unknown), fingerprints(mine, holders)

    one, whole, drops, numbers, prints = found(texts, ALONE)
    names = [f"{k % 2}" for k in range(len(texts))]
    for mine, (inputs, encoded, own_drops, own_numbers, own_prints) in zip(
        parts, together(size, lambda rank, holders: found(parts[rank], holders)), strict=True
    ):
        assert inputs.tokenizer.to_json() == one.tokenizer.to_json()
        assert inputs.wide.keys.tolist() == one.wide.keys.tolist()
        assert inputs.wide.idf.tolist() == one.wide.idf.tolist()
        assert own_drops.rates.tolist() == drops.rates.tolist()
        assert own_numbers == numbers
        assert own_prints.tolist() == prints.tolist()
        assert isinstance(encoded, EncodedShard)
        assert encoded.unseen.names == whole.unseen.names
        assert held_rows(encoded).tolist() == mine.rows.tolist()
        rows = mine.rows[::-1].copy()
        batch, expected = inputs.batch(encoded, rows), one.batch(whole, rows)
        for name in ("offsets", "unique", "inverse", "bag_rows", "bag_offsets", "wide_rows", "wide_weights"):
            assert getattr(batch, name).tolist() == getattr(expected, name).tolist(), name
    digests = together(size, lambda rank, holders: digest(parts[rank], [(n,) for n in names], None, holders))
    assert len(set(digests)) == 1
    assert digests[0].startswith(f"{size} parts: ")
    names[-1] = "other"
    others = together(size, lambda rank, holders: digest(parts[rank], [(n,) for n in names], None, holders))
    assert others[0] != digests[0]
