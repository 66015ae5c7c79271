"""Memory and processor time of a process and its children, looked at while they run (Linux)."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PAUSE = 0.25  # seconds between two looks
_KINDS = {name.lower(): re.compile(rf"^{name}:\s+(\d+) kB", re.MULTILINE) for name in ("Rss", "Pss", "Anonymous")}


def anonymous_bytes(pid: int) -> int:
    """Anonymous memory of a process and all below it: not the pages of mapped files, which can be dropped any time.

    Taken from ``/proc/PID/smaps_rollup`` (proc(5)); a process that has ended has none.
    """
    return memory_of(pid)["anonymous"]


def memory_of(pid: int) -> dict[str, int]:
    """Bytes of a process and all below it: ``rss``, ``pss`` (shared pages by their share), and ``anonymous``."""
    found = memory_by_process(pid).values()
    return {name: sum(one[name] for one in found) for name in _KINDS}


def memory_by_process(pid: int) -> dict[int, dict[str, int]]:
    """The same for the process and each one below it, by their ids."""
    found = {}
    for one in with_children(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8")
        except (OSError, ProcessLookupError):
            continue
        sizes = {name: line.search(text) for name, line in _KINDS.items()}
        found[one] = {name: int(size[1]) * 1024 if size else 0 for name, size in sizes.items()}
    return found


def processor_seconds(pid: int) -> dict[int, float]:
    """Seconds of processor time that a process and each one below it have taken so far, by their ids."""
    found = {}
    for one in with_children(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (OSError, ProcessLookupError):
            continue
        # utime and stime of proc_pid_stat(5), behind the name
        found[one] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def with_children(pid: int) -> list[int]:
    """The process and all below it; one that has ended has none."""
    try:
        below = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="utf-8").split()
        ]
    except (OSError, ProcessLookupError):
        return []
    return [pid, *(one for child in below for one in with_children(child))]


def watched_run(command: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command to its end.

    Returns:
        ``seconds``, ``peak_mb`` (MB of 10^6 bytes), and ``peak_mb_by_quarter``: a flat course has four alike.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    began = time.perf_counter()
    looks: list[tuple[float, int]] = []
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ if env is None else env)
    ) as process:
        while process.poll() is None:
            looks.append((time.perf_counter() - began, anonymous_bytes(process.pid)))
            time.sleep(PAUSE)
        assert process.stderr is not None
        told = process.stderr.read()
    seconds = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command), stderr=told)
    quarters = [0] * 4
    for at, size in looks:
        quarter = min(int(4 * at / seconds), 3)
        quarters[quarter] = max(quarters[quarter], size)
    by_quarter = [round(size / 1e6, 1) for size in quarters]
    return {"seconds": round(seconds, 2), "peak_mb": max(by_quarter), "peak_mb_by_quarter": by_quarter}
