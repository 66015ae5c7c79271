"""Sources of bytes (a file or the standard input) and their decoding to lines: byte order marks, encodings, NULs."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import re
import select
import shutil
import sys
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from textcnn.errors import ConfigError, DataError
from textcnn.reading.compression import UNPACKING_ERRORS, unpacked, unpacked_name
from textcnn.reading.table import one_line

HEAD = 8192  # bytes, of which the first lines tell the format
HINTED = 2**20  # bytes that are looked at for the encoding to propose
LONGEST = 2**24  # characters of a line, a row of CSV or a text: small files can unpack to endless ones
MARK = "\ufeff"  # a byte order mark, once decoded
CONTROLS = re.compile("[\x80-\x9f]")  # hardly ever meant: in Windows-1252 these are quotes, dashes and the euro sign
SURROGATE = re.compile("[\ud800-\udfff]")  # half a pair: JSON and UTF-7 can escape it, UTF-8 cannot write it
_ESCAPED = ("utf-7", "unicode-escape", "raw-unicode-escape")  # encodings that have halves of pairs
MARKS = (  # UTF-32 before UTF-16, whose mark it begins with
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Part(NamedTuple):
    """A contiguous part of the decompressed bytes of a file.

    Attributes:
        stream: the part, with ``read1``.
        before: bytes and lines before it.
    """

    stream: Any
    before: tuple[int, int]


class Source:
    """A file, decompressed if needed, or the standard input (``path`` None).

    Once it has been opened, ``file_name`` is that of the unpacked file, and ``aside`` counts the others of its archive.
    Files can be opened any number of times; the standard input and pipes (``again`` False) only once.

    Args:
        path: path of the file.
        encoding: encoding of its text.
        opener: opens a file that is not of this machine, any number of times, as a buffered stream of bytes.
        name: name of the file in messages; its extension tells the format.
        row_groups: of a Parquet file, the only ones to read; none: all.

    Raises:
        ConfigError: Python does not know ``encoding``.
        DataError: the file cannot be opened, or unpacked.
    """

    def __init__(
        self,
        path: Path | None,
        encoding: str = "utf-8",
        *,
        opener: Callable[[], IO[bytes]] | None = None,
        name: str | None = None,
        row_groups: Sequence[int] | None = None,
    ) -> None:
        self.path = path
        self.row_groups = row_groups
        self.name = name or ("<stdin>" if path is None else str(path))
        self.again = opener is not None or (path is not None and path.is_file())
        self._opener = opener or partial(open, self.name, "rb")
        self.encoding = _known(encoding)
        self.file_name, self.aside = unpacked_name(self.name), 0
        self._file: Any = None
        self._head: bytes | None = None
        self._pipe = None if self.again else self._open_pipe()

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """Open the decompressed bytes as a buffered stream with ``peek`` and ``read1``."""
        try:
            if self._pipe is not None:
                yield self._pipe
            else:
                with (
                    self._opener() as self._file,
                    unpacked(self._file, self.name) as (stream, self.file_name, self.aside),
                ):
                    yield stream
        except UNPACKING_ERRORS as err:
            raise DataError(f"expected a readable file, found: {one_line(err)}", path=self.name) from err

    @contextlib.contextmanager
    def open_seekable(self) -> Iterator[Any]:
        """Open the decompressed bytes as a seekable stream, via a temporary file if needed."""
        with self.open() as stream:
            if stream is self._file:
                yield stream
            else:
                with tempfile.TemporaryFile() as copy:
                    shutil.copyfileobj(stream, copy)
                    copy.seek(0)
                    yield copy

    def ready(self) -> bool:
        """Return whether the next read surely does not wait for the writer of a pipe."""
        if self._pipe is None:
            return True
        try:
            number = self._pipe.fileno()
        except (OSError, ValueError):  # bytes in memory
            return True
        try:
            return bool(select.select([number], [], [], 0)[0])
        except (OSError, ValueError):
            return False

    def fraction_read(self) -> float | None:
        """Return the fraction of the (compressed) file read so far; none for a pipe."""
        if self._file is None:
            return None
        try:
            return float(self._file.tell() / max(os.fstat(self._file.fileno()).st_size, 1))
        except (OSError, ValueError):  # it is closed, perhaps just now by the thread that reads
            return 1.0

    def head(self) -> bytes:
        """The first few thousand bytes, without consuming them; of a pipe, those that arrive with the first line."""
        if self._head is None:
            with self.open() as stream:
                self._head = bytes(stream.read(HEAD) if self.again else stream.peek(HEAD))
        return self._head

    @property
    def used(self) -> str:
        """The encoding in use: the one asked for, or that of the byte order mark."""
        return self._encoding(self.head())

    def head_lines(self) -> list[str]:
        """Return the first lines that are not blank; the last one may be cut off."""
        return [line for line in io.StringIO(self.head_text(), newline=None) if line.strip()]

    def head_text(self) -> str:
        """The first characters, without a byte order mark."""
        return codecs.getincrementaldecoder(self.used)("replace").decode(self.head()).removeprefix(MARK)

    def is_cut(self) -> bool:
        """Return whether the last of the first lines may be incomplete."""
        return not self.head_text().endswith("\n") and (not self.again or len(self.head()) >= HEAD)

    def lines(
        self, notices: Counter[str], newline: str | None = None, *, longest: int = LONGEST, part: Part | None = None
    ) -> Generator[str, None, None]:
        r"""Yield lines with their ends: as ``"\n"``, or, with ``newline=""``, as they are.

        NUL characters become blanks and are counted as ``nul_bytes``; byte order marks at the start of a line, as
        ``cat`` leaves them, are dropped and counted as ``marks``.

        Args:
            notices: counts the notices by kind.
            newline: as for :func:`open`.
            longest: lines of as many characters come in pieces, below ``LONGEST``; from there they are an error.
            part: part of the decompressed bytes; none: all.

        Raises:
            DataError: a byte that is not of the encoding, with its offset; a line of ``LONGEST`` characters.
        """
        with self.open() if part is None else contextlib.nullcontext(part.stream) as stream:
            if part is None:
                notices["members_aside"] = self.aside
                encoding = self._encoding(bytes(stream.peek(4)))
            else:
                encoding = self.used.removesuffix("-sig")
            bytes_before, lines_before = (0, 0) if part is None else part.before
            counted = _Counted(stream, bytes_before)
            buffer: Any = counted
            try:
                text = io.TextIOWrapper(buffer, encoding, newline=newline)
                for number, line in enumerate(iter(partial(text.readline, longest), ""), start=lines_before):
                    if len(line) == LONGEST:
                        raise too_long("a line", self.name, number + 1)
                    if line[0] == MARK:
                        line = line[1:]
                        notices["marks"] += number > 0
                        if not line:  # after the last line end, as of an empty file that was joined
                            continue
                    if encoding in _ESCAPED:
                        line = without_halves(line, notices)
                    elif encoding.startswith("iso8859") and not line.isascii():
                        notices["controls"] += len(CONTROLS.findall(line))
                    if "\0" in line:
                        notices["nul_bytes"] += line.count("\0")
                        line = line.replace("\0", " ")
                    yield line
            except UnicodeDecodeError as err:
                offset = counted.total - len(err.object) + err.start
                after = err.object[err.start :] + (stream.read(HINTED) if self.again else b"")  # a pipe may be slow
                before = self.head()[:offset]
                raise DataError(
                    f"expected text in {encoding.removesuffix('-sig')}, found byte {err.object[err.start]:#04x} "
                    f"at byte offset {offset}; say what the file is in with --encoding"
                    f"{_hint(before + after[:HINTED], len(before), encoding)}",
                    path=self.name,
                ) from err

    def _encoding(self, head: bytes) -> str:
        """Choose the encoding: the one asked for, else that of the byte order mark, else the default."""
        if self.encoding == "utf-8":
            return next((encoding for mark, encoding in MARKS if head.startswith(mark)), "utf-8")
        marks = [mark for mark, encoding in MARKS if encoding == self.encoding != "utf-8-sig"]
        if marks and not any(head.startswith(mark) or mark.startswith(head) for mark in marks):
            raise DataError(
                f"expected {self.encoding} with a byte order mark, found {head[:4]!r} at the start; say which byte "
                f"comes first, as {self.encoding}-le (Windows) or {self.encoding}-be",
                path=self.name,
            )
        return self.encoding

    def _open_pipe(self) -> Any:
        """Return the single stream of a pipe, closed with this object, or of the standard input, left open."""
        if self.path is None:
            if sys.stdin is None or sys.stdin.closed:
                raise DataError("expected texts on standard input, found it closed; name a file", path=self.name)
            stdin: Any = sys.stdin.buffer
            return self._arriving(stdin if hasattr(stdin, "peek") else io.BufferedReader(stdin))
        try:
            file = self.path.open("rb")
        except OSError as err:
            raise DataError(f"expected a readable file, found: {one_line(err)}", path=self.name) from err
        weakref.finalize(self, file.close)
        return self._arriving(file)

    def _arriving(self, pipe: Any) -> _Arriving:
        opened = contextlib.ExitStack()
        weakref.finalize(self, opened.close)
        try:
            stream, self.file_name, self.aside = opened.enter_context(unpacked(pipe, self.name))
            return _Arriving(stream)
        except UNPACKING_ERRORS as err:
            raise DataError(f"expected a readable file, found: {one_line(err)}", path=self.name) from err


class _Counted(io.BufferedIOBase):
    """Stream that counts the bytes read, so that an undecodable one can be located."""

    def __init__(self, stream: Any, total: int) -> None:
        self.stream = stream
        self.total = total

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        data: bytes = self.stream.read1(size)
        self.total += len(data)
        return data


class _Arriving(io.BufferedIOBase):
    """Stream of a pipe; peeking at its start waits for the first line only."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._head = b""

    def peek(self, size: int = 0, /) -> bytes:
        """Return the first bytes without consuming them: up to ``HEAD``, or what arrived with the first line."""
        while b"\n" not in self._head and len(self._head) < max(HEAD, size):
            part = self.stream.read1(HEAD)
            if not part:
                break
            self._head += part
        return self._head

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self.stream.fileno())

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self._take(-1) + bytes(self.stream.read())
        return self._take(size) or bytes(self.stream.read(size))

    def read1(self, size: int = -1, /) -> bytes:
        return self._take(size) or bytes(self.stream.read1(size))

    def _take(self, size: int) -> bytes:
        size = len(self._head) if size < 0 else size
        part, self._head = self._head[:size], self._head[size:]
        return part


