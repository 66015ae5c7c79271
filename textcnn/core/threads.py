"""Thread counts of the core's parallel loops, and parallel execution of work split into parts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from textcnn.errors import ConfigError

Part = TypeVar("Part")
Result = TypeVar("Result")

VARIABLE = "TEXTCNN_THREADS"
MOST = 256  # of a pool
_default: int | None = None


class Threads(NamedTuple):
    """A number of threads, and the reason for it."""

    number: int
    reason: str


def num_threads(asked: int | None = None) -> int:
    """Return ``asked``, else the number of :func:`set_threads`, of the variable TEXTCNN_THREADS, or of the cores.

    Of the cores that this process may use, the ranks that torchrun has started on this machine have an equal share.

    Args:
        asked: 1 or more. More than 256 are 256.

    Raises:
        ConfigError: the variable is not a whole number from 1 on.
    """
    return choose_threads(asked).number


def choose_threads(asked: int | None = None) -> Threads:
    """Return the number of :func:`num_threads` with its reason; arguments and errors are the same."""
    if asked is not None:
        return Threads(min(asked, MOST), "asked for by the caller")
    if _default is not None:
        return Threads(min(_default, MOST), "the setting threads of this process")
    if said := os.environ.get(VARIABLE):
        if not (said.isdecimal() and int(said) >= 1):
            raise ConfigError(f"{VARIABLE} must be a whole number of threads, 1 or more, got {said!r}")
        return Threads(min(int(said), MOST), f"{VARIABLE}={said}")
    cores, reason = available_cores()
    if (ranks := int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) > 1:
        reason = f"a share of {cores} cores among LOCAL_WORLD_SIZE={ranks} processes; {reason}"
    return Threads(min(max(cores // ranks, 1), MOST), reason)


def set_threads(threads: int | None) -> None:
    """Set the default number of threads of this process; none restores the automatic choice."""
    global _default
    _default = threads


def num_cores(root: Path = Path("/")) -> int:
    """Return the cores that this process may use: its CPU affinity or its container's rounded-up limit, if lower.

    Args:
        root: of the file system that tells the limit.
    """
    return available_cores(root).number


@cache
def available_cores(root: Path = Path("/")) -> Threads:
    """Return the number of :func:`num_cores` with its reason; arguments are the same."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = min(_limits(root), default=math.inf)
    if limit <= cores - 1:  # rounded up it is less
        return Threads(max(1, math.ceil(limit)), f"the control group (cgroup) limits this process to {limit:g} cores")
    return Threads(cores, "the cores that this process may use")


def _limits(root: Path) -> Iterator[float]:
    """Yield the CPU limits, in cores, of the control groups (cgroups) of this process."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux, or no /proc
        return
    for line in lines:
        _, kinds, group = line.split(":", 2)
        for place in _places(root / "sys" / "fs" / "cgroup", kinds, group):
            try:
                if kinds:
                    quota = (place / "cpu.cfs_quota_us").read_text()
                    period = (place / "cpu.cfs_period_us").read_text()
                else:
                    quota, period = (place / "cpu.max").read_text().split()
                if int(period) > 0 and quota != "max" and int(quota) > 0:  # -1: no limit
                    yield int(quota) / int(period)
            except (OSError, ValueError):  # no limit here, or none that is understood
                continue


def _places(mount: Path, kinds: str, group: str) -> Iterator[Path]:
    """Yield the folders of a control group and its parents, whose limits apply to it too.

    Args:
        mount: where the control groups are.
        kinds: empty in version 2; in version 1 what a hierarchy controls, such as ``cpu,cpuacct``.
        group: its path; that of the host, of which a container may see the end alone.
    """
    if kinds and "cpu" not in kinds.split(","):
        return
    hierarchies = [mount / kinds, mount / "cpu"] if kinds and kinds != "cpu" else [mount / (kinds or ".")]
    below = PurePosixPath(group.lstrip("/"))
    for hierarchy in hierarchies:
        yield from (hierarchy / place for place in (below, *below.parents))


def in_parallel(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """Map ``work`` over the parts in threads, in order; it should spend its time in C, which releases the GIL."""
    parts = list(parts)
    if len(parts) < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(min(num_threads(), len(parts))) as executor:
        return list(executor.map(work, parts))
