"""A folder that appears whole or not at all: written beside its place, then exchanged with what was there."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textcnn.errors import ArtifactError

# What a model folder holds; a folder with anything else in it is somebody's, and is never replaced.
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
TRAINING, TIMING, CARD = "training.json", "timing.json", "README.md"
FILES = (CONFIG, WEIGHTS, TOKENIZER, TRAINING, TIMING, CARD)
FOLDS = "folds.safetensors"  # of cross validation only
EVIDENCE = "evidence.safetensors"  # of `train --evidence` only
OPTIONAL_FILES = (FOLDS, EVIDENCE)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def fingerprint(folder: Path) -> str:
    """What the answers of a model depend on, as 16 hexadecimal digits (of SHA-256)."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS, TOKENIZER):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update(name.encode())
    return digest.hexdigest()[:16]


def require_writable(folder: Path) -> None:
    """Find out before a long run, not after it, that its result cannot be written.

    Raises:
        ArtifactError: the place is a file, holds other files than a model's, or cannot be written.
    """
    with _temporary_beside(_place(folder)):
        pass


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder to fill; at the end of the block it takes the place of ``folder``.

    If the block fails, ``folder`` stays as it was.

    Raises:
        ArtifactError: the place is a file, holds other files than a model's, or cannot be written.
    """
    folder = _place(folder)
    with _temporary_beside(folder) as temporary:
        try:
            yield temporary
            _sync(temporary)
            _put_in_place(temporary, folder)
        except OSError as err:
            raise _cannot_write(folder, err) from err


def _place(folder: Path) -> Path:
    """Where the model will really be: behind links, which keep pointing there."""
    folder = Path(os.path.realpath(folder))
    try:
        if folder.exists() and not folder.is_dir():
            raise ArtifactError(f"expected a folder to write the model to, found a file at {str(folder)!r}")
        others = (
            sorted(path.name for path in folder.iterdir() if path.name not in (*FILES, *OPTIONAL_FILES))
            if folder.exists()
            else []
        )
    except OSError as err:
        raise _cannot_write(folder, err) from err
    if others:
        shown = ", ".join(map(repr, others[:5])) + (", ..." if len(others) > 5 else "")
        raise ArtifactError(
            f"expected a new, an empty or a model folder at {str(folder)!r}, found one that holds {shown}; "
            f"choose another -o"
        )
    return folder


def _cannot_write(folder: Path, err: OSError) -> ArtifactError:
    return ArtifactError(f"cannot write a model to {str(folder)!r}: {err.strerror or err}; choose another -o")


@contextmanager
def _temporary_beside(folder: Path) -> Iterator[Path]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        temporary.chmod(0o755)
    except OSError as err:
        raise _cannot_write(folder, err) from err
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def previous_folder(folder: Path) -> Path:
    """Where the old folder waits while a new one takes its place, on systems that cannot exchange two at once."""
    return folder.with_name(f".{folder.name}.previous")


def _put_in_place(new: Path, folder: Path) -> None:
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
