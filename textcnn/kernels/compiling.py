"""Whether an earlier run has left compiled code behind, and a word to the user where it has not."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from types import ModuleType

NOTE = "compiling kernels, once"
_LOG = logging.getLogger("textcnn")


def is_cached(module: ModuleType) -> bool:
    """Whether numba finds compiled functions of this module on disk."""
    name = module.__name__.rpartition(".")[2]
    folder = Path(next(f for f in vars(module).values() if hasattr(f, "stats")).stats.cache_path)
    return any(folder.glob(f"{name}.*.nbi"))


def announce(module: ModuleType) -> None:
    """Log a note (``INFO``, logger ``textcnn``) if calls into this module will compile it first; once a process."""
    if not is_cached(module):
        _announce_once()


@cache
def _announce_once() -> None:
    _LOG.info(NOTE)
