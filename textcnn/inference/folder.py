"""A folder that appears whole or not at all: written beside its place, then exchanged with what was there."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textcnn.errors import ArtifactError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def require_writable(folder: Path) -> None:
    """Find out before a long run, not after it, that its result cannot be written.

    Raises:
        ArtifactError: the place is a file, or cannot be written.
    """
    with _temporary_beside(folder):
        pass


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill; at the end of the block it takes the place of ``folder``.

    If the block fails, ``folder`` stays as it was.

    Raises:
        ArtifactError: the place is a file, or cannot be written.
    """
    folder = Path(os.path.abspath(folder))
    with _temporary_beside(folder) as temporary:
        try:
            yield temporary
            _sync(temporary)
            _put_in_place(temporary, folder)
        except OSError as err:
            raise ArtifactError(f"cannot write a model to {str(folder)!r}: {err.strerror}") from err


@contextmanager
def _temporary_beside(folder: Path) -> Iterator[Path]:
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not folder.is_dir():
        raise ArtifactError(f"expected a folder to write the model to, found a file at {str(folder)!r}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        temporary.chmod(0o755)
    except OSError as err:
        raise ArtifactError(f"cannot write a model to {str(folder)!r}: {err.strerror}; choose another -o") from err
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def previous_folder(folder: Path) -> Path:
    """Where the old folder waits while a new one takes its place, on systems that cannot exchange two at once."""
    return folder.with_name(f".{folder.name}.previous")


def _put_in_place(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
    elif not _exchange(new, folder):
        previous = previous_folder(folder)
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
        new.rename(folder)
        shutil.rmtree(previous, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two folders in one step, where the system offers it (Linux, most file systems)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, bytes(first), _AT_FDCWD, bytes(second), _RENAME_EXCHANGE) == 0)


def _sync(folder: Path) -> None:
    """Make the files durable before they are given their name."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
