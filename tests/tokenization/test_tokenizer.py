"""Strings to ids and offsets: the word rule in a second writing, reserved ids, and texts nobody expects."""

import json
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, processors

from textcnn.config import TOKENIZERS, TextConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.tokenization.tokenizer import PAD, UNKNOWN, Tokenizer

TEXTS = [
    "A good film, a good plot!",
    "it's not bad at all, it's good",
    "Crème brûlée and cafe\u0301",
    "좋은 영화",
    "面白い映画",
    "the goodness of good goods",
]
# Scripts whose Unicode properties have been the same for many versions: Python and the pipeline must agree on them.
BLOCKS = (
    *((0x00, 0x1B), (0x20, 0x24F), (0x300, 0x36F), (0x3A3, 0x3E1), (0x400, 0x481), (0x5D0, 0x5EA), (0x620, 0x669)),
    *((0x905, 0x94D), (0xE01, 0xE4E), (0x1100, 0x1112), (0x1161, 0x1175), (0x2000, 0x2027), (0x20A0, 0x20BF)),
    *((0x2190, 0x21FF), (0x3041, 0x3096), (0x30A1, 0x30FC), (0x4E00, 0x4E80), (0xAC00, 0xAC80), (0x1F300, 0x1F5FF)),
)
characters = st.one_of(
    *(st.characters(min_codepoint=a, max_codepoint=b, exclude_categories=["Cn", "Cs"]) for a, b in BLOCKS),
    st.sampled_from([*"aB3_'’-. \n\t\0 [PAD]", "\u0301", "\u200d", *"ÉΣİ한漢かがー"]),
)
INVISIBLE = "\u200b\u200c\u200d"
texts = st.text(characters, max_size=30)
any_text = st.text(max_size=30) | st.text(st.characters(codec=None, exclude_categories=[]), max_size=30)


def plain_words(text, lowercase=True):
    """The word rule without a regular expression and without the tokenizers package."""
    text = plain_form(text, lowercase)

    def run(start):
        end = start
        while end < len(text) and is_letter(text[end]):
            end += 1
        return end

    words, place = [], 0
    while place < len(text):
        end = run(place)
        if end > place and text[end : end + 1] == "'":
            after = run(end + 1)
            end = after if after > end + 1 else end
        end = max(end, place + 1)
        if not text[place].isspace():
            words.append(text[place:end])
        place = end
    return words


def plain_form(text, lowercase=True):
    """The normal form without a regular expression, for the characters of BLOCKS."""
    text = "".join(c for c in text if c not in "\u00ad\u200e\u200f")
    kept = "".join(c for place, c in enumerate(text) if c not in INVISIBLE or means_something(text, place))
    text = unicodedata.normalize("NFKC", kept).replace("’", "'")
    return "".join(c.lower() for c in text).replace("i\u0307", "i").replace("ς", "σ") if lowercase else text


def means_something(text, place):
    c, before, rest = text[place], text[place - 1 : place], text[place:]
    if c == "\u200d":
        return joins(before) or (is_emoji(before) and is_emoji(rest[1:2]))
    behind = rest.lstrip(c)[:1]
    belongs = joins if c == "\u200c" else is_thai
    return belongs(before) and belongs(behind)


def joins(c):
    return "\u0600" <= c <= "\u0e7f"  # Arabic, Devanagari, Thai


def is_thai(c):
    return "\u0e00" <= c <= "\u0e7f"


def is_emoji(c):
    return "\u2190" <= c <= "\u21ff" or "\U0001f300" <= c <= "\U0001f5ff"


def is_letter(c):
    return not is_han_or_kana(c) and (unicodedata.category(c)[0] in "LM" or unicodedata.category(c) in ("Nd", "Pc"))


def is_han_or_kana(c):
    return unicodedata.name(c, "").startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA")) and c != "・"


@pytest.fixture(scope="module")
def trained():
    return {kind: Tokenizer.train(TEXTS, TextConfig(tokenizer=kind)) for kind in TOKENIZERS}


def strings(tokenizer, text):
    names = tokenizer.types()
    return [names[i] for i in tokenizer.encode_batch([text]).ids]


# ------------------------------------------------------------------------------------------------ the word rule


