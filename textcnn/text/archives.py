"""Numpy's npz archives from strangers: what a directory or a header claims is held against what there is."""

from __future__ import annotations

import lzma
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.text.read_table import one_line

MOST_INFLATION = 1032  # deflate cannot make more bytes of one
# What decoders raise for damage; what numpy raises for it; a size that no memory has is damage too.
UNPACKING_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
DAMAGE = (*UNPACKING_ERRORS, struct.error, ValueError, KeyError, RuntimeError, OverflowError, MemoryError)


def checked_member(archive: zipfile.ZipFile, member: str, path: str | Path) -> zipfile.ZipInfo:
    """A member that can be as large as the directory says.

    Raises:
        DataError: it cannot, or is packed in a way that numpy never packs.
    """
    info = archive.getinfo(member)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"expected {member!r} stored or deflated, found compression {info.compress_type!r}", path=path)
    assert archive.fp is not None
    whole = archive.fp.seek(0, os.SEEK_END)
    if info.compress_size > whole or info.file_size > MOST_INFLATION * info.compress_size:
        raise DataError(f"expected {member!r} to hold data, found a size of {info.file_size} that it cannot", path=path)
    return info


def npy_header(stream: IO[bytes], member: str, path: str | Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and dtype of an array.

    Raises:
        DataError: a header of another form.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"expected npy format 1.0 or 2.0 in {member!r}, found {version!r}", path=path)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(stream)
    except (SyntaxError, TypeError, tokenize.TokenError, RecursionError, MemoryError) as err:  # of Python's own parser
        raise DataError(f"expected an npy header in {member!r}, found {one_line(err)}", path=path) from err
    return shape, is_fortran, dtype


def strings(array: npt.NDArray[Any], member: str, path: str | Path) -> list[str]:
    """The strings of an array ``(N,)`` of kind U or S; numpy itself takes any number for a character.

    Raises:
        DataError: numbers that are no characters.
    """
    if array.dtype.kind == "S":
        return [text.decode("utf-8", "replace") for text in array.tolist()]
    codes = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
    if codes.max(initial=0) > sys.maxunicode or ((codes >= 0xD800) & (codes < 0xE000)).any():
        raise DataError(f"expected characters in {member!r}, found numbers that are none", path=path)
    return [str(text) for text in array.tolist()]
