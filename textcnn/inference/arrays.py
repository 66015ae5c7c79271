"""Arrays that belong to a model beside its weights, in a safetensors file of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from textcnn.errors import ArtifactError


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the arrays as tensors of these names.

    Raises:
        ArtifactError: the place cannot be written.
    """
    try:
        safetensors.numpy.save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
    except safetensors.SafetensorError as err:
        raise ArtifactError(f"cannot write {str(path)!r}: {err}") from err
    path.chmod(0o644)


def load_arrays(path: Path, names: tuple[str, ...], what: str) -> dict[str, npt.NDArray[Any]]:
    """The tensors of these names.

    Args:
        path: of the file.
        names: that it must have.
        what: should be there, for the message.

    Raises:
        ArtifactError: the file is damaged, or lacks one.
    """
    try:
        found = safetensors.numpy.load_file(path)
        return {name: found[name] for name in names}
    except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
        raise ArtifactError(f"{path}: expected {what}, but the file is damaged: {err}") from err