@given(text=texts, lowercase=st.booleans())
def test_words_are_those_of_the_plain_rule(text, lowercase):
    tokenizer = Tokenizer.train([text], TextConfig(lowercase=lowercase))
    expected = plain_words(text, lowercase)
    assert tokenizer.words(text) == expected
    assert strings(tokenizer, text) == expected
    assert set(tokenizer.types()) == {PAD, UNKNOWN, *expected}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's the dogs' bone, isn't it?", ["it's", "the", "dogs", "'", "bone", ",", "isn't", "it", "?"]),
        ("rock'n'roll o''clock", ["rock'n", "'", "roll", "o", "'", "'", "clock"]),
        ("面白い映画 movie漢字", ["面", "白", "い", "映", "画", "movie", "漢", "字"]),
        ("コーヒーSNSー", ["コ", "ー", "ヒ", "ー", "sns", "ー"]),
        ("좋은 영화였다", ["좋은", "영화였다"]),
        ("co-op 3.5% a_b", ["co", "-", "op", "3", ".", "5", "%", "a_b"]),
        ("so 👍👍🏽", ["so", "👍", "👍", "🏽"]),
        ("[PAD] [UNK]", ["[", "pad", "]", "[", "unk", "]"]),
        (" \t\r\n ", []),
    ],
)
def test_words_by_example(trained, text, words):
    assert trained["word"].words(text) == words


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_two_writings_of_an_accent_are_one(trained, kind):
    composed, apart = (unicodedata.normalize(form, "Crème BRÛLÉE 좋은") for form in ("NFC", "NFD"))
    assert composed != apart
    assert strings(trained[kind], composed) == strings(trained[kind], apart)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_case_is_folded_unless_that_is_not_wanted(trained, kind):
    assert strings(trained[kind], "GOOD") == strings(trained[kind], "good")
    kept = Tokenizer.train(TEXTS, TextConfig(tokenizer=kind, lowercase=False))
    assert strings(kept, "A good") != strings(kept, "a good")


# ------------------------------------------------------------------------------------------ ids and vocabulary


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_first_two_ids_are_reserved_and_no_text_reaches_the_first(trained, kind):
    tokenizer = trained[kind]
    assert tokenizer.types()[:2] == [PAD, UNKNOWN]
    assert tokenizer.unknown_id == 1
    assert len(tokenizer.types()) == len(tokenizer) == len(set(tokenizer.types()))
    for text in ("[PAD]", "[UNK]", "[PAD] [UNK]", "[pad]", "a[PAD]b"):
        assert 0 not in tokenizer.encode_batch([text]).ids


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_names_of_reserved_ids_in_a_text_are_ordinary_tokens(kind):
    text = "[PAD] [UNK]"
    tokenizer = Tokenizer.train([text] * 3, TextConfig(tokenizer=kind, lowercase=False))
    ids = tokenizer.encode_batch([text]).ids
    assert len(ids) >= 6
    assert min(ids) > 1
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.encode_batch([text]).ids.tolist() == ids.tolist()


def test_special_tokens_of_a_given_tokenizer_are_plain_characters_in_a_text(tmp_path):
    pipeline = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "[": 2, "]": 3, "PAD": 4}, unk_token=UNKNOWN))
    pipeline.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(r"\w+|[^\w\s]"), "removed", invert=True)
    pipeline.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    pipeline.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 6), ("[SEP]", 7)])
    pipeline.enable_padding(length=9)
    pipeline.enable_truncation(2)
    pipeline.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.train([], TextConfig(tokenizer=str(tmp_path / "tokenizer.json")))
    for each in (tokenizer, Tokenizer.from_json(tokenizer.to_json())):
        ragged = each.encode_batch(["[PAD] a", "", "a a a"])
        assert ragged.ids.tolist() == [2, 4, 3, 1, 1, 1, 1]
        assert ragged.lengths.tolist() == [4, 0, 3]
        assert each.unknown_id == 0
        assert each.spans("[PAD] a") == [(0, 1), (1, 4), (4, 5), (6, 7)]


