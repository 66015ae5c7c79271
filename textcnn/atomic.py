"""Atomic writing: a file or a folder is written under a temporary name beside its target, then renamed over it.

Pipes, devices and open descriptors such as ``/dev/stdout`` cannot be renamed over and are written directly.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from textcnn.errors import ArtifactError

LOG = logging.getLogger("textcnn.atomic")
PARTIAL = ".partial"  # suffix of the temporary file
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_DESCRIPTORS = re.compile(r"/dev/(?:std(?P<name>out|err)|fd/(?P<number>\d+))|/proc/self/fd/(?P<same>\d+)")


@contextmanager
def replaced_file(path: str | Path, mode: str = "w", *, keep: bool = False, **how: Any) -> Iterator[IO[Any]]:
    """Open a file for writing that replaces ``path``, with the permissions of ``path``, when the block succeeds.

    If the block fails, ``path`` is left unchanged.

    Args:
        path: the target; symbolic links are followed, and stay links.
        mode: ``w`` or ``wb``.
        keep: if the block fails, keep what was written, as ``path`` with the suffix :data:`PARTIAL`; never after an
            ``OSError``, such as a full disk.
        how: further arguments of :func:`open`; text is UTF-8 by default.

    Raises:
        OSError: the path cannot be written, or another process has replaced the temporary file meanwhile.
    """
    if "b" not in mode:
        how = {"encoding": "utf-8", **how}
    if not is_replaceable(path):
        number = _descriptor(path)
        with open(path if number is None else os.dup(number), mode, **how) as file:
            yield file
        return
    place = Path(os.path.realpath(path))
    partial = place.with_name(place.name + PARTIAL)
    with _created(partial, place, mode, how) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                raise FileExistsError(0, "another process writes to it")
        except BaseException as err:
            if keep and not isinstance(err, OSError) and _is_kept(file):
                LOG.info("what was written so far is in %s", partial)
            else:
                with suppress(OSError):
                    partial.unlink()
            raise
    partial.replace(place)


def is_replaceable(path: str | Path) -> bool:
    """Return whether a rename can put a new file here: the path is free or a regular file, in a writable folder."""
    if _descriptor(path) is not None or str(path).startswith("/proc/"):
        return False
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True
    return is_file and os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)


def _descriptor(path: str | Path) -> int | None:
    """Return the number of the open descriptor that a path such as ``/dev/stdout`` names; none for other paths."""
    # The descriptor itself is used: opening its path again would start writing at the beginning of the file.
    found = _DESCRIPTORS.fullmatch(str(path))
    if found is None:
        return None
    return {"out": 1, "err": 2}.get(found["name"]) or int(found["number"] or found["same"])


def _created(partial: Path, place: Path, mode: str, how: dict[str, Any]) -> IO[Any]:
    """Create the temporary file, with the permissions of the file that it will replace."""
    permissions = None
    if place.exists():
        with place.open("ab"):  # a rename would replace a read-only file without an error
            permissions = stat.S_IMODE(place.stat().st_mode)
    partial.unlink(missing_ok=True)
    file: IO[Any] = open(partial, mode.replace("w", "x"), **how)  # noqa: SIM115 (the caller's to close)
    if permissions is not None:
        os.chmod(partial, permissions)
    return file


def _is_kept(file: IO[Any]) -> bool:
    """Return whether something was written and has reached the disk."""
    try:
        file.flush()
        return os.fstat(file.fileno()).st_size > 0
    except (OSError, ValueError):
        return False


def put_file(new: str | Path, target: str | Path) -> None:
    """Rename a complete file over another one, which a crash of the machine does not undo or leave empty.

    Raises:
        OSError: it cannot be renamed.
    """
    _sync(new)
    os.replace(new, target)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        _sync(os.path.dirname(os.path.abspath(target)))


def _sync(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_beside(folder: Path) -> Iterator[Path]:
    """Yield a new folder with the same parent, which is created if needed, and delete the folder at the end.

    Raises:
        OSError: the parent cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        temporary.chmod(0o755)  # mkdtemp makes a folder that only its owner can read
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def previous_folder(folder: Path) -> Path:
    """Return the path that the old folder is moved to for a moment, on systems that cannot swap two folders at once."""
    return folder.with_name(f".{folder.name}.previous")


def put_folder(new: Path, folder: Path) -> None:
    """Move a folder of complete files over another one, which is deleted.

    Raises:
        OSError: it cannot be moved; the other one is as it was.
    """
    for path in new.iterdir():
        _sync(path)  # a crash after the rename cannot leave empty files
    previous = previous_folder(folder)
    if not folder.exists():
        new.rename(folder)
    elif not _exchange(new, folder):
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
        try:
            new.rename(folder)
        except OSError:
            previous.rename(folder)
            raise
    shutil.rmtree(previous, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one atomic step; False where the system cannot (it can on most Linux file systems)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, bytes(first), _AT_FDCWD, bytes(second), _RENAME_EXCHANGE) == 0)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        OSError: as for :func:`replaced_file`.
    """
    with replaced_file(path) as file:
        file.write(text)


def write_whole(path: Path, content: bytes) -> None:
    """Write a binary file atomically, creating its folder if needed.

    Raises:
        ArtifactError: the path cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path, "wb") as file:
            file.write(content)
    except OSError as err:
        raise ArtifactError(f"cannot write to {str(path)!r}: {err.strerror or err}; choose another -o") from err
