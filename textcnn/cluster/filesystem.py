"""Lists, reads and atomically writes files in local folders and object stores, by ``pyarrow.fs``.

A file is written under a temporary name in ``_textcnn/unfinished`` and then moved: by a rename on a disk, or by a copy
of the finished object in a store. Listing the folder shows the whole file or none, even if the writer dies.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pyarrow import fs

from textcnn.atomic import put_file
from textcnn.errors import DataError
from textcnn.reading.table import one_line

OWN = "_textcnn"  # state files in a folder of answers; readers of such folders skip names that begin with _
UNFINISHED = f"{OWN}/unfinished"  # deleted at the start of a run
_FSSPEC = "fsspec+"  # before the name of a file system
_BUFFER = 2**20  # read buffer in bytes
_USER = re.compile("//[^/@]*@")  # credentials in a URI, which must not appear in messages


@dataclass(frozen=True)
class Entry:
    """A file: its name relative to the place, its size, and its modification time (nanoseconds since 1970, or None)."""

    name: str
    size: int
    written: int | None


class Place:
    """A folder, or a single file, on any file system; it can be pickled.

    Args:
        filesystem: a file system of ``pyarrow.fs``.
        root: the path there, which file names are relative to.
        uri: the name of the place in messages.
    """

    def __init__(self, filesystem: Any, root: str, uri: str) -> None:
        self._fs, self._root, self.uri = filesystem, root.rstrip("/") or "/", uri
        self._is_local = filesystem.type_name == "local"

    def shown(self, name: str) -> str:
        """Return the name of a file of this place for messages."""
        return f"{self.uri.rstrip('/')}/{name}"

    def is_folder(self) -> bool:
        """Whether the place is a folder rather than a file.

        Raises:
            DataError: the place does not exist, or cannot be accessed.
        """
        info = self._asked(lambda: self._fs.get_file_info(self._root))
        if info.type == fs.FileType.NotFound:
            raise DataError(f"expected a file or folder, found nothing at {self.uri!r}")
        return bool(info.type == fs.FileType.Directory)

    @classmethod
    def at(cls, folder: Place, name: str) -> Place:
        """Return the place of a file or sub-folder of another place."""
        return cls(folder._fs, folder._path(name), folder.shown(name))

    def parent(self) -> tuple[Place, str]:
        """Return the parent folder of a place that is a file, and the file's name in it."""
        path = PurePosixPath(self._root)
        return Place(self._fs, str(path.parent), self.uri.removesuffix(path.name).rstrip("/") or "."), path.name

    def entries(self, below: str = "") -> list[Entry]:
        """Return all files in the folder, sorted by name; none if the folder does not exist.

        Args:
            below: a sub-folder to list; names stay relative to the place.

        Raises:
            DataError: the folder cannot be listed.
        """
        selector = fs.FileSelector(self._path(below), recursive=True, allow_not_found=True)
        found = [info for info in self._asked(lambda: self._fs.get_file_info(selector)) if info.is_file]
        names = [str(PurePosixPath(info.path).relative_to(self._root)) for info in found]
        return sorted(
            (Entry(name, info.size, info.mtime_ns) for name, info in zip(names, found, strict=True)),
            key=lambda entry: entry.name,
        )

    def entry(self, name: str) -> Entry:
        """Return the entry of one file."""
        info = self._asked(lambda: self._fs.get_file_info(self._path(name)))
        return Entry(name, info.size, info.mtime_ns)

    def has(self, name: str) -> bool:
        """Whether a file of that name exists."""
        return bool(self._asked(lambda: self._fs.get_file_info(self._path(name))).is_file)

    def open(self, name: str) -> IO[bytes]:
        """Open a file as a buffered, seekable stream of bytes.

        Raises:
            OSError: the file cannot be opened.
        """
        return io.BufferedReader(self._fs.open_input_file(self._path(name)), _BUFFER)

    def holds(self, other: Place) -> bool:
        """Whether the other place is this one or inside it."""
        return self._fs == other._fs and PurePosixPath(other._root).is_relative_to(self._root)

    def remove_unfinished(self) -> None:
        """Delete the temporary files of writers that died; no other process may be writing to the place."""
        info = self._fs.get_file_info(self._path(UNFINISHED))
        if info.type == fs.FileType.Directory:
            self._asked(lambda: self._fs.delete_dir(self._path(UNFINISHED)))

    @contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """Yield the path of a local file to write, which becomes ``name``, replacing an existing one, if all goes well.

        The path has the same extension as ``name``.

        Raises:
            DataError: the file cannot be written; errors of the block are passed on.
        """
        unfinished = self._path(f"{UNFINISHED}/{uuid.uuid4().hex}-{PurePosixPath(name).name}")
        final = self._path(name)
        for path in (unfinished, final):
            self._asked(lambda path=path: self._fs.create_dir(str(PurePosixPath(path).parent)))  # type: ignore[misc]
        try:
            if self._is_local:
                yield unfinished
                self._asked(lambda: put_file(unfinished, final))
            else:
                with tempfile.TemporaryDirectory(prefix="textcnn-") as folder:
                    own = str(Path(folder, PurePosixPath(name).name))
                    yield own
                    self._asked(lambda: fs.copy_files(own, unfinished, fs.LocalFileSystem(), self._fs))
                self._asked(lambda: self._fs.move(unfinished, final))
        except BaseException:
            if self._is_local:
                Path(unfinished).unlink(missing_ok=True)
            raise

    def write(self, name: str, fill: Callable[[str], Any]) -> None:
        """Write a file atomically: ``fill`` writes the local file of :meth:`writing`.

        Raises:
            DataError: as for :meth:`writing`; errors of ``fill`` are passed on.
        """
        with self.writing(name) as path:
            fill(path)

    def write_text(self, name: str, text: str) -> None:
        """Write a small text file atomically.

        Raises:
            DataError: the file cannot be written.
        """
        self.write(name, lambda path: Path(path).write_text(text, encoding="utf-8"))

    def read_text(self, name: str) -> str:
        """Read a small text file.

        Raises:
            DataError: the file cannot be read.
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
    """Return the place at a path, or at a URI such as ``s3://bucket/folder`` or ``file:///folder``.

    Installed file systems of fsspec are addressed as ``fsspec+NAME://...``. Credentials are read from the places that
    the store's own programs use (for S3 the usual environment variables and files).

    Raises:
        DataError: there is no such file system, or it denies access.
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
    """Return the fsspec file system of a URI, wrapped for pyarrow, and the path in it."""
    from fsspec.core import url_to_fs

    filesystem, root = url_to_fs(uri.removeprefix(_FSSPEC))
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root
