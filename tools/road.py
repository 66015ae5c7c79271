"""Functions of `textcnn/` and `cli/` that a command enters, each once: how long the road from a text to its label is.

`classify` answers one text by a small model; `train` learns ten rows. Lambdas, comprehensions and nested functions
count with the function that they stand in, and what runs while a module is imported does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PLACES = (str(ROOT / "textcnn") + "/", str(ROOT / "cli") + "/")
LIMITS = {"classify": (60, 25), "train": (80, 35)}  # functions, files
ROWS = [("a good film", "good"), ("a bad film", "bad")] * 5


class Road:
    """Records the functions that are entered while it is active, in their order."""

    def __init__(self) -> None:
        self.stops: dict[tuple[str, str], int] = {}
        self._seen: set[CodeType] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Look at one event of the interpreter."""
        code = frame.f_code
        if event != "call" or code in self._seen:
            return
        self._seen.add(code)
        name = code.co_qualname.split(".<locals>")[0]
        is_ours = code.co_filename.startswith(PLACES) and "<" not in name  # others run while a module is imported
        if is_ours and not _is_class_body(frame):
            self.stops.setdefault((code.co_filename[len(str(ROOT)) + 1 :], name), code.co_firstlineno)

    def __enter__(self) -> Road:
        threading.setprofile(self)
        sys.setprofile(self)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    @property
    def files(self) -> set[str]:
        """Files that were entered."""
        return {file for file, _ in self.stops}


def _is_class_body(frame: FrameType) -> bool:
    """Whether this is the body of a class, which runs while its module is imported."""
    return "__module__" in frame.f_code.co_names and "__qualname__" in frame.f_code.co_names


def walked(command: list[str]) -> Road:
    """The road of one command, run in this process.

    Raises:
        SystemExit: the command failed.
    """
    from textcnn_cli.main import main

    sys.argv = ["textcnn", *command]
    road = Road()
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), road:
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise SystemExit(f"{' '.join(command)} ended with {end.code}: {quiet.getvalue()}") from end
    return road


def roads(folder: Path) -> dict[str, Road]:
    """The roads of both commands; files go into ``folder``."""
    rows, model = folder / "rows.csv", folder / "model"
    with rows.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *ROWS])
    return {
        "train": walked(["train", str(rows), "-o", str(model), "--epochs", "1"]),
        "classify": walked(["classify", str(model), "a good film"]),
    }


def main(say: Callable[[str], None] = print) -> None:
    """Print both roads, or their lengths alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", action="store_true", help="print no functions, only how many there are")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = roads(Path(folder))
    for name, road in found.items():
        if not given.lengths:
            for (file, function), line in road.stops.items():
                say(f"{file}:{line} {function}")
        most, most_files = LIMITS[name]
        say(f"{name}: {len(road.stops)} functions in {len(road.files)} files (at most {most} in {most_files})")


if __name__ == "__main__":
    main()
