"""Files that appear whole or not at all: written under a temporary name in the same folder, then renamed.

What is no file (a pipe, a device, an open descriptor as ``/dev/stdout``) is written where it is.
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
PARTIAL = ".partial"  # behind the name of a file that is not whole
_DESCRIPTORS = re.compile(r"/dev/(?:std(?P<name>out|err)|fd/(?P<number>\d+))|/proc/self/fd/(?P<same>\d+)")


@contextmanager
def replaced_file(path: str | Path, mode: str = "w", *, keep: bool = False, **how: Any) -> Iterator[IO[Any]]:
    """A file to write; at the end of the block it takes the place of ``path``, whose permissions it has.

    If the block fails, ``path`` stays as it was.

    Args:
        path: links are followed, and stay.
        mode: ``w`` or ``wb``.
        keep: what was written of a block that fails stays, as ``path`` with :data:`PARTIAL` behind it; not so where
            the disk is full.
        how: as for :func:`open`; text is UTF-8.

    Raises:
        OSError: the place cannot be written, or somebody else has written there meanwhile.
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
    """Whether a new file can take this place: there is none, or a regular one, in a folder where files may be made."""
    if _descriptor(path) is not None or str(path).startswith("/proc/"):
        return False
    try:
        is_file = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True
    return is_file and os.access(os.path.dirname(os.path.realpath(path)), os.W_OK)


def _descriptor(path: str | Path) -> int | None:
    """The number of an open file that a path stands for: opened once more, a file would be written from its start."""
    found = _DESCRIPTORS.fullmatch(str(path))
    if found is None:
        return None
    return {"out": 1, "err": 2}.get(found["name"]) or int(found["number"] or found["same"])


def _created(partial: Path, place: Path, mode: str, how: dict[str, Any]) -> IO[Any]:
    """The temporary file, with the permissions of the file that it replaces."""
    permissions = None
    if place.exists():
        with place.open("ab"):  # what must not be written is not replaced either
            permissions = stat.S_IMODE(place.stat().st_mode)
    partial.unlink(missing_ok=True)
    file: IO[Any] = open(partial, mode.replace("w", "x"), **how)  # noqa: SIM115 (the caller's to close)
    if permissions is not None:
        os.chmod(partial, permissions)
    return file


def _is_kept(file: IO[Any]) -> bool:
    """Whether anything was written, and is on the disk."""
    try:
        file.flush()
        return os.fstat(file.fileno()).st_size > 0
    except (OSError, ValueError):
        return False


def write_text(path: str | Path, text: str) -> None:
    """Write a whole file of text.

    Raises:
        OSError: as for :func:`replaced_file`.
    """
    with replaced_file(path) as file:
        file.write(text)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, its folder too where there is none; one that was there is replaced at once.

    Raises:
        ArtifactError: the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path, "wb") as file:
            file.write(content)
    except OSError as err:
        raise ArtifactError(f"cannot write to {str(path)!r}: {err.strerror or err}; choose another -o") from err
