"""Which tokenizer.json is a default one: what this version or an earlier one writes, and nothing that differs."""

from __future__ import annotations

import copy
import json

import pytest
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers

from textcnn.core import word_form
from textcnn.core.word_form import FORMS, WORD_PATTERN, WordForm, WordList, form_of, read_word_list

VOCABULARY = {"[PAD]": 0, "[UNK]": 1, "good": 2, "漢": 3}


def by_package(form):
    """The same tokenizer, made of the package's own parts."""
    steps = [getattr(normalizers, form.normalization.upper())()]
    if not form.is_earlier:
        dropped = [normalizers.Replace(Regex(p), "") for p in (word_form._DROPPED, word_form._UNJOINING)]
        steps = [*dropped, *steps, normalizers.Replace(Regex("[\u2019\u02bc]"), "'")]
    if form.lowercase:
        steps.append(normalizers.Lowercase())
    if form.lowercase and not form.is_earlier:
        steps += [normalizers.Replace(Regex("i\u0307"), "i"), normalizers.Replace(Regex("ς"), "σ")]
    pipeline = tokenizers.Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    pipeline.normalizer = normalizers.Sequence(steps)
    pipeline.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True)
    return pipeline


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_is_known_by_what_the_package_writes(form):
    written = by_package(form).to_str(pretty=True)
    assert form.pipeline(VOCABULARY).to_str(pretty=True) == written
    assert form_of(json.loads(written)) == form
    assert read_word_list(written) == WordList(form, VOCABULARY)
    assert len({form.bits for form in FORMS}) == len(FORMS)


def changed(change):
    document = copy.deepcopy(WordForm().document(VOCABULARY))
    change(document)
    return document


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(version="2.0"),
        lambda d: d.update(post_processor={"type": "ByteLevel"}),
        lambda d: d.update(added_tokens=[{"id": 2, "content": "good"}]),
        lambda d: d.update(truncation={"max_length": 3}),
        lambda d: d.update(more=1),
        lambda d: d.pop("decoder"),
        lambda d: d["model"].update(type="WordPiece"),
        lambda d: d["model"].update(unk_token="<unk>"),
        lambda d: d["pre_tokenizer"].update(invert=1),
        lambda d: d["pre_tokenizer"]["pattern"].update(Regex=WORD_PATTERN + "|x"),
        lambda d: d["normalizer"]["normalizers"].pop(),
        lambda d: d["normalizer"]["normalizers"].reverse(),
        lambda d: d["normalizer"]["normalizers"][0].update(content=" "),
    ],
)
def test_any_other_part_is_another_tokenizer(change):
    document = changed(change)
    assert form_of(document) is None
    assert read_word_list(json.dumps(document)) is None


@pytest.mark.parametrize(
    "vocabulary",
    [
        {"[PAD]": 0, "good": 1},
        {"[UNK]": 0, "good": 2},
        {"[UNK]": 1, "good": 0},
        {"[UNK]": False, "good": True},
        {"[UNK]": 0, "good": 1.0},
        {"[UNK]": 0, "\ud800": 1},
        [],
        None,
    ],
)
def test_the_package_reads_a_vocabulary_that_is_not_written_here(vocabulary):
    document = changed(lambda d: d["model"].update(vocab=vocabulary))
    assert form_of(document) == WordForm()
    assert read_word_list(json.dumps(document)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"model": 1}', "9" * 10_000])
def test_what_is_no_tokenizer_at_all(text):
    assert read_word_list(text) is None
