"""The parts of the benchmark of filtering: documents a minute, ratios to fastText and to lists, kills."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.editions import run
from benchmarks.fasttext_runs import Fasttext
from benchmarks.peers_training import WORDS
from benchmarks.train_parts import Plan
from benchmarks.train_result import Part, Row, spread
from textcnn.benchmark.baselines import interpreter
from textcnn.errors import ConfigError

BYTES, DOCUMENTS, QUICK = 2048, 30_000, 2_000
LEAST = 0.9  # probability of a kept document
SHORT = 1_000_000  # texts of a column
KILLS = 20
SHARDS = 8  # of the corpus whose filter is killed
FASTTEXT = Path(__file__).with_name("fasttext_filter.py")
COLUMN = """
import json, sys, time, pyarrow, textcnn
model, texts = textcnn.load(sys.argv[1]), [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
kind, repetitions, taken = sys.argv[3], int(sys.argv[4]), {"list": [], sys.argv[3]: []}
if kind == "polars":
    import polars
    from textcnn.engines.polars import classify
    frame = polars.DataFrame({"text": texts})
    label = classify(sys.argv[1], "text").struct.field("label")
    def ask(): return frame.select(label)["label"].to_list()
else:
    import duckdb
    from textcnn.engines.duckdb import register
    connection = duckdb.connect()
    connection.sql("set enable_progress_bar = false")  # it draws on the output, where the answer is read
    register(connection, sys.argv[1])
    connection.register("given", pyarrow.table({"text": texts}))
    connection.sql("create table rows as select * from given")
    def ask(): return [row for row, in connection.sql("select classify(text).label from rows").fetchall()]
asked = {"list": lambda: model.predict(texts), kind: ask}
assert ask() == asked["list"]()
for number in range(repetitions):
    for name in list(asked) if number % 2 else reversed(asked):
        began = time.perf_counter()
        asked[name]()
        taken[name].append(time.perf_counter() - began)
print(json.dumps(taken))
"""


def _reviews(plan: Plan) -> list[str]:
    """The reviews of both parts, in mixed order."""
    csv.field_size_limit(2**31 - 1)
    texts = []
    for split in ("train", "test"):
        with gzip.open(plan.rows("imdb", split), "rt", encoding="utf-8", newline="") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    random.Random(0).shuffle(texts)
    return texts


def write_documents(texts: list[str], path: Path, count: int) -> None:
    """Write a Parquet file of documents of :data:`BYTES` bytes: the texts joined by blanks, and cut."""
    joined = " ".join(texts).encode()
    pieces = [joined[start : start + BYTES].decode("utf-8", "ignore") for start in range(0, len(joined), BYTES)]
    documents = list(islice(cycle(pieces[:-1]), count))
    parquet.write_table(pa.table({"id": range(count), "text": documents}), path, row_group_size=5_000)


def filtered(plan: Plan, model: Path, source: Path, out: Path) -> float:
    """Seconds of a whole `textcnn filter` into a new folder."""
    shutil.rmtree(out, ignore_errors=True)
    rule: tuple[str | Path, ...] = ("--output", out, "--keep", "pos", "--min-probability", str(LEAST))
    began = time.perf_counter()
    command = [plan.ours.python, "-m", "textcnn_cli", "-q", "filter", model, source, *rule]
    run(command, plan.ours.environment, plan.folder)
    return time.perf_counter() - began


def fasttext_filtered(plan: Plan, model: Path, source: Path) -> float:
    """Seconds of a whole filter by fastText."""
    began = time.perf_counter()
    names: list[str | Path] = [source, plan.folder / "fasttext.parquet", model, WORDS.pattern, "pos", str(LEAST)]
    run([interpreter(), FASTTEXT, *names], {}, plan.folder)
    return time.perf_counter() - began


def by_default(plan: Plan) -> Part:
    """Documents of 2 KB, Parquet to Parquet, by the default model of IMDB."""
    count, source, model = QUICK if plan.quick else DOCUMENTS, plan.folder / "documents.parquet", plan.folder / "model"
    write_documents(_reviews(plan), source, count)
    peer = Fasttext(plan.rows("imdb"), plan.folder)
    peer.train()
    trained = plan.train("imdb", calibrated=True)
    contestants: dict[str, Callable[[], float]] = {
        "textcnn": partial(filtered, plan, model, source, plan.folder / "out"),
        "fasttext": partial(fasttext_filtered, plan, plan.folder / "fasttext.bin", source),
    }
    for one in contestants.values():
        one()
    found = plan.repeat(contestants)
    ours, theirs = (float(np.median(found[name])) for name in ("textcnn", "fasttext"))
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    branches = {name: config.get(name) for name in ("subwords", "wide", "wide_scale", "character_scale", "temperature")}
    kept = "with" if branches["character_scale"] else "no"
    note = f"{ours:.2f} s for {count:,} documents of {BYTES:,} bytes, {kept} branch of characters"
    rows = [
        Row("documents a minute", 60 * count / ours, 400_000, 600_000, note=note),
        Row("fastText's time / ours", theirs / ours, 1.3, 2.0, note=f"{theirs:.2f} s / {ours:.2f} s"),
    ]
    seconds = {name: spread(values) for name, values in found.items()}
    return Part(rows, {"seconds": seconds, "branches": branches, "training_seconds": trained.seconds})


def columns(plan: Plan) -> Part:
    """Expressions of polars and functions of DuckDB against `predict` on a list, in one process each."""
    count, model, lines = QUICK if plan.quick else SHORT, plan.folder / "trec", plan.folder / "short.jsonl"
    plan.ours.train(plan.rows("trec"), model)
    with gzip.open(plan.rows("trec"), "rt", encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    with lines.open("w", encoding="utf-8") as out:  # none twice
        out.writelines(json.dumps(f"{text} {n}") + "\n" for n, text in enumerate(islice(cycle(texts), count)))
    rows, measured = [], {}
    for kind in ("polars", "duckdb"):
        if importlib.util.find_spec(kind) is None:
            raise ConfigError(f"this part needs {kind}; run: pip install 'textcnn[{kind}]'")
        answer = run(
            [plan.ours.python, "-c", COLUMN, model, lines, kind, str(plan.repetitions)],
            plan.ours.environment,
            plan.folder,
        )
        taken = json.loads(answer)
        listed, asked = (float(np.median(taken[name])) for name in ("list", kind))
        note = f"{listed:.2f} s / {asked:.2f} s for {count:,} texts"
        rows.append(Row(f"{kind}: time of predict on a list / its own", listed / asked, 0.9, 1.0, note=note))
        measured[kind] = {name: spread(values) for name, values in taken.items()}
    return Part(rows, measured)


def killed(plan: Plan) -> Part:
    """A filter killed at random and started again, against one that was not."""
    count, source, model = QUICK if plan.quick else DOCUMENTS, plan.folder / "corpus", plan.folder / "trec"
    plan.ours.train(plan.rows("trec"), model)
    label = json.loads((model / "config.json").read_text(encoding="utf-8"))["labels"][0]
    texts = _reviews(plan)
    source.mkdir()
    for number in range(SHARDS):
        mine = texts[number::SHARDS][: count // SHARDS]
        lines = (json.dumps({"id": f"{number}-{n}", "text": text}) for n, text in enumerate(mine))
        with gzip.open(source / f"{number}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    begun = time.perf_counter()
    whole = _files(_killed(plan, model, label, source, "whole", []))
    seconds, draw = time.perf_counter() - begun, random.Random(0)
    moments = [draw.uniform(0.1, 0.9) * seconds for _ in range(KILLS)]
    begun = time.perf_counter()
    found = _files(_killed(plan, model, label, source, "killed", moments))
    ids = [line["id"] for name in found if name.endswith(".gz") for line in _lines(found[name])]
    expected = {line["id"] for name in whole if name.endswith(".gz") for line in _lines(whole[name])}
    same = sum(found.get(name) == content for name, content in whole.items()) if found.keys() == whole.keys() else 0
    note = f"killed {KILLS} times, {len(expected):,} documents in {SHARDS} shards"
    rows = [
        Row("documents lost", len(expected - set(ids)), 0, less=True, note=note),
        Row("documents written twice", len(ids) - len(set(ids)), 0, less=True, note=note),
        Row("files with other bytes", len(whole) - same, 0, less=True, note=f"of {len(whole)}"),
    ]
    return Part(rows, {"moments": moments, "undisturbed_seconds": seconds, "seconds": time.perf_counter() - begun})


def _killed(plan: Plan, model: Path, label: str, source: Path, name: str, moments: list[float]) -> list[Path]:
    """The folders of a filter that is killed so many seconds after each start, and then left to finish."""
    out, aside = plan.folder / name, plan.folder / f"{name}-dropped"
    rule: list[str | Path] = ["--output", out, "--dropped", aside, "--keep", label, "--keep-share", "0.2"]
    command = [plan.ours.python, "-m", "textcnn_cli", "-q", "filter", model, source, *rule]
    for moment in [*moments, None]:
        process = subprocess.Popen(command, env=dict(plan.ours.environment), stderr=subprocess.DEVNULL)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise ConfigError(f"the filter failed: {' '.join(map(str, command))}")
    return [out, aside]


def _files(folders: list[Path]) -> dict[str, bytes]:
    return {
        f"{number}/{path.relative_to(folder)}": path.read_bytes()
        for number, folder in enumerate(folders)
        for path in folder.rglob("*")
        if path.is_file() and "_textcnn" not in path.parts
    }


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


PARTS: dict[str, tuple[str, Callable[[Plan], Part]]] = {
    "a": ("2 KB documents, Parquet in and out, float32, default of IMDB", by_default),
    "b": ("columns of polars and DuckDB against a list", columns),
    "c": ("killed and started again", killed),
}
