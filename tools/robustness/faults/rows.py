"""As many rows out as in, in order, over millions of them: ``python -m tools.robustness.faults.rows``.

A file is made in which every row has its number and a text, some of them awkward: empty, with line ends, quotes,
commas, other scripts. `textcnn classify` answers it by several processes, and every row of the output is held against
its input.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.process_memory import watched_run

COMMAND = "python -m tools.robustness.faults.rows"
AWKWARD = ("", "  ", "NA", 'he said "no"', "one,two", "first\nsecond", "漢字 とかな")
AWKWARD += ("עברית", "a\tb", "😀 good", "so" * 99)


def texts(count: int) -> Iterator[str]:
    """Every eleventh one awkward, the rest short sentences."""
    for n in range(count):
        awkward = n % 11 == 0
        yield AWKWARD[n // 11 % len(AWKWARD)] if awkward else f"a {'good' if n % 3 else 'bad'} film number {n % 5003}"


def write_rows(path: Path, count: int) -> None:
    """A CSV file of numbers and texts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["number", "text"])
        writer.writerows(enumerate(texts(count)))


def compare(path: Path, count: int) -> dict[str, int]:
    """Rows of the output by what has become of them."""
    found = {"rows_out": 0, "equal": 0, "labelled": 0}
    expected = enumerate(texts(count))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            number, text = next(expected, (-1, ""))
            found["rows_out"] += 1
            found["equal"] += row["number"] == str(number) and row["text"] == text
            found["labelled"] += row["label"] in ("pos", "neg")
    return found


def to_markdown(document: Mapping[str, Any]) -> str:
    """The counts in a sentence."""
    return (
        f"{document['rows_in']:,} rows in, {document['rows_out']:,} rows out; {document['equal']:,} of them with their "
        f"own number and text, in order, {document['labelled']:,} with a label. {document['workers']} workers, "
        f"{document['seconds']:,.0f} s; at most {document['peak_mb']:,.0f} MB of memory for a file of "
        f"{document['megabytes_in']:,.0f} MB, by quarter of the time "
        f"{', '.join(f'{size:,.0f}' for size in document['peak_mb_by_quarter'])}; made by `{document['command']}`.\n"
    )


def main() -> int:
    """Make, classify, compare; 1 if a row is not there or not itself."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON file; a sentence is written beside it")
    options = parser.parse_args()
    program = [sys.executable, "-m", "textcnn_cli"]
    with tempfile.TemporaryDirectory(prefix="rows-") as name:
        folder = Path(name)
        lines = [f"a {'good' if n % 2 else 'bad'} film {n % 97},{'pos' if n % 2 else 'neg'}" for n in range(400)]
        (folder / "train.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
        subprocess.run(
            [*program, "-q", "train", folder / "train.csv", "-o", folder / "model", "--epochs", "2"], check=True
        )
        write_rows(folder / "in.csv", options.rows)
        size = (folder / "in.csv").stat().st_size
        files = ["--input", folder / "in.csv", "--output", folder / "out.csv", "--workers", str(options.workers)]
        watched = watched_run([*program, "classify", str(folder / "model"), *map(str, files)])
        found = compare(folder / "out.csv", options.rows)
    document = {
        "benchmark": "rows",
        "command": COMMAND,
        "python": platform.python_version(),
        "workers": options.workers,
        "megabytes_in": round(size / 1e6, 1),
        **watched,
        "rows_in": options.rows,
        **found,
    }
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")
    print(to_markdown(document), end="")
    return int(not found["rows_out"] == found["equal"] == found["labelled"] == options.rows)


if __name__ == "__main__":
    sys.exit(main())