def _hint(data: bytes, start: int, used: str) -> str:
    """Return the end of an error message that suggests a likely encoding; empty if there is none.

    Args:
        data: a part of the file.
        start: of the first byte in it that is not of the encoding.
        used: the encoding.
    """
    if used not in ("utf-8", "utf-8-sig") and _is_utf8(data[max(start - 3, 0) :]):
        return ", e.g. --encoding utf-8"
    text = data.decode("utf-8", "surrogateescape")  # in which a byte b that is not UTF-8 is U+DC00 + b
    alone = "".join(re.findall("[\udc80-\udcff]", text))
    runs = re.findall(rb"[\x80-\xff]+", data)
    if len(text) - len(alone) - sum(map(str.isascii, text)) > len(alone):
        return "; most of it is UTF-8: were files of several encodings joined, or is it damaged?"
    if len(runs) > 1 and sum(map(len, runs)) >= 3 * len(runs):  # Western accents and quotes stand alone
        return "; so many such bytes in a row are no Western text, but as gb18030, big5, shift_jis, euc-kr or cp1251"
    likely = "cp1252" if re.search("[\udc80-\udc9f]", alone) else "latin-1"  # of both only cp1252 prints 0x80 to 0x9f
    if likely == "cp1252" and re.search("[\udc81\udc8d\udc8f\udc90\udc9d]", alone):  # which are no characters of it
        return "; it is not cp1252" if used != "cp1252" else ""
    return f", e.g. --encoding {likely}" if likely != used else ""


