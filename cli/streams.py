"""Prepares the standard streams: a closed or full stdout is reported as an error, a lost stderr is ignored."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from textcnn.errors import DataError


class _Descriptor(io.RawIOBase):
    """The raw file of a standard stream; a failed write is a one-line error, or ignored if ``is_optional``."""

    def __init__(self, number: int, *, is_closed: bool, is_optional: bool) -> None:
        self._number, self._is_closed, self.is_optional = number, is_closed, is_optional
        self.has_reader = True

    def fileno(self) -> int:
        return self._number

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: Any, /) -> int:
        if self._is_closed and not self.is_optional:
            raise DataError("cannot write answers: stdout is closed; let it go somewhere, as > answers.jsonl")
        try:
            return os.write(self._number, data)
        except BrokenPipeError:
            self.has_reader = False
            if not self.is_optional:
                raise
        except OSError as err:
            if not self.is_optional:
                raise DataError(f"cannot write answers: {err.strerror or err}") from err
        return len(bytes(data))


def prepare() -> None:
    """Replace stdout and stderr by streams with these error rules, and open closed ones on the null device.

    Otherwise the next opened file would get the descriptor of a closed stream, and be written to by mistake.
    """
    closed = [number for number in range(3) if _is_closed(number)]
    for number in closed:
        descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor, which is this number
        assert descriptor == number
        os.set_inheritable(descriptor, True)
    for name, number, errors in (("stdout", 1, "backslashreplace"), ("stderr", 2, "backslashreplace")):
        stream = getattr(sys, name)
        if stream is None or type(stream) is io.TextIOWrapper:  # not one that another program has replaced
            raw = _Descriptor(number, is_closed=number in closed, is_optional=name == "stderr")
            # JSON is UTF-8 whatever the terminal; a lone surrogate (of a path in another encoding) has a JSON escape.
            encoding = "utf-8" if name == "stdout" or stream is None else stream.encoding
            buffered = io.BufferedWriter(raw)
            is_line = name == "stderr" or raw.isatty()
            if stream is not None:
                stream.flush()
            setattr(sys, name, io.TextIOWrapper(buffered, encoding, errors, line_buffering=is_line))


def discard() -> None:
    """Discard the buffer of stdout, so that the interpreter does not fail to flush it at exit."""
    raw = _raw()
    if raw is not None:
        raw.is_optional = True
        sys.stdout.flush()


def has_reader() -> bool:
    """Whether the reading end of stdout is still open."""
    raw = _raw()
    return raw is None or raw.has_reader


def _raw() -> _Descriptor | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Descriptor) else None


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False
