"""Reads and writes tensors as numpy arrays: storage types, memory-mapped weights, and further arrays of a model."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from textcnn.core.units import LARGEST
from textcnn.errors import ArtifactError

STORAGES = ("float32", "float16", "int8")
WHOLE, SCALE = ".int8", ".int8_scale"
_LIMIT = float(np.finfo(np.float16).max)
# Tensors that stay float32: their rounding errors are not averaged out.
_AS_IT_IS = ("head.", "wide.", "characters.")

Arrays = dict[str, npt.NDArray[Any]]


def packed(tensors: Mapping[str, npt.NDArray[Any]], storage: str) -> Arrays:
    """Convert tensors to a storage type for writing; ``storage`` is one of :data:`STORAGES`."""
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
    """Convert the tensors of a file (numpy or torch) back to float32.

    Raises:
        ArtifactError: an int8 tensor lacks its scales.
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
    """Return the tensors as they are after a round trip through a storage type, in float32."""
    return unpacked(packed(tensors, storage), Path())


def _whole(tensor: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Quantize each row to int8: the integers ``(N, ...)`` and the scales ``(N, 1, ...)`` float32."""
    top = np.abs(tensor).max(axis=tuple(range(1, tensor.ndim)), keepdims=True, initial=0)
    scale = (top / np.float32(LARGEST)).astype(np.float32)
    # A row of zeros has scale 0, by which it must not be divided.
    return np.rint(tensor / np.where(scale > 0, scale, np.float32(1))).astype(np.int8), scale


def _float32(tensor: Any) -> Any:
    """Convert a float16 tensor (numpy or torch) to float32; other types stay as they are."""
    if isinstance(tensor, np.ndarray):
        return tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor
    return tensor.float() if str(tensor.dtype) == "torch.float16" else tensor


_TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I8": np.int8,
    "BOOL": np.bool_,
}


def mapped_tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Memory-map a safetensors file and return its tensors by name as read-only arrays; nothing is copied.

    The file is 8 bytes with the header's length, a JSON header of types, shapes and offsets, and little-endian data.

    Raises:
        ArtifactError: the file is damaged, or has a data type that no textcnn model has.
    """
    try:
        with safetensors.safe_open(path, framework="numpy"):  # checks the header against the size of the file
            pass
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header.pop("__metadata__", None)
        return {name: _array(data, start, entry) for name, entry in header.items()}
    except Exception as err:  # safetensors has one exception class for every fault, and OSError and KeyError besides
        raise ArtifactError(f"{path}: expected safetensors weights, but the file is damaged: {err}") from err


def _array(data: mmap.mmap, start: int, entry: dict[str, Any]) -> npt.NDArray[Any]:
    kind = np.dtype(_TYPES[entry["dtype"]]).newbyteorder("<")
    count = int(np.prod(entry["shape"], dtype=np.int64))
    first = start + entry["data_offsets"][0]
    return np.frombuffer(data, kind, count, first).reshape(entry["shape"])


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the arrays as a safetensors file, under the names given.

    Raises:
        ArtifactError: the path cannot be written.
    """
    try:
        safetensors.numpy.save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)
    except safetensors.SafetensorError as err:
        raise ArtifactError(f"cannot write {str(path)!r}: {err}") from err
    path.chmod(0o644)


def load_arrays(
    path: Path,
    wanted: Mapping[str, tuple[type, int]],
    what: str,
    optional: Mapping[str, tuple[type, int]] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Read the tensors of these names from a safetensors file, and check their types.

    Args:
        path: the file.
        wanted: for each name that must be there, its data type and number of axes.
        what: a description of the contents, for error messages.
        optional: the same for names that may be missing.

    Raises:
        ArtifactError: the file is damaged, lacks a tensor, or has one of another type or number of axes.
    """
    try:
        found = safetensors.numpy.load_file(path)
        kinds = {**wanted, **{name: kind for name, kind in (optional or {}).items() if name in found}}
        arrays = {name: found[name] for name in kinds}
    except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
        raise ArtifactError(f"{path}: expected {what}, but the file is damaged: {err}") from err
    for name, (kind, num_axes) in kinds.items():
        array = arrays[name]
        if array.dtype != kind or array.ndim != num_axes:
            raise ArtifactError(
                f"{path}: expected {what}, {name!r} of {np.dtype(kind)} with {num_axes} axes, found {array.dtype} of "
                f"shape {array.shape}"
            )
    return arrays
