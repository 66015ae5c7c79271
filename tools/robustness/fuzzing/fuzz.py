"""Fuzz every reader with coverage to guide it: ``python -m tools.robustness.fuzzing.fuzz``.

Each reader has a process of its own, with a limit of memory and of seconds an input. An exception that is not ours is
noted by its place and fuzzing goes on; an input that hangs, fills the memory or ends the process is noted, and the
process starts again. The exit code is 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Any

COMMAND = "python -m tools.robustness.fuzzing.fuzz"
MEGABYTES = 2_048  # of a process, libraries and coverage included
SLOWEST = 20  # seconds of an input
LONGEST = 65_536  # bytes of an input


def instrumented() -> Any:
    """The readers, made to tell where they have been."""
    import atheris

    with atheris.instrument_imports(include=["textcnn"]):
        from tools.robustness.fuzzing import targets
    return targets


def fuzz_in_this_process(name: str, work: Path, seconds: int) -> None:
    """Read changed files until the time is over; atheris ends the process."""
    import atheris

    from tools.robustness.fuzzing import mutations, targets

    target, place, seen = targets.TARGETS[name], work / "files", set()
    place.mkdir(exist_ok=True)

    def once(content: bytes) -> None:
        try:
            target.read(content, place)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as err:  # the ends of Rust code are no Exception
            where = _where(err)
            if where not in seen:
                seen.add(where)
                _note(work, where, content)

    def mutate(content: bytes, longest: int, seed: int) -> bytes:
        if seed % 2:
            return bytes(atheris.Mutate(content, longest))
        return mutations.mutated(content, target.kind, random.Random(seed))[:longest]

    corpus = work / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(target.seeds()):
        (corpus / f"seed{number}").write_bytes(content)
    limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEGABYTES}", f"-timeout={SLOWEST}", f"-max_len={LONGEST}"]
    how = ["-print_final_stats=1", "-len_control=0", f"-artifact_prefix={work}/ended-", "-seed=1"]
    atheris.Setup([sys.argv[0], *limits, *how, str(corpus)], once, custom_mutator=mutate)
    atheris.Fuzz()


def _where(err: BaseException) -> str:
    """The kind of an exception, and the last place in the library that it went through."""
    ours = [frame for frame in traceback.extract_tb(err.__traceback__) if "/textcnn/" in frame.filename]
    frame = ours[-1] if ours else traceback.extract_tb(err.__traceback__)[-1]
    return f"{type(err).__name__} in {Path(frame.filename).name}, {frame.name}, line {frame.lineno}"


def _note(work: Path, where: str, content: bytes) -> None:
    number = len(list(work.glob("found-*")))
    (work / f"found-{number}").write_bytes(content)
    with (work / "findings.txt").open("a") as file:
        file.write(where + "\n")


def _child(name: str, work: Path, seconds: int) -> tuple[int, str]:
    """Fuzz in a fork of this process, which has all libraries; its exit code and what it said."""
    said = work / "said.txt"
    child = os.fork()
    if not child:
        with said.open("wb") as file:
            os.dup2(file.fileno(), 2)
        try:
            fuzz_in_this_process(name, work, seconds)  # atheris ends the process
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text("utf-8", "replace")


def fuzz(name: str, seconds: int, keep: Path | None) -> dict[str, Any]:
    """Fuzz one reader; how many inputs, and what was found."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        work = Path(folder) if keep is None else keep / re.sub(r"\W+", "-", name)
        work.mkdir(parents=True, exist_ok=True)
        began, inputs, features, ends = time.perf_counter(), 0, 0, []
        while (left := seconds - (time.perf_counter() - began)) >= 1 and len(ends) < 5:
            code, output = _child(name, work, int(left))
            inputs += int((re.findall(r"stat::number_of_executed_units:\s*(\d+)", output) or ["0"])[-1])
            features = max([features, *map(int, re.findall(r" ft: (\d+) ", output))])
            if code:
                ended = re.findall(r"SUMMARY: libFuzzer: ([\w-]+)", output) or [output[-300:]]
                ends.append(f"the process ended: {ended[-1]}")
        noted = work / "findings.txt"
        found = sorted({*(noted.read_text().splitlines() if noted.exists() else ()), *ends})
        took = time.perf_counter() - began
    return {"reader": name, "inputs": inputs, "seconds": round(took, 1), "features": features, "findings": found}


def to_markdown(document: dict[str, Any]) -> str:
    """The table of the results."""
    results = document["results"]
    lines = [
        f"{document['seconds']} s a reader on one core, by `{document['command']}` with atheris {document['atheris']}.",
        "",
        "| reader | inputs | features of coverage | findings |",
        "| --- | --- | --- | --- |",
        *(f"| {r['reader']} | {r['inputs']:,} | {r['features']:,} | {len(r['findings'])} |" for r in results),
        f"| together | {sum(r['inputs'] for r in results):,} | | {sum(len(r['findings']) for r in results)} |",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Fuzz the readers that are named, or all."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--only", action="append", metavar="READER", help="one reader; repeatable")
    parser.add_argument("--seconds", type=int, default=10, help="for each reader")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave inputs and findings there")
    parser.add_argument("--output", type=Path, help="JSON file of the results, and beside it their table")
    options = parser.parse_args()
    results = []
    readers = instrumented().TARGETS
    for name in options.only or readers:
        with tempfile.TemporaryDirectory() as folder:  # what a first file loads is loaded once, not in every fork
            readers[name].read(readers[name].seeds()[0], Path(folder))
        results.append(fuzz(name, options.seconds, options.keep))
        print(json.dumps(results[-1]), flush=True)
    if options.output is not None:
        tools = {"python": platform.python_version(), "atheris": version("atheris")}
        document = {"benchmark": "fuzz", "command": COMMAND, **tools, "seconds": options.seconds, "results": results}
        options.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")
    return 1 if any(result["findings"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
