"""Tells caches that their process is the child of a fork."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """What is to be told of a fork."""

    def mark_forked(self) -> None:
        """Note that this process is the child; as little as possible may be done before the next use.

        Threads of the parent may have had any lock at the time of the fork.
        """


_told: weakref.WeakSet[Forked] = weakref.WeakSet()


def tell_of_forks(one: Forked) -> None:
    """Call ``mark_forked`` of this object in every child of a fork, as long as the object lives."""
    _told.add(one)


def _tell() -> None:
    for one in list(_told):
        one.mark_forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)
