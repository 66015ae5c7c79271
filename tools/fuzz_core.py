"""Fuzz the core in C with libFuzzer, on code that watches memory and undefined behaviour: ``make fuzz-core``.

    python -m tools.fuzz_core --executions 10000000 --output fuzz-core.json

Each target is a file ``tests/core/fuzz_NAME.c``, which draws the arguments of entry points from the bytes that
libFuzzer invents, in memory that is as large as it must be and no larger. An input that ends a target is kept below
``build/fuzz-core`` and is its one finding: a target ends with the first. The exit code is 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from textcnn.core.build import READER

ROOT = Path(__file__).parents[1]
SOURCES, TESTS, PLACE = ROOT / "textcnn" / "core" / "src", ROOT / "tests" / "core", ROOT / "build" / "fuzz-core"


def no_seeds() -> list[bytes]:
    """No input at all, for targets that the fuzzer's own bytes lead everywhere."""
    return []


def seeds_of_tokens() -> list[bytes]:
    """Texts in parts, for what bytes by chance do not come to: normal forms of Unicode."""
    from tools.robustness.fuzzing.seeds import texts_of_words

    return [
        bytes([form, 0x20, *text[first : first + 32]])
        for form, *text in texts_of_words()
        for first in range(0, len(text), 32)
    ]


def seeds_of_tables() -> list[bytes]:
    """Texts with the tables files that answer them."""
    from tools.robustness.fuzzing.seeds import TEXTS, tables_files

    texts = [text.encode() for text in ("good unseen films , a good film", *TEXTS)]
    return [bytes([0x40, len(text)]) + text.ljust(62, b"\0") + file for file in tables_files() for text in texts]


def seeds_of_scan() -> list[bytes]:
    """Delimited text and JSON lines behind bytes that draw their form, as ``draw_form`` reads them."""
    from tools.robustness.fuzzing.seeds import json_lines, tables

    rest = bytes([19, 60, 1, *bytes(7)])  # rows, the cut, that all is there, and a scan from the first byte
    rows = [
        bytes([0, 2, 1, 1, 0, number, quotes, 0]) + rest + file
        for number, delimiter in enumerate(",\t;|")
        for file in tables(delimiter)
        for quotes in (0x10, 0x20, 0x30)
    ]
    return rows + [bytes([1, 1, 0, 1, 0, 0, 0x10, 0]) + rest + file for file in json_lines()]


class Target(NamedTuple):
    """What a target is linked with and begins from.

    Attributes:
        sources: of the core, by name.
        seeds: the inputs to begin with.
        longest: bytes of an input; few make many inputs a second.
    """

    sources: tuple[str, ...]
    seeds: Callable[[], list[bytes]] = no_seeds
    longest: int = 64


LOOKUP = (
    *("chunks.c", "cpu.c", "features.c", "lookup.c", "lookup_windows.c", "numeric.c", "one_text.c", "pool.c"),
    *("shares.c", "type_rows.c", "type_rows_fill.c"),
)
# A parser of files from strangers gets a target of its own here.
TARGETS = {
    "tokens": Target(("tokens.c", "chunks.c"), seeds_of_tokens),
    "features": Target(("chunks.c", "features.c")),
    "lookup": Target(LOOKUP),
    "tables": Target(READER, seeds_of_tables, longest=12288),
    "scan": Target(("scan.c", "scan_json.c"), seeds_of_scan, longest=192),
    "format": Target(("format.c",)),
}
FLAGS = (
    *("-std=c99", "-O2", "-g", "-ffp-contract=off", "-DTC_SET=baseline", "-Wall", "-Wextra", "-Werror"),
    "-Wno-pass-failed",  # loops that are checked are not vectorized
    *("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"),
)
SLOWEST = 300  # seconds of an input: a busy machine may stop a process for half a minute


def build(name: str) -> Path:
    """The program of a target."""
    program = PLACE / name / "program"
    program.parent.mkdir(parents=True, exist_ok=True)
    sources = [TESTS / f"fuzz_{name}.c", *(SOURCES / source for source in TARGETS[name].sources)]
    command = ["clang", *FLAGS, "-iquote", SOURCES, *sources, "-lm", "-lpthread", "-o", program]
    subprocess.run([*map(str, command)], check=True)
    return program