def test_a_given_tokenizer_with_gaps_in_its_ids_has_a_row_for_each_id(tmp_path):
    pipeline = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "a": 2, "b": 7}, unk_token=UNKNOWN))
    pipeline.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = Tokenizer.from_json(pipeline.to_str())
    assert max(tokenizer.encode_batch(["a b"]).ids) < len(tokenizer) == 8
    assert len(tokenizer.types()) == 8
    assert strings(tokenizer, "a b") == ["a", "b"]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_vocabulary_size_is_kept(kind):
    words = [f"{a}{b}" for a in "abcdefgh" for b in "stuvwxyz"]
    texts = [" ".join(words[: n + 1]) for n in range(len(words))]
    size = {"word": 20, "wordpiece": 40, "char": 12, "bpe": 280}[kind]
    assert len(Tokenizer.train(texts, TextConfig(tokenizer=kind, vocabulary_size=size))) == size


def test_the_most_frequent_words_are_kept():
    counts = {"c": 5, "b": 4, "a": 3, "d": 2, "e": 1}
    texts = [word for word, count in counts.items() for _ in range(count)]
    assert Tokenizer.train(texts, TextConfig(vocabulary_size=5)).types() == [PAD, UNKNOWN, "c", "b", "a"]
    assert Tokenizer.train(texts, TextConfig(min_frequency=3)).types() == [PAD, UNKNOWN, "c", "b", "a"]


@given(rows=st.lists(texts, max_size=5), frequency=st.integers(1, 3), size=st.integers(3, 12))
def test_rarer_words_and_those_beyond_the_size_are_unknown(rows, frequency, size):
    counts = Counter(word for row in rows for word in plain_words(row))
    tokenizer = Tokenizer.train(rows, TextConfig(min_frequency=frequency, vocabulary_size=size))
    kept = tokenizer.types()[2:]
    frequent = [count for count in counts.values() if count >= frequency]
    assert sorted((counts[word] for word in kept), reverse=True) == sorted(frequent, reverse=True)[: size - 2]
    for row in rows:
        expected = [word if word in kept else UNKNOWN for word in plain_words(row)]
        assert strings(tokenizer, row) == expected


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("rows", [[], [""], ["", " \n"]])
def test_nothing_to_learn_from(kind, rows):
    tokenizer = Tokenizer.train(rows, TextConfig(tokenizer=kind))
    assert tokenizer.encode_batch(["", "a"]).lengths.tolist() == [0, 1]
    assert Tokenizer.from_json(tokenizer.to_json()).types() == tokenizer.types()


# ----------------------------------------------------------------------------------------- the same, and saved


def test_the_same_texts_give_the_same_bytes_in_a_new_process(tmp_path):
    words = [f"{a}{b}{c}" for a in "kst" for b in "aeiou" for c in "lmnr"]
    texts = [*TEXTS, *(" ".join(words[n::7]) for n in range(7)), *(" ".join(words[n:]) for n in range(0, 60, 5))]
    code = (
        "import json, sys; from textcnn.config import TextConfig\n"
        "from textcnn.tokenization.tokenizer import Tokenizer\n"
        "kinds, texts = json.load(sys.stdin)\n"
        "json.dump([Tokenizer.train(texts, TextConfig(tokenizer=kind)).to_json() for kind in kinds], sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([TOKENIZERS, texts]), capture_output=True, text=True, check=True
    )
    here = [Tokenizer.train(texts, TextConfig(tokenizer=kind)).to_json() for kind in TOKENIZERS]
    assert json.loads(done.stdout) == here


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_saved_tokenizer_is_the_same(trained, kind, tmp_path):
    saved = trained[kind].to_json()
    (tmp_path / "tokenizer.json").write_text(saved, encoding="utf-8")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.to_json() == saved
    assert loaded.types() == trained[kind].types()
    for text in [*TEXTS, "[PAD]", "unseen wörds 漢", "\0\ud800"]:
        assert loaded.encode_batch([text]).ids.tolist() == trained[kind].encode_batch([text]).ids.tolist()
        assert loaded.spans(text) == trained[kind].spans(text)


def test_a_kind_that_there_is_not():
    with pytest.raises(
        ConfigError,
        match=r"tokenizer must be one of word, bpe, wordpiece, char, or a tokenizer.json file, got 'sentence'",
    ):
        Tokenizer.train(["a"], TextConfig(tokenizer="sentence"))


