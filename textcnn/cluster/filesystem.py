"""Folders of this machine and of object stores alike, by ``pyarrow.fs``: listed, read, and written whole or not at all.

A file is written under another name in ``_textcnn/unfinished`` and then moved to its own: a rename on a disk, a copy of
one finished object in a store. Who lists the folder sees the whole file or none, whatever dies meanwhile.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pyarrow import fs

from textcnn.errors import DataError
from textcnn.reading.table import one_line

OWN = "_textcnn"  # our own files in a folder of answers; readers of such folders skip names that begin with _
UNFINISHED = f"{OWN}/unfinished"  # deleted at the start of a run
_FSSPEC = "fsspec+"  # before the name of a file system
_BUFFER = 2**20  # bytes read at once
_USER = re.compile("//[^/@]*@")  # keys in a URI, which no message may show


@dataclass(frozen=True)
class Entry:
    """A file: its name below the place, its bytes, and when it was last written (nanoseconds since 1970, or None)."""

    name: str
    size: int
    written: int | None


class Place:
    """A folder, or a single file, on any file system. It can be pickled.

    Args:
        filesystem: one of ``pyarrow.fs``.
        root: the folder there; names are relative to it.
        uri: how messages call it.
    """

    def __init__(self, filesystem: Any, root: str, uri: str) -> None:
        self._fs, self._root, self.uri = filesystem, root.rstrip("/") or "/", uri
        self._is_local = filesystem.type_name == "local"

    def shown(self, name: str) -> str:
        """How messages call a file of this place."""
        return f"{self.uri.rstrip('/')}/{name}"

    def is_folder(self) -> bool:
        """Whether it is a folder; no: it is a file.

        Raises:
            DataError: nothing is there, or it cannot be asked.
        """
        info = self._asked(lambda: self._fs.get_file_info(self._root))
        if info.type == fs.FileType.NotFound:
            raise DataError(f"expected a file or folder, found nothing at {self.uri!r}")
        return bool(info.type == fs.FileType.Directory)

    def parent(self) -> tuple[Place, str]:
        """The folder of a place that is a file, and the file's name in it."""
        path = PurePosixPath(self._root)
        return Place(self._fs, str(path.parent), self.uri.removesuffix(path.name).rstrip("/") or "."), path.name

    def entries(self, below: str = "") -> list[Entry]:
        """Every file in it, in the order of names; none if it does not exist.

        Args:
            below: only those of this sub-folder; names stay relative to the place.

        Raises:
            DataError: it cannot be listed.
        """
        selector = fs.FileSelector(self._path(below), recursive=True, allow_not_found=True)
        found = [info for info in self._asked(lambda: self._fs.get_file_info(selector)) if info.is_file]
        names = [str(PurePosixPath(info.path).relative_to(self._root)) for info in found]
        return sorted(
            (Entry(name, info.size, info.mtime_ns) for name, info in zip(names, found, strict=True)),
            key=lambda entry: entry.name,
        )

    def entry(self, name: str) -> Entry:
        """A file of it."""
        info = self._asked(lambda: self._fs.get_file_info(self._path(name)))
        return Entry(name, info.size, info.mtime_ns)

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self._asked(lambda: self._fs.get_file_info(self._path(name))).is_file)

    def open(self, name: str) -> IO[bytes]:
        """The bytes of a file as a buffered stream in which one can seek.

        Raises:
            OSError: it cannot be opened.
        """
        return io.BufferedReader(self._fs.open_input_file(self._path(name)), _BUFFER)

    def holds(self, other: Place) -> bool:
        """Whether the other place is this one or lies within it."""
        return self._fs == other._fs and PurePosixPath(other._root).is_relative_to(self._root)

    def remove_unfinished(self) -> None:
        """Delete what a writer that died has left. Nobody else may write into the place meanwhile."""
        info = self._fs.get_file_info(self._path(UNFINISHED))
        if info.type == fs.FileType.Directory:
            self._asked(lambda: self._fs.delete_dir(self._path(UNFINISHED)))

    def write(self, name: str, fill: Callable[[str], Any]) -> None:
        """Write a file whole or not at all; one of that name is replaced.

        Args:
            name: of the file.
            fill: is called with the path of a file of this machine, and writes it. The path ends as ``name`` does.

        Raises:
            DataError: it cannot be written; or what ``fill`` raises.
        """
        unfinished = self._path(f"{UNFINISHED}/{uuid.uuid4().hex}-{PurePosixPath(name).name}")
        final = self._path(name)
        for path in (unfinished, final):
            self._asked(lambda path=path: self._fs.create_dir(str(PurePosixPath(path).parent)))  # type: ignore[misc]
        try:
            if self._is_local:
                fill(unfinished)
                self._asked(lambda: _rename(unfinished, final))
            else:
                with tempfile.TemporaryDirectory(prefix="textcnn-") as folder:
                    own = str(Path(folder, PurePosixPath(name).name))
                    fill(own)
                    self._asked(lambda: fs.copy_files(own, unfinished, fs.LocalFileSystem(), self._fs))
                self._asked(lambda: self._fs.move(unfinished, final))
        except BaseException:
            if self._is_local:
                Path(unfinished).unlink(missing_ok=True)
            raise

    def write_text(self, name: str, text: str) -> None:
        """Write a small file, likewise.

        Raises:
            DataError: it cannot be written.
        """
        self.write(name, lambda path: Path(path).write_text(text, encoding="utf-8"))

    def read_text(self, name: str) -> str:
        """A small file.

        Raises:
            DataError: it cannot be read.
        """
        return str(self._asked(lambda: self.open(name).read().decode()))

    def _path(self, name: str) -> str:
        return str(PurePosixPath(self._root, name))

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (OSError, ValueError) as err:  # pyarrow's errors are both
            problem = f"expected a place that can be read and written, found: {one_line(err)}"
            raise DataError(problem, path=self.uri) from err


def open_place(uri: str) -> Place:
    """A place by its path, or by a URI as ``s3://bucket/folder`` or ``file:///folder``.

    Other file systems of fsspec that are installed are ``fsspec+NAME://...``. Access keys come from where the store's
    own programs take them (for S3 the usual variables and files).

    Raises:
        DataError: there is no such file system, or it refuses.
    """
    if "://" not in uri:
        return Place(fs.LocalFileSystem(), os.path.abspath(uri), uri)
    try:
        filesystem, root = _of_fsspec(uri) if uri.startswith(_FSSPEC) else fs.FileSystem.from_uri(uri)
    except (OSError, ValueError, ImportError) as err:
        raise DataError(
            f"expected a path or a URI as s3://bucket/folder, got {_USER.sub('//', uri)!r}: {one_line(err)}; "
            "for a file system of fsspec write fsspec+NAME://"
        ) from err
    return Place(filesystem, root, _USER.sub("//", uri.partition("?")[0]))


def _of_fsspec(uri: str) -> tuple[Any, str]:
    """As newer versions of pyarrow do it."""
    from fsspec.core import url_to_fs

    filesystem, root = url_to_fs(uri.removeprefix(_FSSPEC))
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root


def _rename(unfinished: str, final: str) -> None:
    """Give a file its name when its bytes are on the disk, and the name is there too when this returns."""
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())
    os.replace(unfinished, final)
    if os.name == "posix":
        folder = os.open(os.path.dirname(final), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
