"""Writes a model folder atomically: into a temporary folder with the same parent, then swapped into place."""

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

# The files of a model folder; a folder with any other file in it may be a user's own and is never replaced.
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
TRAINING, TIMING, CARD = "training.json", "timing.json", "README.md"
FILES = (CONFIG, WEIGHTS, TOKENIZER, TRAINING, TIMING, CARD)
FOLDS = "folds.safetensors"  # written by cross validation only
EVIDENCE = "evidence.safetensors"  # written by `train --evidence` only
HELD_OUT = "held-out.safetensors"  # written for calibrated single-label models only
OPTIONAL_FILES = (FOLDS, EVIDENCE, HELD_OUT)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def fingerprint(folder: Path) -> str:
    """Return a hash, 16 hexadecimal digits of SHA-256, of the files that a model's answers depend on."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS, TOKENIZER):  # not training.json or timing.json, which differ from run to run
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update(name.encode())
    return digest.hexdigest()[:16]


def require_writable(folder: Path) -> None:
    """Check before a long run that its model can be written to ``folder``.

    Raises:
        ArtifactError: the path is a file, holds files other than a model's, or cannot be written.
    """
    with _temporary_beside(_place(folder)):
        pass


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, which replaces ``folder`` at the end of the block.

    If the block fails, ``folder`` is unchanged.

    Raises:
        ArtifactError: the path is a file, holds files other than a model's, or cannot be written.
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
    """Return the path with symbolic links resolved, so that a link keeps pointing at the new model; check it."""
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
        temporary.chmod(0o755)  # mkdtemp makes a folder that only its owner can read
    except OSError as err:
        raise _cannot_write(folder, err) from err
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def previous_folder(folder: Path) -> Path:
    """Return the path that the old folder is moved to for a moment, on systems that cannot swap two folders at once."""
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
    """Swap two folders in one atomic step; False where the system cannot (it can on most Linux file systems)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        return False
    return bool(renameat2(_AT_FDCWD, bytes(first), _AT_FDCWD, bytes(second), _RENAME_EXCHANGE) == 0)


def _sync(folder: Path) -> None:
    """Flush the files to disk, so that a crash after the rename cannot leave empty ones."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