def _is_utf8(data: bytes) -> bool:
    """Return whether bytes from the middle of a text are UTF-8, ignoring a character cut at the start."""
    for start in range(4):
        with contextlib.suppress(UnicodeDecodeError):
            codecs.getincrementaldecoder("utf-8")().decode(data[start:])
            return b"\0" not in data
    return False


def without_halves(text: str, notices: Counter[str]) -> str:
    """Replace unpaired surrogates, which UTF-8 cannot encode, by U+FFFD, and count them."""
    text, count = SURROGATE.subn("\ufffd", text)
    notices["surrogates"] += count
    return text


def too_long(what: str, name: str, line: int | None = None) -> DataError:
    """Return the error for a row or cell with implausibly many characters."""
    return DataError(
        f"expected {what} of fewer than {LONGEST:,} characters, found a longer one; is it text, and in lines?",
        path=name,
        line=line,
    )


def _known(encoding: str) -> str:
    try:
        codecs.getincrementaldecoder(encoding)("replace").decode("a\n".encode(encoding))
    except (LookupError, ValueError) as err:  # of no text, as hex; that cannot be read piece by piece, as idna
        raise ConfigError(f"encoding must be one Python knows, as utf-8, latin-1 or utf-16, got {encoding!r}") from err
    return codecs.lookup(encoding).name
