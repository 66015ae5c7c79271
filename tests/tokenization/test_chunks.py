"""Remembered chunks: the same ids, temporary ids and n-gram rows as the pipeline's, whatever is remembered."""

from __future__ import annotations

import copy
import csv
import gzip
import json
import multiprocessing
import pickle
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, processors

from textcnn.config import TOKENIZERS, TextConfig
from textcnn.core import tokens_numpy
from textcnn.core.word_form import WORD_PATTERN, WordForm
from textcnn.tokenization import cache as chunks
from textcnn.tokenization import words
from textcnn.tokenization.cache import ChunkMemory, refusal
from textcnn.tokenization.lexicon import Lexicon, SubwordRule
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

pytestmark = pytest.mark.usefixtures("twin")

TRAINING = [
    "a good film , it's good",
    "Crème brûlée ΟΔΟΣ 좋은 영화",
    "面白い映画 [PAD] [UNK]",
    "goodness of bad films !",
]
WORD = Tokenizer.train(TRAINING, TextConfig())
LEXICON = Lexicon(WORD, SubwordRule())
PLAIN = TextPipeline(WORD, lexicon=LEXICON)

BLANKS = [chr(c) for c in range(sys.maxunicode + 1) if chr(c).isspace()]  # \x1c to \x1f among them
PIECES = [
    *BLANKS, *"aBé'’.,!-_3", "good", "goods", "Film", "it's", "[PAD]", "[UNK]", "\0", "\u0301", "\u0308", "\u0327",
    "\u0345", "\u200d", "\u0344", "\ufb01", "\u00a8", "\ufdfa", "ΟΔΟΣ", "Σ", "σ", "İ", "한", "\u1112", "\u1161",
    "\u11ab", "漢", "か", "ー", "ﾞ", "\u3099", "\ud800", "👍🏽", "\u0f71\u0f72", "\u09c7\u09be",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=[]), max_size=14).map("".join)
corpora = st.lists(texts, max_size=5)


def assert_same(found, expected):
    for (a, u), (b, v) in [(found, expected)]:
        assert a.ids.tolist() == b.ids.tolist()
        assert a.offsets.tolist() == b.offsets.tolist()
        assert u.names == v.names
        assert u.bags.ids.tolist() == v.bags.ids.tolist()
        assert u.bags.offsets.tolist() == v.bags.offsets.tolist()


def pipeline(
    *, normalizer=None, pre_tokenizer=None, model=None, post_processor=None, added=(), unk="[UNK]"
) -> Tokenizer:
    inner = tokenizers.Tokenizer(model or models.WordLevel({"[UNK]": 0, "a": 1, "good": 2, "'": 3}, unk_token=unk))
    inner.normalizer = normalizer
    inner.pre_tokenizer = pre_tokenizer or pre_tokenizers.WhitespaceSplit()
    if post_processor is not None:
        inner.post_processor = post_processor
    inner.add_tokens(list(added))
    return Tokenizer.from_json(inner.to_str())


# ------------------------------------------------------------------------------------- equal to the definition


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(before=corpora, rows=corpora)
def test_ids_and_temporary_ids_are_those_of_the_pipeline(before, rows):
    memory = ChunkMemory(WORD, LEXICON)
    memory.encode(before)
    for _ in range(2):  # some chunks known, then all
        assert_same(memory.encode(rows), PLAIN._ids(rows))


@pytest.mark.slow
def test_every_character_beside_blanks_and_words_is_that_of_the_pipeline():
    """All of Unicode but most Han and Hangul: alone, before a word, behind one, and doubled across a blank."""
    characters = [
        chr(c)
        for c in range(sys.maxunicode + 1)
        if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")
        and (c % 64 == 0 or not unicodedata.name(chr(c), "").startswith(("CJK", "HANGUL SYLLABLE", "TANGUT")))
    ]
    rows = [f"{c} e{c} {c}n {c}\u0301 {c}\t{c}" for c in characters]
    memory = ChunkMemory(WORD, LEXICON)
    for start in range(0, len(rows), 20_000):
        part = rows[start : start + 20_000]
        assert_same(memory.encode(part), PLAIN._ids(part))


