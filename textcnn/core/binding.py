"""The shared library of the core, loaded when it is first asked for."""

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

Task = CFUNCTYPE(None, c_void_p, c_int, c_int)  # of a loop: context, number of the task, number of the thread
# Functions that belong to no other module: what they give, and what they take.
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
# Functions of :mod:`textcnn.core.calls` whose number may be a large one.
_COUNTING = (
    *("tc_split_words", "tc_room_for_points", "tc_room_for_words"),
    *("tc_largest_count", "tc_weigh_ngrams", "tc_unique_types"),
    *("tc_join_rows", "tc_write_fractions"),
)


class BackendInfo(NamedTuple):
    """What does the work in this process, and why.

    Attributes:
        backend: ``core``, or ``numpy and torch`` where the compiled core is not used.
        instruction_set: of the core; empty without it.
        threads: of a loop of the core, unless a setting says otherwise.
        reason: why the core is not used; empty where it is.
        instruction_set_reason: why it is that one; empty without the core.
        threads_reason: why there are so many.
    """

    backend: str
    instruction_set: str
    threads: int
    reason: str
    instruction_set_reason: str
    threads_reason: str


class Core:
    """The loaded library; ``core.c`` has its functions.

    Raises:
        OSError: it cannot be loaded.
        ImportError: it was compiled from other sources than those that are installed with it.
    """

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path))
        self.c.tc_sources.restype = c_char_p
        if SOURCES.is_dir() and self.c.tc_sources() != fingerprint().encode():
            raise ImportError(f"{path.name} was built from other sources than those here; install the package again")
        for name, (gives, takes) in _SIGNATURES.items():
            function = getattr(self.c, name)
            function.restype, function.argtypes = gives, takes
        for name in _COUNTING:
            getattr(self.c, name).restype = c_int64

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
            ConfigError: the processor or the library does not have it.
        """
        if name not in self.instruction_sets:
            raise ConfigError(f"instruction set must be one of {', '.join(self.instruction_sets)} here, got {name!r}")
        self.c.tc_use_instruction_set(INSTRUCTION_SETS.index(name))


@cache
def _loaded() -> Core | str:
    """The core, or why there is none."""
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
    """Let numpy and torch answer within the block, in this thread: for tests of twins, and to measure both."""
    token = _refusal.set("numpy and torch were asked for")
    try:
        yield
    finally:
        _refusal.reset(token)


def loaded() -> Core:
    """The compiled core, for what was made by it: that goes on with it, whatever answers else.

    Raises:
        ImportError: there is none.
    """
    found = _loaded()
    if not isinstance(found, Core):
        raise ImportError(found)
    return found


def library() -> Core | None:
    """The compiled core; none where numpy and torch are to answer.

    Raises:
        ConfigError: the variable TEXTCNN_CORE asks for an instruction set that is not there.
    """
    found = _refusal.get() or _loaded()
    return found if isinstance(found, Core) else None


def backend_info() -> BackendInfo:
    """Whether the compiled core does the work, with which instruction set and how many threads, each with its reason.

    Raises:
        ConfigError: the variable TEXTCNN_CORE or TEXTCNN_THREADS has a value that cannot be used.
    """
    found, threads = _refusal.get() or _loaded(), choose_threads()
    if isinstance(found, Core):
        name = found.instruction_set
        return BackendInfo("core", name, threads.number, "", _why_instruction_set(found, name), threads.reason)
    return BackendInfo("numpy and torch", "", threads.number, found, "", threads.reason)


def _why_instruction_set(core: Core, name: str) -> str:
    """Why the core runs with the instruction set of this name."""
    best = core.instruction_sets[-1]
    if name == os.environ.get(VARIABLE):
        return f"{VARIABLE}={name} asks for it; the best of this processor is {best}"
    if name != best:
        return f"use_instruction_set asked for it; the best of this processor is {best}"
    return "the best that this processor and the library have"


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
        raise TypeError(
            f"expected {name} as contiguous {np.dtype(kind)}, got {array.dtype}, {array.flags.c_contiguous=}"
        )
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        raise TypeError(f"expected {name} of shape {tuple(shape)}, got {array.shape}")
    found: int = array.__array_interface__["data"][0]
    return found
