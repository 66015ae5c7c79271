"""Run folders of real situations, each with a ``cmd.txt``, and show what happens beside their ``expected.txt``.

Every folder is copied to a temporary place, and its command is run there by a shell, with this Python's programs first
on the path: ``python tools/cases.py CASES [NAME...]``. What :data:`CHECKS` can check mechanically gets a verdict.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 600
# By the number of a case: regular expressions that its output must have and, after a !, must not have.
CHECKS: dict[str, tuple[str, ...]] = {
    "03": (r"read 80 rows: .*4 labels, multi-label", r"its positions are the labels", r"(?m)^\['0', '1', '2', '3'\]"),
    "04": (
        r"read 80 rows: text='comment', label='toxic'\+'obscene'\+'insult', 3 labels, multi-label",
        r"one_minus_one\.csv:\d+: expected a yes or a no for the label 'toxic'.*found '-1'",
        r"!'1\.0'|\b1\.0 *[│|]",
    ),
    "05": (
        r"hold lists as text",
        r"hold ',': read as several labels, as by --label-separator ','",
        r"read 80 rows: .*3 labels, multi-label(?s:.*)3 labels, multi-label(?s:.*)3 labels, multi-label",
        r"!4 labels",
    ),
    "06": (r"reading news\.csv as csv: text='body'", r'"text": ?"I love this phone"|"body"'),
    "10": (r"2 labels, single-label", r"'1\.0' is read as '1'"),
    "11": (r"expected labels that occur several times, found 80 different ones", r"column 'id'", r"(?m)^2$"),
    "14": (r"1 of 80 cells of 'label' hold '\|': read as part of the name; --multi-label", r"!, multi-label"),
    "22": (r"every list of 'label' holds one label: read as single-label", r"every list of 'cats'", r"!, multi-label"),
    "24": (
        r"reading news\.csv as csv: text='title', label='tag' \(delimiter ',', encoding utf-8\)",
        r"'body' looks like text too",
        r"reading qnli\.csv as csv: text='sentence', label='label'",
        r"'question' looks like text too",
    ),
}


def run(folder: Path) -> tuple[int, str]:
    """The exit code of a folder's command, and all that it said; 124 if it did not end."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory(prefix="case-") as place:
        copy = Path(place) / folder.name
        shutil.copytree(folder, copy)
        for part in (copy, *copy.rglob("*")):
            part.chmod(part.stat().st_mode | 0o200)
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", (copy / "cmd.txt").read_text("utf-8")],
                cwd=copy,
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as err:
            return 124, (err.stdout or b"").decode("utf-8", "replace")
    return done.returncode, done.stdout.decode("utf-8", "replace")


def problems(name: str, output: str) -> list[str] | None:
    """What of the checks of a case does not hold; None where there are none."""
    checks = CHECKS.get(name.split("-")[0])
    if checks is None:
        return None
    found = []
    for check in checks:
        unwanted = check.startswith("!")
        if bool(re.search(check.removeprefix("!"), output)) == unwanted:
            found.append(f"{'found' if unwanted else 'not found'}: {check.removeprefix('!')}")
    return found + (["a traceback"] if "Traceback (most recent call last)" in output else [])


def main() -> int:
    """Run the cases that are named, or all; 1 if a verdict is that one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", type=Path, help="folder of folders with cmd.txt and expected.txt")
    parser.add_argument("names", nargs="*", help="beginnings of the names of those to run; none: all")
    options = parser.parse_args()
    folders = sorted(path.parent for path in options.cases.glob("*/cmd.txt"))
    verdicts = {}
    for folder in folders:
        if options.names and not folder.name.startswith(tuple(options.names)):
            continue
        code, output = run(folder)
        failed = problems(folder.name, output)
        verdicts[folder.name] = "to be read" if failed is None else "fails" if failed else "passes"
        print(f"=== {folder.name}: exit code {code}\n{output.rstrip()}")
        print(f"--- expected\n{(folder / 'expected.txt').read_text('utf-8').rstrip()}")
        print("\n".join([f"--- verdict: {verdicts[folder.name]}", *(failed or [])]), flush=True)
    print("\n" + "\n".join(f"{verdict:>10}  {name}" for name, verdict in verdicts.items()))
    return int("fails" in verdicts.values())


if __name__ == "__main__":
    sys.exit(main())
