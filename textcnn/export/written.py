"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

from textcnn.atomic import replaced_file
from textcnn.errors import ArtifactError


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
