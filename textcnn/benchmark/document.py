"""Documents of measurements: the machine, statistics, one JSON value, and stopped starts that go on."""

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
from textcnn.benchmark.protocol import REFERENCE
from textcnn.errors import DataError
from textcnn.evaluation.intervals import CONFIDENCE, RESAMPLES
from textcnn.evaluation.intervals import Interval as Interval

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


def command_line(words: Sequence[str]) -> str:
    """The command as typed, with the base names of files only."""
    return shlex.join(_without_folder(word) for word in words)


def _without_folder(argument: str) -> str:
    match = re.match(r"(?:--)?[\w-]+=", argument)  # an option, or what `--set` is given
    name, value = ("", argument) if match is None else (match[0], argument[match.end() :])
    return name + (re.split(r"[/\\]", value.rstrip("/\\"))[-1] if value.strip("/\\") else value)


Floats = npt.NDArray[np.float64]


def median_ratio(slow: Floats, fast: Floats, seed: int) -> Interval:
    """Median of ``slow / fast``, pair by pair.

    Args:
        slow: ``(N,)`` seconds.
        fast: ``(N,)`` seconds of the same batches.
        seed: decides the resampling.
    """
    ratios = slow / fast
    return _bootstrap(len(ratios), lambda rows: np.median(ratios[rows], axis=-1), seed)


def ratio_of_sums(slow: Floats, fast: Floats, seed: int) -> Interval:
    """Sum of ``slow`` over sum of ``fast``; arguments as for :func:`median_ratio`."""
    return _bootstrap(len(slow), lambda rows: slow[rows].sum(-1) / fast[rows].sum(-1), seed)


def _bootstrap(size: int, statistic: Callable[[npt.NDArray[np.int64]], Floats], seed: int) -> Interval:
    """Percentile bootstrap (Efron 1979): the spread of the statistic over samples drawn from the sample."""
    drawn = np.random.default_rng(seed).integers(size, size=(RESAMPLES, size))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(statistic(drawn), [tail, 1 - tail])
    return Interval(float(statistic(np.arange(size))), float(low), float(high))


KIND = "speed"
FORMAT_VERSION = 1
Cell = Mapping[str, Any]


def write_document(document: Mapping[str, Any], path: Path) -> None:
    """Write the document as indented JSON."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> dict[str, Any]:
    """Read what :func:`write_document` wrote.

    Raises:
        DataError: it cannot be read, or is something else.
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
    """The ratio of a result; the reference itself has none."""
    value, low, high = (None, None, None) if name == REFERENCE else ratio
    return {"ratio": value, "ratio_low": low, "ratio_high": high}


def verdict(cell: Cell) -> str:
    """``wins``, ``loses`` or ``undecided``: of the CNN, by the whole interval of the ratio baseline / CNN."""
    if cell["ratio_low"] > 1:
        return "wins"
    return "loses" if cell["ratio_high"] < 1 else "undecided"


def comparisons(cells: Iterable[Cell], **where: Any) -> list[Cell]:
    """The cells of baselines, not those of the CNN itself, whose values are those of ``where``."""
    return [
        cell
        for cell in cells
        if cell["ratio"] is not None and all(cell[name] == value for name, value in where.items())
    ]


def shown_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name; a file by its own name, not where it lies."""
    return {name: Path(value).name if name == "vectors" else value for name, value in settings.items()}


def data_name(data: Any) -> str:
    """The last two parts of a path, e.g. ``trec/train.csv.gz``: which set it is, not where it lies."""
    return "/".join(Path(data).parts[-2:]) if isinstance(data, (str, Path)) else "rows in memory"


class FinishedRuns:
    """Runs by their name, in ``OUTPUT.partial`` beside the output; a second start continues behind the last of them.

    Args:
        output: the document to be; none: nothing is kept.
        settings: what decides the runs; a file of others is not continued.

    Raises:
        DataError: the file of finished runs cannot be read, or is of other settings.
    """

    def __init__(self, output: Path | None, settings: Mapping[str, Any]) -> None:
        self._output = output
        self._path = None if output is None else output.with_name(output.name + ".partial")
        self._settings = json.loads(json.dumps(settings))
        self._runs: dict[str, Any] = {}
        if self._path is not None and self._path.exists():
            self._runs = self._read(self._path)

    def run(self, name: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        """The result of the run called ``name``, a JSON value: that of ``measure(*arguments)``, unless it is there."""
        if name not in self._runs:
            self._runs[name] = measure(*arguments)
            if self._path is not None:
                beside = self._path.with_name(self._path.name + ".new")
                write_document({"settings": self._settings, "runs": self._runs}, beside)
                os.replace(beside, self._path)
        return self._runs[name]

    def write(self, document: Mapping[str, Any]) -> None:
        """Write the document that the runs were for, and forget them."""
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
