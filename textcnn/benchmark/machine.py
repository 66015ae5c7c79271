"""Where and with what a benchmark ran, without a path of the machine."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch

import textcnn
from textcnn import core

_SAMPLES, _PAUSE = 6, 0.05  # looks, seconds between them


def describe_machine() -> dict[str, Any]:
    """Versions, threads, processor, other work and commit as JSON values."""
    return {
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "textcnn": textcnn.__version__,
        },
        "threads": torch.get_num_threads(),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "other_work": other_work(),
        "platform": f"{platform.system()} {platform.machine()}",
        "backend": core.backend_info().backend,
        "commit": commit(Path(textcnn.__file__).resolve().parent.parent),
    }


def cpu_name() -> str:
    """Name of the processor's model, as well as the system knows it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def other_work() -> float | None:
    """Threads of other programs that want to run, in the mean over a moment; none: the system does not say."""
    counts = []
    for _ in range(_SAMPLES):
        try:
            running = Path("/proc/loadavg").read_text(encoding="utf-8").split()[3].partition("/")[0]
        except OSError:
            return None
        counts.append(int(running) - 1)  # the reader itself is running
        time.sleep(_PAUSE)
    return round(sum(counts) / len(counts), 2)


def commit(folder: Path) -> str | None:
    """Commit of the checkout whose root is ``folder``; none: no checkout.

    With ``-dirty`` if files differ from it, but for results in ``docs/benchmarks``: measuring writes them.
    """
    if not (folder / ".git").exists():
        return None
    name = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/benchmarks")
    return f"{name}-dirty" if name and changed else name or None


def _git(folder: Path, *arguments: str) -> str:
    """What git says, on one line; nothing if there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def command_line(arguments: Sequence[str]) -> str:
    """The command as typed, with the base names of files only."""
    return shlex.join(["textcnn", *(_without_folder(argument) for argument in arguments)])


def _without_folder(argument: str) -> str:
    match = re.match(r"(?:--)?[\w-]+=", argument)  # an option, or what `--set` is given
    name, value = ("", argument) if match is None else (match[0], argument[match.end() :])
    return name + (re.split(r"[/\\]", value.rstrip("/\\"))[-1] if value.strip("/\\") else value)
