"""The core: a small library in C (``src/``), its binding, and the plain twins of what it does.

:func:`library` is the one place that decides whether the core runs; it needs neither torch nor a compiler. Two modules
have the functions of ``chunks``, two those of ``lookup``, and so on; they give the same bits, and :func:`twin` gives
the one that runs.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from textcnn.core.binding import BackendInfo, Core, backend_info, library, plain

__all__ = ["BackendInfo", "Core", "backend_info", "library", "plain", "twin"]


def twin(name: str) -> ModuleType:
    """The module ``textcnn.core.NAME``, or its definition ``textcnn.core.NAME_numpy`` where the core does not run.

    Args:
        name: ``chunks``, ``features``, ``lookup``, ``rows``, ``shares``, ``tokens`` or ``type_rows``.
    """
    return import_module(f"textcnn.core.{name}" if library() is not None else f"textcnn.core.{name}_numpy")
