"""Running a benchmark of parts: one JSON document, in which a part that is measured again replaces its entry.

Every figure is of whole processes on two cores, and the figures of a ratio are taken in turn. All other entries stay,
each with its commit, date and machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.editions import ROOT, checkout, first_edition
from benchmarks.train_parts import Plan
from benchmarks.train_result import Part, to_markdown
from textcnn.benchmark.document import describe_machine, write_document
from textcnn.core import backend_info
from textcnn.errors import ConfigError, DataError, TextCNNError

FORMAT_VERSION = 1
CORES = 2
QUIET = 0.5  # other threads that may run in the mean on a machine that counts as quiet


@dataclass(frozen=True)
class Benchmark:
    """What there is to measure.

    Attributes:
        kind: by which its documents are known, and the name of its module.
        description: of its command line.
        parts: by letters, what each is about, and what measures it.
    """

    kind: str
    description: str
    parts: Mapping[str, tuple[str, Callable[[Plan], Part]]]


def measure(benchmark: Benchmark, key: str, plan: Plan) -> dict[str, Any]:
    """The entry of a part in the document: its rows, everything measured, and where and when."""
    title, run = benchmark.parts[key]
    machine = {**describe_machine(), "instruction_set": backend_info().instruction_set or None}
    part: Part = run(plan)
    return {
        "title": title,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine,
        "repetitions": plan.repetitions,
        "quick": plan.quick,
        "rows": [row.to_dict() for row in part.rows],
        "measured": dict(part.measured),
    }


def read_document(benchmark: Benchmark, path: Path | None) -> dict[str, Any]:
    """The document of earlier measurements; an empty one if there is none.

    Raises:
        DataError: the file holds something else.
    """
    kind = benchmark.kind
    empty = {"benchmark": kind, "format_version": FORMAT_VERSION, "parts": {}}
    if path is None or not path.exists():
        return empty
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = document["benchmark"], document["format_version"]
        document["parts"].items()
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        written = f"what `python -m benchmarks.{kind} --output` writes"
        raise DataError(f"expected {written}: {err!r}", path=path.name) from err
    if found != (kind, FORMAT_VERSION):
        raise DataError(f"expected benchmark {kind!r} of format {FORMAT_VERSION}, found {found!r}", path=path.name)
    return dict(document)


def run(
    benchmark: Benchmark, keys: list[str], plan: Plan, output: Path | None = None, table: Path | None = None
) -> dict[str, Any]:
    """Measure parts one by one, and write the document and its table after each.

    Raises:
        DataError: ``output`` holds something else.
        ConfigError: something that a part needs is not there.
    """
    document = read_document(benchmark, output)
    for key in keys:
        say(f"{key}: {benchmark.parts[key][0]}")
        entry = measure(benchmark, key, plan)
        if (other := entry["machine"]["other_work"] or 0) > QUIET:
            say(f"warning: {other} threads of other programs were running; measure again on a quiet machine")
        document["parts"] = dict(sorted({**document["parts"], key: entry}.items()))
        if output is not None:
            write_document(document, output)
        if table is not None:
            table.write_text(to_markdown(document), encoding="utf-8")
    return document


def say(message: str) -> None:
    """Tell of progress on standard error."""
    print(message, file=sys.stderr, flush=True)


def parts(benchmark: Benchmark, given: str) -> list[str]:
    """Letters of parts, separated by commas.

    Raises:
        ConfigError: a letter that no part has.
    """
    keys = [key.strip() for key in given.split(",") if key.strip()]
    if unknown := [key for key in keys if key not in benchmark.parts]:
        raise ConfigError(f"--only must name some of {', '.join(benchmark.parts)}, got {', '.join(unknown)}")
    return keys


def parser(benchmark: Benchmark) -> argparse.ArgumentParser:
    """The options of the command line."""
    listed = "; ".join(f"{key}: {title}" for key, (title, _) in benchmark.parts.items())
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark.kind}", description=benchmark.description)
    made.add_argument("--only", default=",".join(benchmark.parts), metavar="P,P,...", help=listed)
    made.add_argument("--repetitions", type=int, default=3, help="timed runs of each contestant")
    made.add_argument("--quick", action="store_true", help="TREC in the place of every set, one repetition")
    made.add_argument("--output", type=Path, help="the JSON document; parts measured before stay in it")
    made.add_argument("--table", type=Path, help="the same for readers, in Markdown")
    return made


def main(benchmark: Benchmark) -> None:
    """Measure what the command line asks for."""
    given = parser(benchmark).parse_args()
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)  # for all processes that are started from here
    try:
        if "TEXTCNN_DATA" not in os.environ:
            raise ConfigError("set TEXTCNN_DATA to the folder of the real data sets")
        keys, scratch = parts(benchmark, given.only), ROOT / "build"
        scratch.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"bench-{benchmark.kind}-", dir=scratch) as folder:
            plan = Plan(Path(os.environ["TEXTCNN_DATA"]).resolve(), Path(folder), checkout(), first_edition)
            if given.quick:
                plan = dataclasses.replace(plan, quick=True, repetitions=1)
            else:
                plan = dataclasses.replace(plan, repetitions=given.repetitions)
            print(to_markdown(run(benchmark, keys, plan, given.output, given.table)), end="")
    except TextCNNError as err:
        sys.exit(f"error: {err}")
