"""Take each guard away, in a copy of the tree, and see that its test fails.

    python -m tools.robustness.guards.mutate --only 12

A test that still passes guards nothing: that is a defect, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.robustness.guards.guard import Guard
from tools.robustness.guards.guards import GUARDS
from tools.robustness.guards.tables import guarantees_table, to_markdown

ROOT = Path(__file__).parents[3]
COPIED = ("textcnn", "cli", "data", "tests", "docs", "pyproject.toml", "constraints.txt", "constraints-lowest.txt")
RESULTS = ROOT / "docs" / "benchmarks" / "guards.json"
COMMAND = "python -m tools.robustness.guards.mutate"
GUARANTEES = ROOT / "docs" / "guarantees.md"
BEGIN, END = f"<!-- {COMMAND} --table -->\n", "<!-- end -->"


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of what the tests need; compiled kernels come along, for files keep their times."""
    with tempfile.TemporaryDirectory(prefix="guards-") as name:
        tree = Path(name)
        for entry in COPIED:
            source = ROOT / entry
            if source.is_dir():
                shutil.copytree(source, tree / entry)
            else:
                shutil.copy2(source, tree / entry)
        types = tree / "build" / "types"
        types.mkdir(parents=True)
        (types / "textcnn_cli").symlink_to(tree / "cli")
        (types / "textcnn_data").symlink_to(tree / "data")
        yield tree


def run_tests(tree: Path, tests: Sequence[str], seconds: float) -> str:
    """``passes``, ``fails``, ``hangs``, or ``broken``: nothing could be run at all."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    paths = os.pathsep.join([str(tree / "build" / "types"), str(tree)])
    # A mutated file may have the size and, to the second, the time of the last one: no bytecode of it is to stay.
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=tree, env=env, start_new_session=True, **streams)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with all that the test has started
        process.communicate()
        return "hangs"
    outcome = {0: "passes", 1: "fails"}.get(process.returncode, "broken")
    if outcome == "broken" or (outcome == "fails" and len(tests) > 1):
        print(output, file=sys.stderr)
    return outcome


@contextmanager
def without(guard: Guard, tree: Path) -> Iterator[None]:
    """The copy while the guard is not there."""
    path = tree / guard.file
    before, times = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(guard.removed_from(before), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def try_guards(guards: Sequence[Guard], seconds: float) -> Iterator[dict[str, Any]]:
    """What happens to the test of each guard without it; first, all tests have to pass with their guards."""
    with copied_tree() as tree:
        if run_tests(tree, list(dict.fromkeys(guard.test for guard in guards)), len(guards) * seconds) != "passes":
            raise SystemExit("the tests do not pass as it is; nothing was taken away")
        for guard in guards:
            began = time.perf_counter()
            with without(guard, tree):
                outcome = run_tests(tree, [guard.test], seconds)
            print(f"{guard.pain:>3}  {outcome:<7} {time.perf_counter() - began:4.0f} s  {guard.test}", flush=True)
            names = {name: getattr(guard, name) for name in ("pain", "file", "function", "test")}
            yield {**names, "outcome": outcome}


def write(found: Sequence[dict[str, Any]]) -> None:
    """Put the results among those there are, in the order of the list, and make the table."""
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["results"] if RESULTS.exists() else []
    latest = {key(result): result for result in [*known, *found]}
    results = [latest[key(guard._asdict())] for guard in GUARDS if key(guard._asdict()) in latest]
    document = {"benchmark": "guards", "command": COMMAND, "python": platform.python_version(), "results": results}
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULTS.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")


def key(result: dict[str, Any]) -> tuple[Any, ...]:
    """What a result is of."""
    return tuple(result[name] for name in ("pain", "file", "function", "test"))


def main() -> int:
    """Try all guards, or those against some pains."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--only", type=int, action="append", metavar="N", help="the guards against pain N; repeatable")
    parser.add_argument("--timeout", type=float, default=300, help="seconds of a test, beyond which it hangs")
    parser.add_argument("--table", action="store_true", help="only write the table of docs/guarantees.md")
    options = parser.parse_args()
    if options.table:
        begin, _, rest = GUARANTEES.read_text(encoding="utf-8").partition(BEGIN)
        GUARANTEES.write_text(f"{begin}{BEGIN}{guarantees_table()}{END}{rest.partition(END)[2]}", encoding="utf-8")
        return 0
    guards = [guard for guard in GUARDS if options.only is None or guard.pain in options.only]
    found = []
    for result in try_guards(guards, options.timeout):
        found.append(result)
        write(found)
    unnoticed = [result for result in found if result["outcome"] not in ("fails", "hangs")]
    print(f"{len(found) - len(unnoticed)} of {len(found)} tests notice that their guard is gone")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
