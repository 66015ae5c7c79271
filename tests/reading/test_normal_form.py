"""The normal form: what is dropped, kept, made one and folded, for every character; near blanks and away from them."""

from __future__ import annotations

import json
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.config import NORMALIZATIONS, TextConfig
from textcnn.tokenization.cache import ChunkMemory, refusal
from textcnn.tokenization.offsets import Spans
from textcnn.tokenization.tokenizer import Tokenizer

NFC, NFKC = (Tokenizer.train([], TextConfig(normalization=form)) for form in ("nfc", "nfkc"))
EVERY = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
SIGNS = [c for c in EVERY if unicodedata.category(c) in ("Cn", "Co")]  # not assigned, or private
ASSIGNED = sorted({*EVERY} - {*SIGNS})
# Format characters that are seen, or stand in words: signs above Arabic numbers, Syriac, Mongolian, hieroglyphs, music.
MEANT = "\u06dd\u070f\u08e2\u180e\U000110bd\U000110cd" + "".join(
    chr(c)
    for first, last in ((0x600, 0x605), (0x890, 0x891), (0x13430, 0x1345F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A))
    for c in range(first, last + 1)
)
FORMAT = [c for c in EVERY if unicodedata.category(c) == "Cf"]
SPECIAL = (
    "\u200b\u200c\u200d\u00ad\u2060\ufeff\u202e\u2019\u02bc'İIi\u0307ςΣ"
    "\U0001f3f4\U000e0067\U000e007fमन\u094dกก👩❤\ufe0f a\n"
)
strings = st.text(st.sampled_from(SPECIAL) | st.characters(), max_size=12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\u200bgood", ["good"]),
        ("aw\u00adful", ["awful"]),
        ("\ufeffgood \u200e\u202bfilm\u202c", ["good", "film"]),
        ("wo\u2060rd a\u2063b \u00ad \u200b", ["word", "ab"]),
        ("e\u200b\u0301", ["é"]),  # dropped before it is composed
        ("Auf\u200clage ab\u200dc", ["auflage", "abc"]),
        ("می\u200cخواهم", ["می", "\u200c", "خواهم"]),
        ("می\u200c\u200cخواهم", ["می", "\u200c", "خواهم"]),
        ("می\u200bخواهم\u200c \u200cسن", ["میخواهم", "سن"]),
        ("അവന്\u200d \u200dഅ", ["അവന്", "\u200d", "അ"]),
        ("👩\u200d👧 ❤\ufe0f\u200d🔥", ["👩", "\u200d", "👧", "❤", "\ufe0f", "\u200d", "🔥"]),
        ("👩\u200d \u200d👧 👩\u200dx", ["👩", "👧", "👩", "x"]),
        ("\U0001f3f4\U000e0067\U000e007f x\U000e0067\U000e007f", ["\U0001f3f4", "\U000e0067", "\U000e007f", "x"]),
        ("ก\u200bข \u200bก\u200b", ["ก", "\u200b", "ข", "ก"]),  # where no blanks are written it parts words
        ("don’t donʼt DON'T", ["don't"] * 3),
        ("dogs’ ‘a’", ["dogs", "'", "‘", "a", "'"]),
        ("İstanbul I\u0307stanbul i\u0307stanbul ISTANBUL", ["istanbul"] * 4),
        ("ılık ΟΔΟΣ οδος ẞ ß", ["ılık", "οδοσ", "οδοσ", "ß", "ß"]),
    ],
)
def test_words_by_example(text, words):
    assert NFC.words(text) == words
    assert NFKC.words(text) == words


def test_the_form_is_an_option():
    wide = "\uff27\uff2f\uff2f\uff24 \ufb01lm x²"
    assert NFC.words(wide) == ["\uff47\uff4f\uff4f\uff44", "\ufb01lm", "x", "²"]
    assert NFKC.words(wide) == ["good", "film", "x2"]


def test_case_is_kept_where_that_is_wanted():
    assert Tokenizer.train([], TextConfig(lowercase=False)).words("İs don’t ς \u200bA") == ["İs", "don't", "ς", "A"]


