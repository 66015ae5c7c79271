"""Atomic file writing: a file is written under a temporary name in the same folder, then renamed over its target.

Pipes, devices and open descriptors such as ``/dev/stdout`` cannot be renamed over and are written directly.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from textcnn.errors import ArtifactError

LOG = logging.getLogger("textcnn.atomic")
PARTIAL = ".partial"  # suffix of the temporary file
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
