"""Numba and fork: no child is made while a thread compiles or loads a kernel, for nobody would finish that there.

The child would find numba's lock held, by a thread that it does not have, and wait for ever.
"""

from __future__ import annotations

import os

from numba.core.compiler_lock import global_compiler_lock

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
