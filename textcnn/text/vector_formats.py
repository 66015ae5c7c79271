"""The formats of word vectors: text and binary, npz and safetensors, each read as a stream of words with their rows.

A format is known by its first bytes, not by its name. What a header claims is never allocated: rows are read one by one
or some hundreds at a time, and a width above ``WIDEST`` is an error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from textcnn.errors import DataError
from textcnn.text.read_source import Source
from textcnn.text.vector_arrays import read_npz, read_safetensors
from textcnn.text.vector_entries import Entries, Row, checked_dim, finite

_LONGEST_WORD = 10_000  # bytes
_LONGEST_LINE = 16_000_000  # bytes
_FASTTEXT_MODEL = b"\xba\x16\x4f\x2f"
_NUMBER = re.compile(rb"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")  # each in one way only, or it takes n * n steps
_HEADER = re.compile(rb"(\d{1,18}) (\d{1,18})[ \t]*\r?\n")


def open_entries(source: Source, stream: Any) -> Entries:
    """The vectors in ``stream``, the unpacked and seekable bytes of ``source``.

    Raises:
        DataError: the file is in no format of these, now or while the entries are read.
    """
    head = stream.read(65_536)
    stream.seek(0)
    header = _HEADER.match(head.removeprefix(b"\xef\xbb\xbf"))
    if head.startswith(b"PK\x03\x04"):
        return read_npz(stream, source.name)
    if head[8:9] == b"{" and head[5:8] == b"\0\0\0":  # the length of a safetensors header
        return read_safetensors(stream, source.name)
    if head.startswith(_FASTTEXT_MODEL):
        raise DataError("expected word vectors, found a fastText model; take its .vec file", path=source.name)
    if header is not None:
        count, dim = int(header[1]), checked_dim(int(header[2]), source.name)
        is_named_binary = source.name.lower().removesuffix(".gz").endswith(".bin")
        if is_named_binary or not _is_text(head[header.end() :]):
            stream.seek(header.end())
            return _binary(stream, source.name, count, dim)
        return _text(stream, source.name, dim)
    if not _is_text(head):
        raise DataError("expected word vectors as text, word2vec binary, npz or safetensors", path=source.name)
    return _text(stream, source.name, None)


def _is_text(head: bytes) -> bool:
    """Whether these bytes, of which the last may be cut, are characters: numbers in binary hardly ever are."""
    sample = head[:1000]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in sample)


# ------------------------------------------------------------------------------------------------- text and binary


def _text(stream: Any, name: str, dim: int | None) -> Entries:
    """GloVe text, and word2vec and fastText text, which begin with a line "words numbers"."""
    lines = enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), start=1)
    before: list[tuple[int, bytes]] = []
    if dim is not None:
        next(lines)
    else:
        number, first = next(lines, (1, b""))
        before = [(number, first.removeprefix(b"\xef\xbb\xbf"))]
        dim = len(before[0][1].split()) - 1
        if dim < 1:
            raise DataError(f"expected a word and its numbers, found {first[:80]!r}", path=name, line=number)
        checked_dim(dim, name)

    def items() -> Iterator[tuple[str, Any]]:
        for number, line in chain(before, lines):
            word, *numbers = line.rsplit(None, dim) or [b""]
            extra = word.split()[1:]
            if len(numbers) != dim or (extra and _NUMBER.fullmatch(extra[-1])):
                if not numbers and not word:
                    continue  # a blank line
                found = len(numbers) + len(extra)
                raise DataError(f"expected a word and {dim} numbers, found {found} numbers", path=name, line=number)
            yield word.decode("utf-8", "replace"), (number, word, numbers)

    def parse(raw: Any) -> Row:
        number, word, numbers = raw
        try:
            with np.errstate(over="ignore"):
                row = np.array([float(x) for x in numbers], np.float64).astype(np.float32)
        except ValueError as err:
            wrong = next((x for x in numbers if not _NUMBER.fullmatch(x)), b"?")
            raise DataError(f"expected {dim} numbers, found {wrong!r} among them", path=name, line=number) from err
        return finite(row, name, word.decode("utf-8", "replace"), number)

    return Entries(dim, items(), parse)


def _binary(stream: Any, name: str, count: int, dim: int) -> Entries:
    """word2vec binary: each word, a blank, and its numbers as little-endian float32; line ends between them or not."""
    window = _Window(stream)

    def items() -> Iterator[tuple[str, Any]]:
        for number in range(1, count + 1):
            word, values = window.until_blank(), window.take(4 * dim)
            if word is None or len(values) < 4 * dim:
                raise DataError(
                    f"expected {count:,} vectors of {dim} numbers, the file ends in, or is damaged at, vector "
                    f"{number:,}",
                    path=name,
                )
            text = word.lstrip(b"\r\n").decode("utf-8", "replace")
            yield text, (text, values)

    return Entries(dim, items(), lambda raw: finite(np.frombuffer(raw[1], "<f4").astype(np.float32), name, raw[0]))


class _Window:
    """A stream read in large pieces and handed out in small ones."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._held, self._at = stream, b"", 0

    def _fill(self, size: int) -> None:
        """Hold ``size`` bytes more, or all there are."""
        if len(self._held) - self._at < size:
            self._held = self._held[self._at :] + self._stream.read(max(size, 1 << 20))
            self._at = 0

    def until_blank(self) -> bytes | None:
        """The bytes before the next blank, which is taken too; none where no blank follows soon."""
        end = self._held.find(b" ", self._at, self._at + _LONGEST_WORD)
        if end < 0:
            self._fill(_LONGEST_WORD)
            end = self._held.find(b" ", self._at, self._at + _LONGEST_WORD)
        if end < 0:
            return None
        word, self._at = self._held[self._at : end], end + 1
        return word

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end."""
        self._fill(size)
        taken = self._held[self._at : self._at + size]
        self._at += len(taken)
        return taken
