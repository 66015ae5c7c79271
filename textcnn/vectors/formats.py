"""File formats of word vectors (text, binary, npz, safetensors) as streams of words and rows."""

from __future__ import annotations

import codecs
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.reading.compression import DAMAGE, open_array, strings
from textcnn.reading.source import Source
from textcnn.reading.table import one_line

Row = npt.NDArray[np.float32]
WIDEST = 100_000  # numbers of one vector


@dataclass(frozen=True)
class Entries:
    """A stream of the words and vectors of a file.

    Attributes:
        dim: D, numbers of a vector.
        items: each word, and its vector in the file's own form, so that an unwanted one costs little.
        parse: turns that form into ``(D,)`` float32.
    """

    dim: int
    items: Iterator[tuple[str, Any]]
    parse: Callable[[Any], Row]


def checked_dim(dim: int, name: str) -> int:
    """Return the dimension after checking that it is plausible.

    Raises:
        DataError: it is not plausible.
    """
    if not 1 <= dim <= WIDEST:
        raise DataError(f"expected vectors of 1 to {WIDEST:,} numbers, found {dim:,}", path=name)
    return dim


def finite(row: Row, name: str, word: str, line: int | None = None) -> Row:
    """Return the row after checking that all its numbers are finite.

    Raises:
        DataError: they are not.
    """
    if not np.isfinite(row).all():
        raise DataError(f"expected finite numbers for {word!r}, found NaN or infinity", path=name, line=line)
    return row


_ROWS = 512  # rows of an array read at once, if they are not wide
_BYTES = 16_000_000
_NPY_WORDS, _NPY_VECTORS = "words.npy", "vectors.npy"


def read_npz(stream: Any, name: str) -> Entries:
    """Read a NumPy archive with ``words`` (N strings) and ``vectors`` (N, D); pickled objects are refused."""
    try:
        archive = zipfile.ZipFile(stream)
        if missing := {_NPY_WORDS, _NPY_VECTORS} - set(archive.namelist()):
            found = ", ".join(archive.namelist()[:10])
            raise DataError(f"expected the arrays words and vectors, found {found}; {min(missing)} lacks", path=name)
        words_shape, words = _npy(archive, _NPY_WORDS, "US", name)
        shape, rows = _npy(archive, _NPY_VECTORS, "f", name)
    except DAMAGE as err:
        raise DataError(f"expected an npz file of word vectors: {one_line(err)}", path=name) from err
    _check_shapes(shape, words_shape, name)
    text = chain.from_iterable(strings(part, _NPY_WORDS, name) for part in words)
    return _array_entries(text, chain.from_iterable(rows), shape[1], name)