def test_format_characters_are_dropped_but_for_those_that_mean_something():
    for tokenizer in (NFC, NFKC):
        words = tokenizer.words(" ".join(f"a{c}b" for c in FORMAT if c not in MEANT))
        assert words == ["ab"] * sum(c not in MEANT for c in FORMAT)
    assert all(NFC.words(f"a{c}b") != ["ab"] for c in MEANT)


@pytest.mark.slow
@pytest.mark.parametrize(("tokenizer", "characters"), [(NFC, ASSIGNED), (NFKC, ASSIGNED), (NFKC, SIGNS)])
def test_the_memory_gives_the_ids_of_the_pipeline_for_every_character(tokenizer, characters):
    """Alone, inside a Latin word, and between two words; the pipeline sees texts of thousands of such contexts.

    What has no normal form and joins no word, most of Unicode, is seen inside a word of many such characters; what is
    not assigned or private stands alone among seven others.
    """
    plain = [c for c in characters if unicodedata.category(c) in ("Cn", "Co", "So") or "\u3400" <= c <= "\u9fff"]
    others = sorted(set(characters) - set(plain))
    rows = ["ab".join(["", *plain[start : start + 64], "cd"]) for start in range(0, len(plain), 64)]
    rows += [f"ab{c}cd" for c in others]
    together = 8 if characters is SIGNS else 1
    rows += ["".join(characters[start : start + together]) for start in range(0, len(characters), together)]
    texts = ["\n".join(rows[start : start + 4096]) for start in range(0, len(rows), 4096)]
    texts += [" ab ".join(others[start : start + 4096]) for start in range(0, len(others), 4096)]
    # Ids tell words apart: all that may stand in a word have types, and some of those that may not.
    names = {word for c in others for word in (c.lower(), f"ab{unicodedata.normalize('NFC', c).lower()}cd")}
    tokenizer = tokenizer.extended(sorted({*names, *plain[::50], "ab", "cd"}))
    assert refusal(tokenizer) is None
    expected, found = tokenizer.encode_batch(texts), ChunkMemory(tokenizer).encode(texts)[0]
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.offsets, expected.offsets)


@pytest.mark.slow
@pytest.mark.parametrize("form", NORMALIZATIONS)
@settings(deadline=None, max_examples=200)
@given(texts=st.lists(strings, max_size=4))
def test_any_mixture_is_the_same_beside_others(form, texts):
    tokenizer = Tokenizer.train(texts, TextConfig(normalization=form))
    expected = tokenizer.encode_batch(texts)
    found = ChunkMemory(tokenizer).encode(texts)[0]
    assert (found.ids.tolist(), found.offsets.tolist()) == (expected.ids.tolist(), expected.offsets.tolist())
    assert found.ids.tolist() == ChunkMemory(tokenizer).encode(["\n".join(texts)])[0].ids.tolist()
    places, spans = Spans(tokenizer)(texts), [span for text in texts for span in tokenizer.spans(text)]
    assert list(zip(places.starts.tolist(), places.ends.tolist(), strict=True)) == spans


def test_spans_are_places_of_the_text_as_it_was_given():
    text = "\u200bgood aw\u00adful don’t \u0130stanbul \ufeff!"
    assert [text[start:end] for start, end in NFC.spans(text)] == [
        *("good", "aw\u00adful", "don’t", "\u0130stanbul", "!")
    ]


def test_other_replacements_may_look_across_blanks():
    document = json.loads(NFC.to_json())
    document["normalizer"]["normalizers"][0]["pattern"]["Regex"] += "| "
    assert refusal(Tokenizer.from_json(json.dumps(document))) == "the normalizer Replace may look across blanks"


def test_a_tokenizer_of_an_earlier_version_answers_as_before():
    document = json.loads(NFC.to_json())
    document["normalizer"]["normalizers"] = [{"type": "NFC"}, {"type": "Lowercase"}]
    earlier = Tokenizer.from_json(json.dumps(document))
    assert earlier.is_default
    assert earlier.words("\u200bgood don’t İs") == ["\u200b", "good", "don", "’", "t", "i\u0307s"]