def step(name):
    return getattr(normalizers, name)()


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        {"normalizer": normalizers.Sequence([step("NFKC"), step("Lowercase")])},
        {"normalizer": normalizers.Sequence([step("NFD"), step("StripAccents")])},
        {"normalizer": step("NFKD"), "pre_tokenizer": pre_tokenizers.Whitespace()},
        {"pre_tokenizer": pre_tokenizers.BertPreTokenizer()},
        {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])},
        {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])},
        {"model": models.WordPiece({"[UNK]": 0, "a": 1, "##a": 2, "g": 3, "##o": 4}, unk_token="[UNK]")},
        {"model": models.BPE({"[UNK]": 0, "a": 1, "g": 2, "o": 3, "go": 4}, [("g", "o")], unk_token="[UNK]")},
        {"model": models.BPE({"[UNK]": 0, "a": 1}, [], unk_token="[UNK]", fuse_unk=True)},
        {"model": models.Unigram([("[UNK]", 0.0), ("a", -1.0), ("good", -2.0), ("o", -3.0)], unk_id=0)},
    ],
    ids=str,
)
def test_every_kind_of_pipeline_that_is_allowed(how):
    tokenizer = pipeline(**how)
    assert refusal(tokenizer) is None
    lexicon = Lexicon(tokenizer, SubwordRule())
    definition = TextPipeline(tokenizer, lexicon=lexicon)

    @settings(deadline=None, max_examples=100)
    @given(rows=corpora)
    def holds(rows):
        memory = ChunkMemory(tokenizer, lexicon)
        assert_same(memory.encode(rows), definition._ids(rows))

    holds()


def test_names_of_reserved_ids_stay_plain_characters():
    memory = ChunkMemory(WORD, LEXICON)
    tokens, _ = memory.encode(["[PAD] [UNK]"] * 2)
    assert tokens.lengths.tolist() == [6, 6]
    assert 0 not in tokens.ids


def test_types_that_no_text_has_take_no_ids_of_others():
    vocabulary = {"[UNK]": 1, "good": 4, "good film": 2, " x": 3, "": 0, "film": 7, "x": 9, "’": 8}
    tokenizer = Tokenizer.from_json(json.dumps(WordForm().document(vocabulary)))
    rows = ["good film x", " x", "Good\u00adness ’ '", "film"]
    assert tokenizer.is_default
    assert_same(ChunkMemory(tokenizer).encode(rows), TextPipeline(tokenizer)._ids(rows))


# ------------------------------------------------------------------------------------------- which pipelines


def test_which_tokenizers_are_refused_and_why():
    trained = {kind: Tokenizer.train(TRAINING, TextConfig(tokenizer=kind)) for kind in TOKENIZERS}
    assert {kind: refusal(tokenizer) for kind, tokenizer in trained.items()} == {
        "word": None,
        "wordpiece": None,
        "char": "the pre-tokenizer Split may keep blanks in tokens",
        "bpe": "the pre-tokenizer ByteLevel may keep blanks in tokens",
    }
    assert refusal(Tokenizer.train(TRAINING, TextConfig(lowercase=False))) is None


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"added": ["a b"]}, "added tokens may hold blanks: 'a b' is one"),
        ({"post_processor": processors.ByteLevel()}, "the post-processor ByteLevel sees whole texts"),
        ({"normalizer": step("BertNormalizer")}, "the normalizer BertNormalizer may look across blanks"),
        ({"normalizer": step("Strip")}, "the normalizer Strip may look across blanks"),
        ({"normalizer": normalizers.Replace("a b", "c")}, "the normalizer Replace may look across blanks"),
        ({"normalizer": normalizers.Prepend("_")}, "the normalizer Prepend may look across blanks"),
        ({"pre_tokenizer": pre_tokenizers.Metaspace()}, "the pre-tokenizer Metaspace may keep blanks in tokens"),
        ({"pre_tokenizer": pre_tokenizers.Punctuation()}, "the pre-tokenizer Punctuation may keep blanks in tokens"),
        (
            {"pre_tokenizer": pre_tokenizers.Split(tokenizers.Regex(WORD_PATTERN), "isolated")},
            "the pre-tokenizer Split may keep blanks in tokens",
        ),
        (
            {"pre_tokenizer": pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel()])},
            "the pre-tokenizer ByteLevel may look across blanks",
        ),
        (
            {"model": models.BPE({"a": 0}, [], dropout=0.5)},
            "the model BPE may not give a word the same ids every time",
        ),
    ],
)
def test_a_refusal_names_the_component(how, reason):
    assert refusal(pipeline(**how)) == reason