def test_a_tokenizer_file_that_cannot_be_read(tmp_path):
    path = tmp_path / "tokenizer.json"
    with pytest.raises(ArtifactError, match=r"expected a tokenizer.json at '.*tokenizer.json', but it cannot be read"):
        Tokenizer.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ArtifactError, match=r"expected a tokenizer.json at '.*tokenizer.json', but it cannot be read"):
        Tokenizer.load(path)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"version": "1.0"}', "[" * 100_000, '{"a":' * 100_000, "null", "\0"]
)
def test_a_tokenizer_file_that_is_something_else(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"expected the JSON of a tokenizer, but the tokenizers package says: .+"):
        Tokenizer.load(path)


# --------------------------------------------------------------------------------------------- texts and spans


@settings(deadline=None)
@given(text=texts | any_text)
def test_spans_lie_in_the_original_text_one_for_each_id(trained, text):
    for kind, tokenizer in trained.items():
        spans = tokenizer.spans(text)
        assert len(spans) == len(tokenizer.encode_batch([text]).ids)
        assert all(0 <= start <= end <= len(text) for start, end in spans)
        assert spans == sorted(spans)
        if kind in ("word", "wordpiece", "char"):
            # One character may become several, and be the end of one token and the start of the next.
            parts = [unicodedata.normalize("NFKD", text[start : start + 1]) for start, _ in spans[1:]]
            assert all(a[1] <= b[0] + (len(c) > 1) for (a, b), c in zip(pairwise(spans), parts, strict=False) if a != b)


@given(text=texts)
def test_spans_cover_the_words_of_the_original_text(trained, text):
    """Cut out of the text, a span is its word again; what no span covers is blank, or dropped."""
    spans = trained["word"].spans(text)
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(text[i].isspace() or plain_form(text[i]) == "" for i in range(len(text)) if i not in covered)
    if unicodedata.is_normalized("NFKC", text) and not set(INVISIBLE) & set(text):
        assert [plain_form(text[start:end]) for start, end in spans] == plain_words(text)


@settings(deadline=None)
@given(text=texts | any_text)
def test_pieces_and_word_level_tokens_stand_side_by_side(trained, text):
    for kind in ("word", "char"):
        tokenizer = trained[kind]
        words, tokens = tokenizer.words(text), strings(tokenizer, text)
        assert len(words) == len(tokens)
        known = set(tokenizer.types()[2:])
        assert tokens == [word if word in known else UNKNOWN for word in words]


@settings(deadline=None)
@given(rows=st.lists(texts | any_text, max_size=6))
def test_a_text_is_the_same_in_any_company(trained, rows):
    for tokenizer in trained.values():
        together = tokenizer.encode_batch(rows)
        alone = [tokenizer.encode_batch([row]).ids.tolist() for row in rows]
        assert [together.ids[a:b].tolist() for a, b in pairwise(together.offsets)] == alone


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_texts_nobody_expects(trained, kind):
    tokenizer = trained[kind]
    assert tokenizer.encode_batch([]).lengths.tolist() == []
    assert tokenizer.encode_batch([""]).lengths.tolist() == [0]
    assert tokenizer.spans("") == []
    assert tokenizer.words("") == []
    for text in ("a\0b", "\0", "\ud800", "a\udfffb\ud83d", "\ufffd", "\ufeff", "\x1c\x85\u2028"):
        assert len(tokenizer.spans(text)) == len(tokenizer.encode_batch([text]).ids)
    lone, replaced = (tokenizer.encode_batch([text]).ids.tolist() for text in ("a\ud800b", "a\ufffdb"))
    assert lone == replaced


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("text", ["good film, " * 9_091, "x" * 100_000, "漢" * 100_000, "'" * 100_000])
def test_a_text_of_a_hundred_thousand_characters(trained, kind, text):
    text = text[:100_000]
    tokens = trained[kind].encode_batch([text, "good"])
    assert tokens.lengths[0] == len(trained[kind].spans(text)) > 0
    assert tokens.ids[tokens.offsets[1] :].tolist() == trained[kind].encode_batch(["good"]).ids.tolist()


def test_a_stream_is_read_some_thousands_at_a_time(trained):
    taken = []

    def stream():
        for number in range(10_000):
            taken.append(number)
            yield "good film"

    parts = trained["word"].encode_stream(stream())
    first = next(parts)
    assert len(first) == len(taken) < 5_000
    assert len(first) + sum(map(len, parts)) == 10_000
