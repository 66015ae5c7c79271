"""Fuzz the core in C with libFuzzer, on code that watches memory and undefined behaviour: ``make fuzz-core``.

    python tools/fuzz_core.py --executions 10000000 --output fuzz-core.json

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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCES, TESTS, PLACE = ROOT / "textcnn" / "core" / "src", ROOT / "tests" / "core", ROOT / "build" / "fuzz-core"

# Sources that each target is linked with. A parser of files from strangers gets a target of its own here.
TARGETS = {
    "tokens": ("tokens.c", "chunks.c"),
    "features": ("chunks.c", "features.c"),
    "lookup": (
        *(
            "chunks.c",
            "cpu.c",
            "features.c",
            "lookup.c",
            "lookup_windows.c",
            "numeric.c",
            "one_text.c",
            "pool.c",
            "shares.c",
        ),
        *("type_rows.c", "type_rows_fill.c"),
    ),
}
FLAGS = (
    *("-std=c99", "-O2", "-g", "-ffp-contract=off", "-DTC_SET=baseline", "-Wall", "-Wextra", "-Werror"),
    "-Wno-pass-failed",  # loops that are checked are not vectorized
    *("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"),
)
LONGEST = 64  # bytes of an input: enough for a few texts, and many inputs a second
SLOWEST = 300  # seconds of an input: a busy machine may stop a process for half a minute


def build(name: str) -> Path:
    """The program of a target."""
    program = PLACE / name / "program"
    program.parent.mkdir(parents=True, exist_ok=True)
    sources = [TESTS / f"fuzz_{name}.c", *(SOURCES / source for source in TARGETS[name])]
    command = ["clang", *FLAGS, "-iquote", SOURCES, *sources, "-lm", "-lpthread", "-o", program]
    subprocess.run([*map(str, command)], check=True)
    return program


def write_seeds(name: str, corpus: Path) -> None:
    """Inputs to begin with, for what bytes by chance do not come to: normal forms of Unicode."""
    shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True)
    if name == "tokens":
        from fuzzing.seeds import texts_of_words

        for number, (form, *text) in enumerate(texts_of_words()):
            for first in range(0, len(text), LONGEST // 2):
                part = bytes([form, 0x20, *text[first : first + LONGEST // 2]])
                (corpus / f"seed{number}-{first}").write_bytes(part)


def fuzz(name: str, executions: int) -> dict[str, Any]:
    """Run a target so many times; what was reached and what was found."""
    program = build(name)
    place, corpus = program.parent, program.parent / "corpus"
    write_seeds(name, corpus)
    for old in place.glob("found-*"):
        old.unlink()
    words = [f"-runs={executions}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-artifact_prefix={place}/found-"]
    words += ["-seed=1", "-reduce_inputs=0", "-print_final_stats=1", "-verbosity=1"]
    # Linux counts the memory of the process that has started this one as its own peak, so that peak says nothing.
    words += ["-rss_limit_mb=0", "-malloc_limit_mb=1024"]
    # Where a block was allocated is found again by running the input; so a small quarantine of freed blocks is enough.
    env = {**os.environ, "ASAN_OPTIONS": "malloc_context_size=0:quarantine_size_mb=4"}
    began = time.perf_counter()
    done = subprocess.run(
        [program, *words, corpus], env=env, capture_output=True, text=True, errors="replace", check=False
    )
    seconds = time.perf_counter() - began
    said = done.stderr
    (place / "said.txt").write_text(said, encoding="utf-8")
    findings = re.findall(r"^SUMMARY: (.*)$", said, re.MULTILINE)
    if done.returncode and not findings:
        findings = [f"exit status {done.returncode}"]
    count = int((re.findall(r"stat::number_of_executed_units:\s*(\d+)", said) or ["0"])[-1])
    return {
        "target": name,
        "executions": count,
        "seconds": round(seconds, 1),
        "edges": max(map(int, re.findall(r" cov: (\d+) ", said)), default=0),
        "features": max(map(int, re.findall(r" ft: (\d+) ", said)), default=0),
        "findings": findings,
    }


def to_markdown(found: dict[str, Any]) -> str:
    """The results as a page."""
    lines = [
        f"Inputs of at most {found['longest']} bytes, by `{found['command']}`: {found['compiler']} with libFuzzer,",
        "and the sanitizers of addresses and of undefined behaviour.",
        "",
        "| target | executions | s | executions a second | edges of the code | findings |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["results"]:
        rate = row["executions"] / row["seconds"]
        lines.append(
            f"| {row['target']} | {row['executions']:,} | {row['seconds']:,.0f} | {rate:,.0f} | {row['edges']:,} | "
            f"{'; '.join(row['findings']) or 0} |"
        )
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz all targets, side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executions", type=int, default=10_000_000, help="of each target")
    parser.add_argument("--only", choices=TARGETS, action="append", help="these targets")
    parser.add_argument("--output", type=Path, help="a JSON file; its table is written to the same folder")
    given = parser.parse_args(arguments)
    if not shutil.which("clang"):
        parser.error("expected clang, with its libFuzzer, found none; install it")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda name: fuzz(name, given.executions), given.only or TARGETS))
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
        "longest": LONGEST,
        "results": results,
    }
    if given.output:
        given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        given.output.with_suffix(".md").write_text(to_markdown(found), encoding="utf-8")
    print(to_markdown(found))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
