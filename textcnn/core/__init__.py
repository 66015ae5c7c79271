"""The core: a small library in C (``src/``), its binding, and the plain twins of what it does.

:func:`library` is the one place that decides whether the core runs; it needs neither torch nor a compiler.
"""

from __future__ import annotations

from textcnn.core.binding import BackendInfo, Core, backend_info, library

__all__ = ["BackendInfo", "Core", "backend_info", "library"]
