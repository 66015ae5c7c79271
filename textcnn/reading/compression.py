"""Decompression of files as streams, detected by magic bytes or name; checked access to NumPy archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import struct
import sys
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.reading.messages import zip_content
from textcnn.reading.table import one_line

PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
EXTENSIONS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json-lines": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ft": "fasttext",
    ".txt": "lines",  # or what the first lines show
}


def extension(name: str) -> str:
    """Return the lower-case file extension that tells the format, without an ending such as ``.gz``."""
    return Path(unpacked_name(name).lower()).suffix


def unpacked_name(name: str) -> str:
    """Return a file name without the extension of its compression."""
    return next((name[: -len(end)] for end in PACKED if name.lower().endswith(end)), name)


MEMORY = 2**28  # bytes; `xz -9` needs a quarter of it
_ZIP = b"PK\x03\x04"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_LISTED = 10  # names of files in a message
_PIECE = 2**16


class Unpacked(NamedTuple):
    """The decompressed bytes of a file.

    Attributes:
        stream: a buffered stream with ``peek`` and ``read1``.
        name: of the file that they are: without an ending such as ``.gz``, or that of the member of an archive.
        aside: number of other files in the archive.
    """

    stream: Any
    name: str
    aside: int = 0


@contextmanager
def unpacked(stream: Any, name: str) -> Iterator[Unpacked]:
    """Decompress a stream; uncompressed streams are passed through.

    Args:
        stream: a buffered stream of bytes with ``peek``.
        name: of the file.

    Raises:
        DataError: a damaged zip archive, or one of no or several readable files, with a password, or of a document.
    """
    if not stream.peek(4).startswith(_ZIP):
        yield Unpacked(_decoded(stream), unpacked_name(name))
        return
    with _seekable(stream) as file:
        member = None
        try:
            archive = zipfile.ZipFile(file)
            if zip_content(archive.namelist(), name) != "npz":
                member = _only_file(archive, name)
                inside = archive.open(member)
        except DAMAGE as err:
            raise DataError(f"expected a whole zip archive, found: {one_line(err)}", path=name) from err
        if member is None:  # word vectors and images may be in arrays of numpy
            file.seek(0)
            yield Unpacked(file, name)
        else:
            with archive, inside:
                aside = sum(map(_is_file, archive.infolist())) - 1
                yield Unpacked(_decoded(inside), unpacked_name(member.filename), aside)


def _only_file(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if _is_file(member)]
    data = members if len(members) == 1 else [member for member in members if extension(member.filename) in EXTENSIONS]
    if len(data) != 1:
        listed = ", ".join(repr(member.filename[:100]) for member in (data or members)[:_LISTED])
        more = ", ..." if len(data or members) > _LISTED else ""
        raise DataError(
            f"expected one readable file in a zip archive, found {len(data)}: {listed or 'nothing'}{more}; "
            "unpack it and name the file to read",
            path=name,
        )
    if data[0].flag_bits & 1:
        raise DataError("expected a zip archive without a password, found one with it; unpack it first", path=name)
    if data[0].compress_type not in _METHODS:
        raise DataError(
            f"expected a zip archive packed by deflate, found method {data[0].compress_type}; unpack it first",
            path=name,
        )
    return data[0]


def _is_file(member: zipfile.ZipInfo) -> bool:
    """Return whether an archive member is user data, not a folder or a hidden file added by the system."""
    parts = PurePosixPath(member.filename).parts
    # ZipInfo.is_dir looks at the last character of a name, which an archive may leave empty.
    return member.filename[-1:] not in ("", "/") and not any(part.startswith((".", "__MACOSX")) for part in parts)


@contextmanager
def _seekable(stream: Any) -> Iterator[IO[bytes]]:
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _decoded(stream: Any) -> Any:
    head = stream.peek(10)
    decode = next((decode for mark, decode in _DECODERS.items() if re.match(mark, head)), None)
    return stream if decode is None else decode(stream)


class _Decoded(io.RawIOBase):
    """Stream decompressed by the standard library; concatenated compressed streams are read as one."""

    def __init__(self, stream: Any, decoder: Callable[[], Any]) -> None:
        self._stream, self._new = stream, decoder
        self._decoder = decoder()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def readinto(self, buffer: Any, /) -> int:
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data or self._stream.read1(_PIECE)
                if not rest.strip(b"\0"):
                    return 0
                self._decoder = self._new()
            elif self._decoder.needs_input:
                rest = self._stream.read1(_PIECE)
                if not rest:
                    raise EOFError("packed data that end too early")
            else:
                rest = b""
            if data := self._decoder.decompress(rest, len(buffer)):
                buffer[: len(data)] = data
                return len(data)


class _OfArrow(io.RawIOBase):
    """Stream decompressed by pyarrow, for zstd and lz4."""

    def __init__(self, stream: Any, codec: str) -> None:
        import pyarrow

        self._source = stream
        self._stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(_Kept(stream), "r"), codec)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._source.fileno())

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._stream.read(len(buffer))
        except ValueError as err:  # pyarrow's, of damage
            raise OSError(one_line(err)) from err
        buffer[: len(data)] = data
        return len(data)


class _Kept:
    """Stream that pyarrow cannot close and whose reads return available bytes without waiting for more."""

    def __init__(self, stream: Any) -> None:
        self._stream, self.closed = stream, False

    def read(self, size: int) -> bytes:
        return bytes(self._stream.read1(size))

    def close(self) -> None:
        self.closed = True


def _xz(stream: Any) -> Any:
    return io.BufferedReader(_Decoded(stream, lambda: lzma.LZMADecompressor(memlimit=MEMORY)))


_DECODERS: dict[bytes, Callable[[Any], Any]] = {  # by the first bytes
    rb"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)": lambda stream: io.BufferedReader(_Decoded(stream, bz2.BZ2Decompressor)),
    rb"\xfd7zXZ\0": _xz,
    rb"\x28\xb5\x2f\xfd": lambda stream: io.BufferedReader(_OfArrow(stream, "zstd")),
    rb"\x04\x22\x4d\x18": lambda stream: io.BufferedReader(_OfArrow(stream, "lz4")),
}


MOST_INFLATION = 1032  # deflate cannot make more bytes of one
# What decoders raise for damage; what numpy raises for it; a size that no memory has is damage too.
UNPACKING_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
DAMAGE = (*UNPACKING_ERRORS, struct.error, ValueError, KeyError, RuntimeError, OverflowError, MemoryError)


_LONGEST_HEADER = 2**16  # bytes; numpy refuses 10,000, after it has read them all


class StoredArray(NamedTuple):
    """An array of an npz archive whose header has been read.

    Attributes:
        stream: its entries, ``size`` bytes.
        packed: their size in the archive, with the header.
        is_fortran: whether columns are stored one after the other, not rows.
    """

    stream: IO[bytes]
    size: int
    packed: int
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]


def open_array(archive: zipfile.ZipFile, member: str, path: str | Path) -> StoredArray:
    """Open an array after checking that the size in the archive's directory is plausible.

    Raises:
        DataError: it is not, the header is damaged, or the member is packed in a way that numpy never packs.
    """
    info = archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"expected {member!r} stored or deflated, found compression {info.compress_type!r}", path=path)
    assert archive.fp is not None
    whole = archive.fp.seek(0, os.SEEK_END)
    if info.compress_size > whole or info.file_size > MOST_INFLATION * info.compress_size:
        raise DataError(f"expected {member!r} to hold data, found a size of {info.file_size} that it cannot", path=path)
    stream = archive.open(info)
    head = io.BytesIO(stream.read(_LONGEST_HEADER))
    try:
        version = np.lib.format.read_magic(head)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"expected npy format 1.0 or 2.0 in {member!r}, found {version!r}", path=path)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        header = read(head)
    except (SyntaxError, TypeError, tokenize.TokenError, RecursionError, MemoryError) as err:  # of Python's own parser
        raise DataError(f"expected an npy header in {member!r}, found {one_line(err)}", path=path) from err
    stream.seek(head.tell())
    return StoredArray(stream, info.file_size - head.tell(), info.compress_size, *header)


def strings(array: npt.NDArray[Any], member: str, path: str | Path) -> list[str]:
    """Decode an array ``(N,)`` of kind U or S, checking that its numbers are valid characters.

    Raises:
        DataError: numbers that are no characters.
    """
    if array.dtype.kind == "S":
        return [text.decode("utf-8", "replace") for text in array.tolist()]
    codes = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    if codes.max(initial=0) > sys.maxunicode or ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise DataError(f"expected characters in {member!r}, found numbers that are none", path=path)
    return [str(text) for text in array.tolist()]