def _npy(archive: zipfile.ZipFile, member: str, kinds: str, name: str) -> tuple[tuple[int, ...], Iterator[Any]]:
    """Return the shape of an array in the archive, and an iterator over its rows in blocks."""
    file, size, _, shape, is_fortran, dtype = open_array(archive, member, name)
    if dtype.kind not in kinds or (is_fortran and len(shape) > 1):
        raise ValueError(f"{member} is of dtype {dtype} ({'columns' if is_fortran else 'rows'} first)")
    width = int(np.prod(shape[1:], dtype=object)) * dtype.itemsize
    if width > 8 * WIDEST:
        raise ValueError(f"{member} has entries of {width:,} bytes")
    if shape and width * shape[0] > size:
        raise ValueError(f"{member} claims to be {shape!r}, which is more than it holds")

    def parts() -> Iterator[Any]:
        step = max(1, min(_ROWS, _BYTES // max(width, 1)))
        for start in range(0, shape[0], step):
            number = min(step, shape[0] - start)
            try:
                content = file.read(number * width)
                part = np.frombuffer(content, dtype).reshape(number, *shape[1:]) if width else np.zeros(number, dtype)
            except DAMAGE as err:
                raise DataError(f"expected an npz file of word vectors: {one_line(err)}", path=name) from err
            yield part

    return shape, parts()


def read_safetensors(stream: Any, name: str) -> Entries:
    """Read a tensor ``vectors`` (N, D) whose words are a JSON list under ``words`` in the file's metadata."""
    import safetensors

    copy = tempfile.NamedTemporaryFile()  # noqa: SIM115 - lives as long as the entries
    path = stream.name
    if not isinstance(path, str):  # unpacked; the reader maps a file of a name
        shutil.copyfileobj(stream, copy)
        copy.flush()
        path = copy.name
    try:
        file: Any = safetensors.safe_open(path, framework="np")
        words = json.loads((file.metadata() or {}).get("words", "null"))
        vectors = file.get_slice("vectors")
        shape, kind = tuple(vectors.get_shape()), vectors.get_dtype()
    except (safetensors.SafetensorError, *DAMAGE) as err:
        raise DataError(f"expected a safetensors file of word vectors: {one_line(err)}", path=name) from err
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError("expected a JSON list of words as metadata 'words' of the tensor 'vectors'", path=name)
    if kind not in ("F16", "F32", "F64"):
        raise DataError(f"expected vectors of F16, F32 or F64, found {kind}", path=name)
    _check_shapes(shape, (len(words),), name)

    def rows() -> Iterator[Any]:
        with copy:
            for start in range(0, shape[0], _ROWS):
                yield from vectors[start : min(start + _ROWS, shape[0])]

    return _array_entries(iter(words), rows(), shape[1], name)


def _check_shapes(shape: tuple[int, ...], words: tuple[int, ...], name: str) -> None:
    if len(shape) != 2 or words != shape[:1]:
        raise DataError(f"expected vectors (N, D) and N words, found {shape!r} and {words!r}", path=name)
    checked_dim(shape[1], name)


def _array_entries(words: Iterator[str], rows: Iterator[Any], dim: int, name: str) -> Entries:
    def parse(raw: Any) -> Row:
        with np.errstate(over="ignore"):
            return finite(raw[1].astype(np.float32), name, raw[0])

    return Entries(dim, ((word, (word, row)) for word, row in zip(words, rows, strict=True)), parse)


_LONGEST_WORD = 10_000  # bytes
_LONGEST_LINE = 16_000_000  # bytes
_FASTTEXT_MODEL = b"\xba\x16\x4f\x2f"
_NUMBER = re.compile(rb"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")  # each in one way only, or it takes n * n steps
_HEADER = re.compile(rb"(\d{1,18}) (\d{1,18})[ \t]*\r?\n")


def open_entries(source: Source, stream: Any) -> Entries:
    """Open the vectors in ``stream``, the decompressed and seekable bytes of ``source``.

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
    """Return whether these bytes, possibly cut off, are characters; binary numbers hardly ever are."""
    sample = head[:1000]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in sample)


# ------------------------------------------------------------------------------------------------- text and binary


def _text(stream: Any, name: str, dim: int | None) -> Entries:
    """Read GloVe text, or word2vec and fastText text, which begins with a header "words numbers"."""
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
    """Read word2vec binary: each word, a blank, little-endian float32 numbers, and optional line ends."""
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
    """Stream that reads in large pieces and returns small ones."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._buffer, self._at = stream, b"", 0

    def _fill(self, size: int) -> None:
        """Buffer ``size`` more bytes, or all that are left."""
        if len(self._buffer) - self._at < size:
            self._buffer = self._buffer[self._at :] + self._stream.read(max(size, 1 << 20))
            self._at = 0

    def until_blank(self) -> bytes | None:
        """Take the bytes up to the next blank; none if no blank follows soon."""
        end = self._buffer.find(b" ", self._at, self._at + _LONGEST_WORD)
        if end < 0:
            self._fill(_LONGEST_WORD)
            end = self._buffer.find(b" ", self._at, self._at + _LONGEST_WORD)
        if end < 0:
            return None
        word, self._at = self._buffer[self._at : end], end + 1
        return word

    def take(self, size: int) -> bytes:
        """Take the next ``size`` bytes, fewer at the end."""
        self._fill(size)
        taken = self._buffer[self._at : self._at + size]
        self._at += len(taken)
        return taken
