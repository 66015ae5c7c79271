"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from textcnn.errors import ArtifactError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, its folder too where there is none; one that was there is replaced at once.

    Raises:
        ArtifactError: the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as err:
        raise ArtifactError(f"cannot write to {str(path)!r}: {err.strerror or err}; choose another -o") from err
