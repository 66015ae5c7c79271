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


def load_arrays(path: Path, wanted: Mapping[str, tuple[type, int]], what: str) -> dict[str, npt.NDArray[Any]]:
    """The tensors of these names.

    Args:
        path: of the file.
        wanted: the names that it must have, with the type of the numbers and how many axes there are.
        what: should be there, for the message.

    Raises:
        ArtifactError: the file is damaged, or lacks one, or has one of another type.
    """
    try:
        found = safetensors.numpy.load_file(path)
        arrays = {name: found[name] for name in wanted}
    except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
        raise ArtifactError(f"{path}: expected {what}, but the file is damaged: {err}") from err
    for name, (kind, num_axes) in wanted.items():
        array = arrays[name]
        if array.dtype != kind or array.ndim != num_axes:
            raise ArtifactError(
                f"{path}: expected {what}, {name!r} of {np.dtype(kind)} with {num_axes} axes, found {array.dtype} of "
                f"shape {array.shape}"
            )
    return arrays
