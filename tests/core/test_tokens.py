"""Words of the default tokenizer: the core gives the bytes that the `tokenizers` package gives, for every text."""

from __future__ import annotations

import sys
import time
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textcnn.core import tokens, tokens_numpy
from textcnn.core.word_form import FLAG, FORMS, WordForm

pytestmark = pytest.mark.usefixtures("core")

BLANKS = " \t\n\v\f\r"  # chunks have none
EVERY = [chr(c) for c in range(sys.maxunicode + 1) if chr(c) not in BLANKS]
MARKS = "\u0301\u0307\u0308\u0323\u0327\u0334\u0345\u0344\u05b0\u0f71\u0f72\u0f73\u3099\uff9e\u09be\u1161\u11a7\u11a8"
HARD = (
    *"aiIſK'’ʼ_3.İςΣßẞﬁ²½あー漢한가각\u1100",
    *MARKS,
    *("\u09c7", "\u0b47", "\uac00", "\uffa1", "\uffc2", "\u3131", "\ufdfa", "\u1e9b", "\u212b", "\U0001d15f", "\u0390"),
    *("\u200b", "\u200c", "\u200d", "\u00ad", "\ufeff", "\u2063", "\u202e", "\U000e0001"),
    *(FLAG, "\U000e0067", "\U000e007f", "👩", "❤", "\ufe0f", "م", "ن", "ก", "ক", "\u094d"),
    *("\x85", "\xa0", "\u3000", "\x1c", "\0", "\ufffd", "\ud800", "\udfff", "\U0010ffff", "\U0002f800"),
)
drawn_chunks = st.lists(
    st.lists(st.sampled_from(HARD) | st.characters(exclude_categories=[], exclude_characters=BLANKS), max_size=14).map(
        "".join
    ),
    max_size=4,
)


def joined(chunks):
    """Bytes of all chunks, and where each ends."""
    parts = [chunk.encode("utf-8", "surrogatepass") for chunk in chunks]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum(np.array([len(part) for part in parts], np.int64))


def assert_same(chunks, form):
    found, expected = tokens.split_words(*joined(chunks), form), tokens_numpy.split_words(*joined(chunks), form)
    if found[0].tobytes() != expected[0].tobytes() or found[1].tolist() != expected[1].tolist():
        for chunk in chunks:  # the first that differs
            words = [list(module.split_words(*joined([chunk]), form)) for module in (tokens, tokens_numpy)]
            assert [ascii(chunk), *(ascii(data.tobytes().decode()) for data, _ in words[:1])] == [
                ascii(chunk),
                *(ascii(data.tobytes().decode()) for data, _ in words[1:]),
            ]
    assert found[1].tolist() == expected[1].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("form", [WordForm("nfc"), WordForm("nfkc")], ids=str)
def test_every_code_point(form):
    """Alone, behind a letter, and before one; those that are not assigned or private among others of them."""
    signs = [c for c in EVERY if unicodedata.category(c) in ("Cn", "Co")]
    others = sorted({*EVERY} - {*signs})
    for start in range(0, len(others), 2**16):
        assert_same([text for c in others[start : start + 2**16] for text in (c, f"e{c}", f"{c}n")], form)
    groups = [signs[start : start + 16] for start in range(0, len(signs), 16)]
    assert_same([joint.join(group) for group in groups for joint in ("", "e")], form)


@pytest.mark.slow
@pytest.mark.parametrize("form", [WordForm("nfc"), WordForm("nfkc")], ids=str)
def test_what_has_another_form_beside_what_combines(form):
    """Before it and behind it."""
    moving = [c for c in EVERY if not "\uac1c" < c < "\ud7a0" and unicodedata.normalize("NFKD", c) != c]
    moving += [c for c in EVERY if unicodedata.combining(c)]
    for mark in MARKS:
        assert_same([text for c in moving for text in (c + mark, mark + c)], form)


@pytest.mark.slow
@settings(deadline=None, max_examples=600)
@given(chunks=drawn_chunks, form=st.sampled_from(FORMS))
@example(chunks=["rock'n'roll'", "'tis", "a''b", "dogs’"], form=WordForm())
@example(chunks=["i\u0307\u0307", "I\u0323\u0307", "İ\u0307", "i\u00ad\u0307"], form=WordForm())
@example(
    chunks=["ก\u200b\u00ad\u200bข", "م\u200c\u00ad\u200cن", "👩\u200d\u2063👧", "👩\u200d\u200d👧"], form=WordForm()
)
@example(chunks=[f"{FLAG}\u00ad\U000e0067", f"x\U000e0067\u00ad\U000e007f{FLAG}\U000e0067\U000e007f"], form=WordForm())
@example(chunks=["\u1100\u1161\u11a8", "가\u11a7", "가\u11a8\u11a8", "\uffa1\uffc2"], form=WordForm("nfkc"))
def test_any_text(chunks, form):
    assert_same(chunks, form)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("run", ["\u0301\u0323\u0327\u0334", "\u0344", "\u1161\u11a8", "\u09be", "\u200b", "\u00ad"])
def test_long_runs_are_sorted_and_take_no_longer(form, run):
    """A text of marks alone is no attack: the time grows as its length does."""
    assert_same(
        [base + run * (length // len(run)) + "x" for base in "eกم가" for length in (15, 16, 17, 40, 3_000)], form
    )
    began = time.perf_counter()
    tokens.split_words(*joined(["ก" + run * (400_000 // len(run))]), form)
    assert time.perf_counter() - began < 2


def test_what_grows_most_has_room():
    for form in FORMS:
        for c in ("\ufdfa", "\u0390", "İ", "Ⱥ", "!", "\ud800", "\ufdfb", "\U0001d160"):
            assert_same([c * 999], form)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(parts=st.lists(st.binary(max_size=9), max_size=5), form=st.sampled_from(FORMS))
@example(parts=[b"\xff\xc0\x80\xe0\x80\x80\xf4\x90\x80\x80\xf8", b"a\xe2\x82", b"\xc3"], form=WordForm("nfkc"))
def test_bytes_that_are_no_text_are_read_as_replacements(parts, form):
    ends = np.cumsum(np.array([len(part) for part in parts], np.int64))
    words, counts = tokens.split_words(np.frombuffer(b"".join(parts), np.uint8), ends, form)
    assert len(words.tobytes().decode().splitlines()) >= 0  # it is a text now
    assert words.tobytes().count(b"\n") == counts.sum()
    for part in parts:
        read = part.decode("utf-8", "replace")
        if part.decode("utf-8", "ignore") == read and not any(c in read for c in BLANKS):
            assert_same([read], form)


@pytest.mark.parametrize("ends", [[4], [2, 1], [-1, 3]])
def test_ends_that_do_not_fit_are_errors_of_both(ends):
    for module in (tokens, tokens_numpy):
        with pytest.raises(ValueError, match=r"fit together|ends that ascend"):
            module.split_words(np.frombuffer(b"a.b", np.uint8), np.array(ends, np.int64), WordForm())


def test_no_chunks_have_no_words():
    for module in (tokens, tokens_numpy):
        words, counts = module.split_words(np.zeros(0, np.uint8), np.zeros(0, np.int64), WordForm())
        assert (len(words), len(counts), words.dtype, counts.dtype) == (0, 0, np.uint8, np.int64)
