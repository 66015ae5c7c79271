"""How weights stand in a file: float32, float16, or int8 with a scale for each row. Read, they are float32 again.

Whole rows of int8 are exact: a row of such numbers is stored as the same numbers, so a model that is loaded and saved
again stays what it is. The head, biases and the wide branch (:mod:`textcnn.nn.wide_size`) stand as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ArtifactError

STORAGES = ("float32", "float16", "int8")
LARGEST = 127
WHOLE, SCALE = ".int8", ".int8_scale"
_LIMIT = float(np.finfo(np.float16).max)
# A head has as many rows as there are labels, and its errors are not averaged over anything.
_AS_IT_IS = ("head.", "wide.")

Arrays = dict[str, npt.NDArray[Any]]


def packed(tensors: Mapping[str, npt.NDArray[Any]], storage: str) -> Arrays:
    """Tensors by name as they are written; ``storage`` is one of :data:`STORAGES`."""
    found: Arrays = {}
    for name, tensor in tensors.items():
        few = tensor.ndim < 2 or name.endswith(".bias")
        if storage == "float32" or few or tensor.dtype != np.float32 or name.startswith(_AS_IT_IS):
            found[name] = tensor
        elif storage == "float16":
            found[name] = np.clip(tensor, -_LIMIT, _LIMIT).astype(np.float16)
        else:
            found[f"{name}{WHOLE}"], found[f"{name}{SCALE}"] = _whole(tensor)
    return found


def unpacked(tensors: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Float32 tensors, of numpy or torch, from those of a file.

    Raises:
        ArtifactError: a tensor of whole numbers lacks its scales.
    """
    found: dict[str, Any] = {}
    for name, tensor in tensors.items():
        if name.endswith(WHOLE):
            scale = tensors.get(f"{name.removesuffix(WHOLE)}{SCALE}")
            rows = len(tensor) if tensor.ndim else 0
            if scale is None or tuple(scale.shape) != (rows, *[1] * (tensor.ndim - 1)):
                raise ArtifactError(f"{path}: expected the scales of {rows:,} rows of {name!r}, found none")
            found[name.removesuffix(WHOLE)] = tensor * scale
        elif not name.endswith(SCALE):
            found[name] = tensor if name.startswith(_AS_IT_IS) else _float32(tensor)
    return found


def rounded(tensors: Mapping[str, npt.NDArray[Any]], storage: str) -> Arrays:
    """The numbers that are read back from what :func:`packed` writes."""
    return unpacked(packed(tensors, storage), Path())


def _whole(tensor: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Rows of whole numbers, and the scale of each: ``(N, ...)`` int8 and ``(N, 1, ...)`` float32."""
    top = np.abs(tensor).max(axis=tuple(range(1, tensor.ndim)), keepdims=True, initial=0)
    scale = (top / np.float32(LARGEST)).astype(np.float32)
    return np.rint(tensor / np.where(scale > 0, scale, np.float32(1))).astype(np.int8), scale


def _float32(tensor: Any) -> Any:
    """Float16 numbers, of numpy or torch, as float32."""
    if isinstance(tensor, np.ndarray):
        return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor
    return tensor.float() if str(tensor.dtype) == "torch.float16" else tensor
