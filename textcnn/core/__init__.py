"""The compiled core: a small C library (``src/``), its ctypes bindings, and NumPy definitions of the same functions.

:func:`library` alone decides whether the core is used; it needs neither torch nor a compiler. ``NAME.py`` binds
functions of the core that ``NAME_numpy.py`` defines in NumPy, with bitwise equal results; :func:`twin` returns the
module in use.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from textcnn.core.binding import BackendInfo, Core, backend_info, library, plain

__all__ = ["BackendInfo", "Core", "backend_info", "library", "plain", "twin"]


def twin(name: str) -> ModuleType:
    """Return the module ``textcnn.core.NAME``, or ``textcnn.core.NAME_numpy`` where the core is not used.

    Args:
        name: ``chunks``, ``features``, ``lookup``, ``many_labels``, ``one_text``, ``rows``, ``shares``, ``tokens`` or
            ``type_rows``.
    """
    return import_module(f"textcnn.core.{name}" if library() is not None else f"textcnn.core.{name}_numpy")
