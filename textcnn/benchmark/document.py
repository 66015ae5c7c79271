"""Builds benchmark documents: describes the machine, computes intervals, reads and writes JSON, and resumes runs."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import numpy as np
import numpy.typing as npt
import torch

import textcnn
from textcnn import core
from textcnn.atomic import write_text
from textcnn.benchmark.protocol import REFERENCE
from textcnn.errors import DataError
from textcnn.evaluation.intervals import CONFIDENCE, RESAMPLES
from textcnn.evaluation.intervals import Interval as Interval

_SAMPLES, _PAUSE = 6, 0.05  # samples of the system load, and the seconds between them


def describe_machine() -> dict[str, Any]:
    """Return versions, threads, processor, other load and commit as JSON values."""
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
    """Return the name of the processor's model, or the best description that the system has."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def other_work() -> float | None:
    """Return the mean number of runnable threads of other programs over a moment; none if the system does not say."""
    counts = []
    for _ in range(_SAMPLES):
        try:
            running = Path("/proc/loadavg").read_text(encoding="utf-8").split()[3].partition("/")[0]
        except OSError:
            return None
        counts.append(int(running) - 1)  # without the thread that reads the file
        time.sleep(_PAUSE)
    return round(sum(counts) / len(counts), 2)


def commit(folder: Path) -> str | None:
    """Return the commit of the checkout at ``folder``; none if it is not a checkout.

    ``-dirty`` is appended if files differ, except in ``docs/benchmarks``, where measurements are written.
    """
    if not (folder / ".git").exists():
        return None
    name = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/benchmarks")
    return f"{name}-dirty" if name and changed else name or None


def _git(folder: Path, *arguments: str) -> str:
    """Return the output of git; an empty string if git is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def command_line(words: Sequence[str]) -> str:
    """Return the command as typed, with the folders of paths removed."""
    return shlex.join(_without_folder(word) for word in words)


def _without_folder(argument: str) -> str:
    match = re.match(r"(?:--)?[\w-]+=", argument)  # an option, or an assignment of `--set`
    name, value = ("", argument) if match is None else (match[0], argument[match.end() :])
    return name + (re.split(r"[/\\]", value.rstrip("/\\"))[-1] if value.strip("/\\") else value)


Floats = npt.NDArray[np.float64]


def median_ratio(slow: Floats, fast: Floats, seed: int) -> Interval:
    """Return the median of the ratios ``slow / fast`` with its bootstrap interval.

    Args:
        slow: ``(N,)``, seconds.
        fast: ``(N,)``, seconds of the same batches.
        seed: the seed of the resampling.
    """
    ratios = slow / fast
    return _bootstrap(len(ratios), lambda rows: np.median(ratios[rows], axis=-1), seed)


def ratio_of_sums(slow: Floats, fast: Floats, seed: int) -> Interval:
    """Return the ratio of the sums, with its interval; arguments as for :func:`median_ratio`."""
    return _bootstrap(len(slow), lambda rows: slow[rows].sum(-1) / fast[rows].sum(-1), seed)


def _bootstrap(size: int, statistic: Callable[[npt.NDArray[np.int64]], Floats], seed: int) -> Interval:
    """Return a statistic with its percentile bootstrap interval (Efron 1979), from samples drawn with replacement."""
    drawn = np.random.default_rng(seed).integers(size, size=(RESAMPLES, size))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(statistic(drawn), [tail, 1 - tail])
    return Interval(float(statistic(np.arange(size))), float(low), float(high))


KIND = "speed"
FORMAT_VERSION = 1
Cell = Mapping[str, Any]


def write_document(document: Mapping[str, Any], path: Path) -> None:
    """Write the document as indented JSON."""
    path.write_text(_as_text(document), encoding="utf-8")


def _as_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_document(path: Path) -> dict[str, Any]:
    """Read a speed document that :func:`write_document` wrote.

    Raises:
        DataError: the file cannot be read, or is not such a document.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"expected the JSON that `benchmark speed --output` writes: {err}", path=path.name) from err
    found = (document.get("benchmark"), document.get("format_version")) if isinstance(document, dict) else None
    if not isinstance(document, dict) or found != (KIND, FORMAT_VERSION):
        raise DataError(
            f"expected a document with benchmark {KIND!r} and format_version {FORMAT_VERSION}, found {found!r}; "
            "measure again with `benchmark speed --output`",
            path=path.name,
        )
    return document


def ratio_to_reference(name: str, ratio: Interval) -> dict[str, float | None]:
    """Return the ratio of a result and its interval as a dictionary; the reference itself has none."""
    value, low, high = (None, None, None) if name == REFERENCE else ratio
    return {"ratio": value, "ratio_low": low, "ratio_high": high}


def verdict(cell: Cell) -> str:
    """Return whether the CNN ``wins``, ``loses`` or is ``undecided``, by the whole interval of baseline / CNN."""
    if cell["ratio_low"] > 1:
        return "wins"
    return "loses" if cell["ratio_high"] < 1 else "undecided"


def comparisons(cells: Iterable[Cell], **where: Any) -> list[Cell]:
    """Return the cells of baselines, without the CNN's own, whose values match ``where``."""
    return [
        cell
        for cell in cells
        if cell["ratio"] is not None and all(cell[name] == value for name, value in where.items())
    ]


def shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings by name, with paths cut to the names of files."""
    return {name: Path(value).name if name == "vectors" else value for name, value in settings.items()}


def data_name(data: Any) -> str:
    """Return the name of a data set: the last two parts of its path, e.g. ``trec/train.csv.gz``."""
    return "/".join(Path(data).parts[-2:]) if isinstance(data, (str, Path)) else "rows in memory"


class FinishedRuns:
    """Stores finished runs by name in ``OUTPUT.partial``, from which a second start continues.

    Args:
        output: the file of the final document; none: runs are not stored.
        settings: the settings of the runs; runs with other settings are not continued.

    Raises:
        DataError: the file of finished runs cannot be read, or has other settings.
    """

    def __init__(self, output: Path | None, settings: Mapping[str, Any]) -> None:
        self._output = output
        self._path = None if output is None else output.with_name(output.name + ".partial")
        self._settings = json.loads(json.dumps(settings))
        self._runs: dict[str, Any] = {}
        if self._path is not None and self._path.exists():
            self._runs = self._read(self._path)

    def run(self, name: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        """Return the stored result of the run ``name``, or compute and store ``measure(*arguments)``, a JSON value."""
        if name not in self._runs:
            self._runs[name] = measure(*arguments)
            if self._path is not None:
                write_text(self._path, _as_text({"settings": self._settings, "runs": self._runs}))
        return self._runs[name]

    def write(self, document: Mapping[str, Any]) -> None:
        """Write the final document, and delete the stored runs."""
        if self._output is not None and self._path is not None:
            write_document(document, self._output)
            self._path.unlink(missing_ok=True)

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            settings, runs = saved["settings"], dict(saved["runs"])
        except (OSError, ValueError, TypeError, KeyError) as err:
            raise DataError(
                f"expected the finished runs of this benchmark, found {err!r}; remove it", path=path
            ) from err
        if settings != self._settings:
            raise DataError("expected finished runs of these settings, found those of others; remove it", path=path)
        return runs
