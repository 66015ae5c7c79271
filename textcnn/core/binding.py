"""Loads the core's shared library on first use, and reports which backend is active."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from ctypes import CFUNCTYPE, c_char_p, c_double, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.core.build import LIBRARY, SOURCES, VARIABLE, fingerprint
from textcnn.core.threads import choose_threads
from textcnn.errors import ConfigError

INSTRUCTION_SETS = ("baseline", "avx2", "avx512")

Task = CFUNCTYPE(None, c_void_p, c_int, c_int)  # body of a parallel loop: context, task index, thread index
# Result and argument types of the functions that no other module declares.
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "tc_sources": (c_char_p, []),
    "tc_best_instruction_set": (c_int, []),
    "tc_instruction_set": (c_int, []),
    "tc_use_instruction_set": (c_int, [c_int]),
    "tc_pool_new": (c_void_p, [c_int]),
    "tc_pool_run": (None, [c_void_p, c_int, Task, c_void_p]),
    "tc_pool_threads": (c_int, [c_void_p]),
    "tc_pool_free": (None, [c_void_p]),
    "tc_trainer_new": (c_void_p, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "tc_trainer_free": (None, [c_void_p]),
    "tc_trainer_refresh": (None, [c_void_p]),
    "tc_exp": (c_double, [c_double]),
    "tc_log": (c_double, [c_double]),
}
# Functions called by :mod:`textcnn.core.calls` whose result may exceed an int.
_COUNTING = (
    *("tc_split_words", "tc_room_for_points", "tc_room_for_words"),
    *("tc_largest_count", "tc_weigh_ngrams", "tc_unique_types"),
    *("tc_join_rows", "tc_write_fractions"),
)


class BackendInfo(NamedTuple):
    """The backend that computes in this process, with the reason for each choice.

    Attributes:
        backend: ``core``, or ``numpy and torch`` where the compiled core is not used.
        instruction_set: the instruction set the core uses; empty without the core.
        threads: threads of the core's parallel loops, unless a setting says otherwise.
        reason: why the core is not used; empty if it is.
        instruction_set_reason: why that set was chosen; empty without the core.
        threads_reason: why that number of threads was chosen.
    """

    backend: str
    instruction_set: str
    threads: int
    reason: str
    instruction_set_reason: str
    threads_reason: str


class Core:
    """The loaded shared library; its functions are attributes of ``core.c``.

    Raises:
        OSError: the library cannot be loaded.
        ImportError: the library was compiled from other sources than the installed ones.
    """

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.c.tc_sources.restype = c_char_p
        # A stale library after a change of sources would fail in ways that are hard to recognize.
        if SOURCES.is_dir() and self.c.tc_sources() != fingerprint().encode():
            raise ImportError(f"{path.name} was built from other sources than those here; install the package again")
        for name, (gives, takes) in _SIGNATURES.items():
            function = getattr(self.c, name)
            function.restype, function.argtypes = gives, takes
        for name in _COUNTING:
            getattr(self.c, name).restype = c_int64

    @property
    def instruction_set(self) -> str:
        """The instruction set in use."""
        return INSTRUCTION_SETS[self.c.tc_instruction_set()]

    @property
    def instruction_sets(self) -> tuple[str, ...]:
        """The instruction sets that both this processor and this library support."""
        return INSTRUCTION_SETS[: self.c.tc_best_instruction_set() + 1]

    def use_instruction_set(self, name: str) -> None:
        """Switch to the instruction set of that name.

        Raises:
            ConfigError: the processor or the library does not have it.
        """
        if name not in self.instruction_sets:
            raise ConfigError(f"instruction set must be one of {', '.join(self.instruction_sets)} here, got {name!r}")
        self.c.tc_use_instruction_set(INSTRUCTION_SETS.index(name))


@cache
def _loaded() -> Core | str:
    """Load the core once; return it, or the reason why it is not available."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "none", *INSTRUCTION_SETS):
        raise ConfigError(f"{VARIABLE} must be none or one of {', '.join(INSTRUCTION_SETS)}, got {wanted!r}")
    if wanted == "none":
        return f"{VARIABLE}=none asks for numpy and torch"
    path = Path(__file__).parent / LIBRARY
    if not path.is_file():
        return f"{path.name} was not built when the package was installed"
    try:
        core = Core(path)
    except AttributeError as err:  # a function is missing
        return f"{path.name} is of another version: {err}"
    except (ImportError, OSError) as err:
        return str(err)
    if wanted:
        core.use_instruction_set(wanted)
    return core


_refusal: ContextVar[str] = ContextVar("_refusal", default="")


@contextmanager
def plain() -> Iterator[None]:
    """Disable the core within the block, in this thread, for tests and benchmarks of the NumPy and torch versions."""
    token = _refusal.set("numpy and torch were asked for")
    try:
        yield
    finally:
        _refusal.reset(token)


def loaded() -> Core:
    """Return the compiled core even inside :func:`plain`, for objects that were created by it.

    Raises:
        ImportError: the core is not available.
    """
    found = _loaded()
    if not isinstance(found, Core):
        raise ImportError(found)
    return found


def library() -> Core | None:
    """Return the compiled core; none if NumPy and torch are to be used instead.

    Raises:
        ConfigError: the variable TEXTCNN_CORE asks for an instruction set that is not there.
    """
    found = _refusal.get() or _loaded()
    return found if isinstance(found, Core) else None


def backend_info() -> BackendInfo:
    """Return the active backend, its instruction set and its number of threads, each with the reason.

    Raises:
        ConfigError: the variable TEXTCNN_CORE or TEXTCNN_THREADS has a value that cannot be used.
    """
    found, threads = _refusal.get() or _loaded(), choose_threads()
    if isinstance(found, Core):
        name = found.instruction_set
        return BackendInfo("core", name, threads.number, "", _why_instruction_set(found, name), threads.reason)
    return BackendInfo("numpy and torch", "", threads.number, found, "", threads.reason)


def _why_instruction_set(core: Core, name: str) -> str:
    """Return the reason why the core uses the instruction set ``name``."""
    best = core.instruction_sets[-1]
    if name == os.environ.get(VARIABLE):
        return f"{VARIABLE}={name} asks for it; the best of this processor is {best}"
    if name != best:
        return f"use_instruction_set asked for it; the best of this processor is {best}"
    return "the best that this processor and the library have"


def address(
    array: npt.NDArray[Any] | None, kind: type[np.generic], shape: Sequence[int | None], name: str
) -> int | None:
    """Return the memory address of an array after checking its type and shape; none for none.

    Args:
        array: a C-contiguous array.
        kind: the dtype that it must have.
        shape: the shape that it must have; none for any length.
        name: its name in error messages.

    Raises:
        TypeError: the array has another dtype or shape, or is not contiguous.
    """
    if array is None:
        return None
    if array.dtype != kind or not array.flags.c_contiguous:
        raise TypeError(
            f"expected {name} as contiguous {np.dtype(kind)}, got {array.dtype}, {array.flags.c_contiguous=}"
        )
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        raise TypeError(f"expected {name} of shape {tuple(shape)}, got {array.shape}")
    found: int = array.__array_interface__["data"][0]
    return found
