"""The shared library of the core, loaded when it is first asked for."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.core.build import LIBRARY
from textcnn.errors import ConfigError

VARIABLE = "TEXTCNN_CORE"  # none, or the instruction set that is to be used
INSTRUCTION_SETS = ("baseline", "avx2", "avx512")


class CoreInfo(NamedTuple):
    """Whether the compiled core runs, with which instruction set, and if it does not, why."""

    is_compiled: bool
    instruction_set: str
    reason: str


class Core:
    """The loaded library: ``core.call("tc_exp", ...)`` by way of ctypes' attributes."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.c.tc_pool_new.restype = ctypes.c_void_p
        self.c.tc_pool_free.argtypes = [ctypes.c_void_p]
        self.lock = threading.Lock()

    @property
    def instruction_set(self) -> str:
        """The instruction set that runs."""
        return INSTRUCTION_SETS[self.c.tc_instruction_set()]

    @property
    def instruction_sets(self) -> tuple[str, ...]:
        """Those that this processor and this library have."""
        return INSTRUCTION_SETS[: self.c.tc_best_instruction_set() + 1]

    def use_instruction_set(self, name: str) -> None:
        """Use one from now on.

        Raises:
            ConfigError: this processor has it not.
        """
        if name not in self.instruction_sets:
            raise ConfigError(f"instruction set must be one of {', '.join(self.instruction_sets)} here, got {name!r}")
        self.c.tc_use_instruction_set(INSTRUCTION_SETS.index(name))


@cache
def _loaded() -> Core | str:
    """The core, or why there is none."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "none":
        return f"{VARIABLE}=none asks for numpy and torch"
    path = Path(__file__).parent / LIBRARY
    if not path.is_file():
        return f"{path.name} was not built when the package was installed"
    try:
        core = Core(path)
    except OSError as err:
        return f"{path.name} cannot be loaded: {err}"
    if wanted:
        core.use_instruction_set(wanted)
    return core


def library() -> Core | None:
    """The compiled core; none where numpy and torch are to answer."""
    found = _loaded()
    return found if isinstance(found, Core) else None


def core_info() -> CoreInfo:
    """Whether the core runs, and why not."""
    found = _loaded()
    return CoreInfo(True, found.instruction_set, "") if isinstance(found, Core) else CoreInfo(False, "", found)


def address(
    array: npt.NDArray[Any] | None, kind: type[np.generic], shape: Sequence[int | None], name: str
) -> int | None:
    """Where an array begins in memory, for C; none stays none.

    Args:
        array: C-contiguous.
        kind: of its numbers.
        shape: that it must have; none where any length will do.
        name: for messages.

    Raises:
        TypeError: it has numbers of another kind, another shape, or is not contiguous.
    """
    if array is None:
        return None
    if array.dtype != kind or not array.flags.c_contiguous:
        raise TypeError(f"expected {name} as contiguous {np.dtype(kind)}, got {array.dtype}, {array.flags.c_contiguous=}")
    if array.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, array.shape, strict=True)
    ):
        raise TypeError(f"expected {name} of shape {tuple(shape)}, got {array.shape}")
    found: int = array.__array_interface__["data"][0]
    return found