def write_seeds(name: str, corpus: Path) -> None:
    """Write the inputs that a target begins with."""
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed{number}").write_bytes(seed[: TARGETS[name].longest])


def fuzz(name: str, executions: int, seconds: int = 0) -> dict[str, Any]:
    """Run a target so many times, or for so many seconds (0: without a limit); what was reached and what was found."""
    program = build(name)
    place, corpus = program.parent, program.parent / "corpus"
    write_seeds(name, corpus)
    for old in place.glob("found-*"):
        old.unlink()
    words = [f"-runs={executions}", f"-max_total_time={seconds}", f"-max_len={TARGETS[name].longest}"]
    words += [f"-timeout={SLOWEST}", f"-artifact_prefix={place}/found-"]
    words += ["-seed=1", "-reduce_inputs=0", "-print_final_stats=1", "-verbosity=1"]
    # Linux counts the memory of the process that has started this one as its own peak, so that peak says nothing.
    words += ["-rss_limit_mb=0", "-malloc_limit_mb=1024"]
    # Where a block was allocated is found again by running the input; so a small quarantine of freed blocks is enough.
    env = {**os.environ, "ASAN_OPTIONS": "malloc_context_size=0:quarantine_size_mb=4"}
    began = time.perf_counter()
    done = subprocess.run(
        [program, *words, corpus], env=env, capture_output=True, text=True, errors="replace", check=False
    )
    took = time.perf_counter() - began
    said = done.stderr
    (place / "said.txt").write_text(said, encoding="utf-8")
    findings = re.findall(r"^SUMMARY: (.*)$", said, re.MULTILINE)
    if done.returncode and not findings:
        findings = [f"exit status {done.returncode}"]
    count = int((re.findall(r"stat::number_of_executed_units:\s*(\d+)", said) or ["0"])[-1])
    return {
        "target": name,
        "longest": TARGETS[name].longest,
        "executions": count,
        "seconds": round(took, 1),
        "edges": max(map(int, re.findall(r" cov: (\d+) ", said)), default=0),
        "features": max(map(int, re.findall(r" ft: (\d+) ", said)), default=0),
        "findings": findings,
    }


def to_markdown(found: dict[str, Any]) -> str:
    """The results as a page."""
    lines = [
        f"Inputs by `{found['command']}`: {found['compiler']} with libFuzzer, and the sanitizers of addresses and of",
        "undefined behaviour.",
        "",
        "| target | bytes of an input | executions | s | executions a second | edges of the code | findings |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["results"]:
        numbers = (row["longest"], row["executions"], round(row["seconds"]), round(row["executions"] / row["seconds"]))
        cells = [row["target"], *(f"{number:,}" for number in (*numbers, row["edges"]))]
        lines.append(f"| {' | '.join(cells)} | {'; '.join(row['findings']) or 0} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz all targets, side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=10_000_000, help="of each target")
    parser.add_argument("--seconds", type=int, default=0, help="each target ends after them (0: no limit)")
    parser.add_argument("--only", choices=TARGETS, action="append", help="these targets")
    parser.add_argument("--output", type=Path, help="a JSON file; its table is written to the same folder")
    given = parser.parse_args(arguments)
    if not shutil.which("clang"):
        parser.error("expected clang, with its libFuzzer, found none; install it")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: fuzz(name, given.executions, given.seconds), given.only or TARGETS))
    failed = any(row["findings"] for row in results)
    if given.only and given.output and given.output.exists():  # the others stay as they are
        others = {row["target"]: row for row in json.loads(given.output.read_text(encoding="utf-8"))["results"]}
        others |= {row["target"]: row for row in results}
        results = [others[name] for name in TARGETS if name in others]
    version = subprocess.check_output(["clang", "-dumpversion"], text=True).strip()
    found = {
        "benchmark": "fuzz-core",
        "command": "make fuzz-core",
        "compiler": f"clang {version}",
        "results": results,
    }
    if given.output:
        given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        given.output.with_suffix(".md").write_text(to_markdown(found), encoding="utf-8")
    print(to_markdown(found))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