def test_a_text_without_a_pre_tokenizer_is_one_piece():
    inner = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    assert refusal(Tokenizer(inner)) == "the pre-tokenizer none may keep blanks in tokens"


def test_a_refused_pipeline_encodes_by_itself(monkeypatch):
    def never(*_):
        raise AssertionError("a memory was used")

    monkeypatch.setattr(ChunkMemory, "encode", never)
    refused = TextPipeline(pipeline(added=["a b"]))
    assert refused.encode(["a b", "a  b"]).lengths.tolist() == [1, 2]
    with pytest.raises(AssertionError, match="a memory was used"):
        PLAIN.encode(["a b"])


# -------------------------------------------------------------------------------------------- bounds, threads


@pytest.mark.slow
@settings(deadline=None)
@given(rows=st.lists(texts, min_size=1, max_size=8), most=st.integers(0, 6))
def test_a_memory_that_forgets_gives_the_same(rows, most):
    memory = ChunkMemory(WORD, LEXICON, most_chunks=most, most_characters=20)
    for row in rows:
        assert_same(memory.encode([row]), PLAIN._ids([row]))
        assert len(memory) <= most + len(row)


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(words, "SLICE", 40)
    monkeypatch.setattr(tokens_numpy, "JOINED", 3)
    monkeypatch.setattr(chunks, "JOINED", 3)


def test_slices_are_joined_by_the_names_of_their_words(small_slices):
    rows = [f"goods goodly {'filmy' * (n % 3)} bads {n} zz" for n in range(50)]
    memory = ChunkMemory(WORD, LEXICON, most_chunks=10)
    assert_same(memory.encode(rows), PLAIN._ids(rows))
    assert len(memory) < 30


@pytest.mark.slow
def test_the_memory_stays_bounded_while_new_words_come(small_slices):
    memory = ChunkMemory(WORD, LEXICON, most_chunks=100)
    for n in range(300):
        memory.encode([" ".join(f"good{n}x{k}" for k in range(20))])
        assert len(memory) <= 120


@pytest.mark.slow
def test_many_threads_share_a_memory(small_slices):
    memory = ChunkMemory(WORD, LEXICON, most_chunks=50)
    rows = [[f"good{n * k % 37} goods film {k}" for k in range(30)] for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(memory.encode, rows))
    for got, row in zip(found, rows, strict=True):
        assert_same(got, PLAIN._ids(row))


def test_a_fault_leaves_no_half_known_chunk(monkeypatch):
    memory = ChunkMemory(WORD, LEXICON)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(words.Words, "split", stop)
        with pytest.raises(KeyboardInterrupt):
            memory.encode(["a goods film"])
    assert_same(memory.encode(["a goods film"]), PLAIN._ids(["a goods film"]))


@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_child_of_a_fork_does_not_wait_for_a_thread_of_its_parent():
    memory = ChunkMemory(WORD, LEXICON)
    expected = memory.encode(["goods and films"])[0].ids.tolist()
    with memory.lock:  # as if a thread were in there
        context = multiprocessing.get_context("fork")
        mine, other = context.Pipe()
        child = context.Process(target=lambda: other.send(memory.encode(["goods and films"])[0].ids.tolist()))
        child.start()
        assert mine.poll(20), "the child waits for ever"
        assert mine.recv() == expected
        child.join(20)


def test_copies_start_with_nothing_remembered():
    memory = ChunkMemory(WORD, None)
    memory.encode(["good film"])
    for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):
        assert len(other) == 0
        assert_same(other.encode(["good film"]), memory.encode(["good film"]))


def test_real_texts(data_folder):
    with gzip.open(data_folder / "imdb" / "test.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row["text"] for row in islice(csv.DictReader(file), 1_500)]
    tokenizer = Tokenizer.train(rows[:500], TextConfig())
    definition = TextPipeline(tokenizer, lexicon=Lexicon(tokenizer, SubwordRule()))
    memory = ChunkMemory(tokenizer, definition.lexicon, most_chunks=5_000)
    assert_same(memory.encode(rows), definition._ids(rows))
