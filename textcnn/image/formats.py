"""The two file formats of image sets, npz and idx, to and from arrays; no header is believed before it is checked."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import DataError
from textcnn.text.archives import DAMAGE, MOST_INFLATION, checked_member, npy_header
from textcnn.text.read_table import one_line

# Pixels are in memory as a whole. Pictures never pack so well, but a few of them may be blank.
_LIKELY_INFLATION, _ANYWAY = 100, 2**26  # times, bytes


def read_npz(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Those arrays of an npz archive that are called one of ``names``.

    Raises:
        DataError: not an npz archive, a damaged one, or an array of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            return {name: _npy(archive, f"{name}.npy", path) for name in names if f"{name}.npy" in members}
    except DAMAGE as err:
        raise DataError(f"expected a whole .npz archive, found a damaged one: {one_line(err)}", path=path) from err


def write_npz(path: str | Path, images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
    """Write ``images`` and ``labels`` as an npz whose bytes depend on nothing but the arrays."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (("images", images), ("labels", labels)):
            member = zipfile.ZipInfo(f"{name}.npy")
            member.create_system = 3
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(member, content.getvalue())


def read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """An idx file of unsigned bytes with ``axes`` axes, gzipped if its name says so.

    Raises:
        DataError: a header that does not fit the length of the file, or damage.
    """
    opened: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as stream:
            return _read_idx_stream(stream, path, axes)
    except DAMAGE as err:
        raise DataError(f"expected a whole idx file, found a damaged one: {one_line(err)}", path=path) from err


def _read_idx_stream(stream: IO[bytes], path: Path, axes: int) -> npt.NDArray[np.uint8]:
    header = stream.read(4 + 4 * axes)
    magic = bytes((0, 0, 8, axes))
    if len(header) < 4 + 4 * axes or header[:4] != magic:
        raise DataError(
            f"expected an idx header of {4 + 4 * axes} bytes that starts with {magic!r}, found {header[:16]!r}",
            path=path,
        )
    shape = struct.unpack(f">{axes}I", header[4:])
    size = math.prod(shape)
    stored = path.stat().st_size
    most = MOST_INFLATION * stored if path.suffix == ".gz" else stored - len(header)
    if size > most:
        raise DataError(f"expected {size} bytes for the shape {shape!r}, found a file of {stored}", path=path)
    _check_inflation(size, stored, path.name, path)
    data = stream.read(size)
    if len(data) != size or stream.read(1):
        found = len(data) if len(data) != size else "more"
        raise DataError(f"expected {size} bytes after the header for the shape {shape!r}, found {found}", path=path)
    return np.frombuffer(data, np.uint8).reshape(shape).copy()  # writable, as torch wants it


def write_idx(path: str | Path, array: npt.NDArray[np.uint8]) -> None:
    """Write bytes of any shape as an idx file: ``(N, H, W)`` images, ``(N,)`` labels."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    Path(path).write_bytes(header + np.ascontiguousarray(array).tobytes())


def _npy(archive: zipfile.ZipFile, member: str, path: Path) -> npt.NDArray[Any]:
    """One array of an npz; its header is checked against its size before numpy makes room for it."""
    info = checked_member(archive, member, path)
    _check_inflation(info.file_size, info.compress_size, member, path)
    with archive.open(info) as stream:
        shape, _, dtype = npy_header(stream, member, path)
        found = info.file_size - stream.tell()
    if dtype.hasobject:
        raise DataError(f"expected numbers or strings in {member!r}, found Python objects (a pickle)", path=path)
    if not dtype.itemsize:  # any number of nothing has no bytes
        raise DataError(f"expected numbers or strings in {member!r}, found dtype {str(dtype)!r}", path=path)
    expected = dtype.itemsize * math.prod(shape)
    if expected != found:
        raise DataError(f"expected {expected} bytes in {member!r} for its shape {shape!r}, found {found}", path=path)
    with archive.open(info) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def _check_inflation(size: int, packed: int, what: str, path: Path) -> None:
    if size > max(_LIKELY_INFLATION * packed, _ANYWAY):
        raise DataError(
            f"expected {what!r} to unpack to {_LIKELY_INFLATION} times its size at most, found {packed:,} bytes that "
            f"become {size:,}; if it is no trap, unpack it and read that",
            path=path,
        )
