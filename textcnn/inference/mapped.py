"""Tensors of a safetensors file as arrays that the operating system reads when they are touched."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from textcnn.errors import ArtifactError

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
    """Read-only arrays by the names of the tensors; nothing is copied.

    The file is 8 bytes of length, a JSON header of types, shapes and places, and the numbers (little-endian).

    Raises:
        ArtifactError: the file is damaged, or holds a type of number that no model of ours has.
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
