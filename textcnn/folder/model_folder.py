"""The files of a model folder, and their writing: all of them, or the folder stays as it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from textcnn.atomic import put_folder, temporary_beside
from textcnn.errors import ArtifactError

# The files of a model folder; a folder with any other file in it may be a user's own and is never replaced.
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
TRAINING, TIMING, CARD = "training.json", "timing.json", "README.md"
FILES = (CONFIG, WEIGHTS, TOKENIZER, TRAINING, TIMING, CARD)
FOLDS = "folds.safetensors"  # written by cross validation only
EVIDENCE = "evidence.safetensors"  # written by `train --evidence` only
HELD_OUT = "held-out.safetensors"  # written for calibrated single-label models only
RESIDUALS = "residuals.safetensors"  # of the held-out rows; written for calibrated models of numbers only
DRIFT = "drift.safetensors"  # counts of the training texts' n-grams; written for text models only
OPTIONAL_FILES = (FOLDS, EVIDENCE, HELD_OUT, RESIDUALS, DRIFT)
LIBRARIES = ("textcnn", "torch", "tokenizers", "numpy", "safetensors")  # on which answers depend


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
    folder = _place(folder)
    with _own_errors(folder), temporary_beside(folder):
        pass


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill, which replaces ``folder`` at the end of the block.

    If the block fails, ``folder`` is unchanged.

    Raises:
        ArtifactError: the path is a file, holds files other than a model's, or cannot be written.
    """
    folder = _place(folder)
    with _own_errors(folder), temporary_beside(folder) as temporary:
        yield temporary
        put_folder(temporary, folder)


def _place(folder: Path) -> Path:
    """Return the path with symbolic links resolved, so that a link keeps pointing at the new model; check it."""
    folder = Path(os.path.realpath(folder))
    with _own_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise ArtifactError(f"expected a folder to write the model to, found a file at {str(folder)!r}")
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    others = sorted(names - {*FILES, *OPTIONAL_FILES})
    if others:
        shown = ", ".join(map(repr, others[:5])) + (", ..." if len(others) > 5 else "")
        raise ArtifactError(
            f"expected a new, an empty or a model folder at {str(folder)!r}, found one that holds {shown}; "
            f"choose another -o"
        )
    return folder


@contextmanager
def _own_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise ArtifactError(
            f"cannot write a model to {str(folder)!r}: {err.strerror or err}; choose another -o"
        ) from err


@cache
def library_versions() -> tuple[tuple[str, str], ...]:
    """Return name and version of each library that is installed, without importing it."""
    found = []
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found.append((name, version(name)))
    return tuple(found)
