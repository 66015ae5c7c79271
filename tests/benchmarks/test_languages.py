"""The study of language identification: catalogs to a folder of language files, and the table."""

from __future__ import annotations

import struct

import pytest

from benchmarks import languages
from textcnn.errors import DataError

HEADER = "Content-Type: text/plain; charset=UTF-8\n"


def write_catalog(path, messages):
    """A compiled catalog, as gettext reads it: sorted messages, their translations, tables of lengths and offsets."""
    pairs = [(b"", HEADER.encode()), *sorted((a.encode(), b.encode()) for a, b in messages.items())]
    start, tables, data = 28 + 16 * len(pairs), ([], []), b""
    for column in (0, 1):
        for pair in pairs:
            tables[column].append(struct.pack("<II", len(pair[column]), start + len(data)))
            data += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(head + b"".join(tables[0] + tables[1]) + data)


@pytest.fixture
def catalogs(tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "LEAST_SENTENCES", 20)
    for language, word in {"de": "und das ist ein Satz", "fr": "mais ceci est une phrase", "de@x": "x"}.items():
        messages = {f"message {n}": f"<b>{word}</b> Nr. {n} %s" for n in range(60)}
        messages |= {"same": "the same sentence in both languages", "short": "kurz"}
        write_catalog(tmp_path / "in" / language / "LC_MESSAGES" / "a.mo", messages)
    (tmp_path / "in/de/LC_MESSAGES/broken.mo").write_bytes(
        (tmp_path / "in/de/LC_MESSAGES/a.mo").read_bytes().replace(b"Satz", b"\xe9\xe9\xe9\xe9")
    )
    return tmp_path / "in"


def test_messages_are_split_alike_in_all_languages(catalogs, tmp_path):
    languages.write_languages(catalogs, tmp_path / "out")
    parts = {part: languages.read_languages(tmp_path / "out" / part) for part in ("train", "test")}
    numbers = {
        (part, language): {text.rsplit(" ", 1)[1] for text, own in zip(*rows, strict=True) if own == language}
        for part, rows in parts.items()
        for language in ("de", "fr")
    }
    assert numbers["train", "de"] == numbers["train", "fr"]
    assert numbers["test", "de"] == numbers["test", "fr"]
    assert numbers["train", "de"] | numbers["test", "de"] == set(map(str, range(60)))
    assert not numbers["train", "de"] & numbers["test", "de"]
    texts = parts["train"][0] + parts["test"][0]
    assert not [text for text in texts if "<" in text or "%" in text or text.startswith(("the same", "kurz"))]


def test_our_model_is_measured_and_shown(catalogs, tmp_path):
    languages.write_languages(catalogs, tmp_path / "out")
    parts = {part: languages.read_languages(tmp_path / "out" / part) for part in ("train", "test")}
    found = languages.ours(parts, seed=1)
    assert found["accuracy"] == 1
    sentences = {part: len(texts) for part, (texts, _) in parts.items()}
    document = {"languages": 2, "sentences": sentences, "machine": {"other_work": 0}, "systems": {"textcnn": found}}
    assert "| textcnn | 100.00% | 100.00% | de 100%, fr 100% |" in languages.to_markdown(document)


def test_a_folder_without_enough_sentences_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected catalogs with 500 sentences of a language, found none"):
        languages.write_languages(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match=r"expected files LANGUAGE\.txt, found none"):
        languages.read_languages(tmp_path)
