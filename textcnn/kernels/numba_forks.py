"""Numba, and what it cannot do by itself: fork, and compile where nothing can be kept.

Numba and fork: no child is made while a thread compiles or loads a kernel, for nobody would finish that there.

The child would find numba's lock held, by a thread that it does not have, and wait for ever.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import numba
from numba.core.compiler_lock import global_compiler_lock


def _find_place() -> None:
    """Let compiled code of this process go to a temporary folder, where neither the package nor a home can be written.

    Numba refuses to compile what it is to keep and has no place for.
    """
    home = Path(os.path.expanduser("~"))
    if numba.config.CACHE_DIR or os.access(Path(__file__).parent, os.W_OK) or os.access(home, os.W_OK):
        return
    numba.config.CACHE_DIR = tempfile.mkdtemp(prefix="textcnn-")
    atexit.register(shutil.rmtree, numba.config.CACHE_DIR, ignore_errors=True)


_find_place()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
