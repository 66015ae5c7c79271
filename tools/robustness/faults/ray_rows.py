"""Classify millions of rows on a Ray cluster that loses a node, and compare the answers with one process's.

    python -m tools.robustness.faults.ray_rows --rows 10000000

The rows of :mod:`tools.robustness.faults.rows` lie in a folder of Parquet files. `textcnn classify` answers each file
in one process, and then all of them on three nodes of this machine, of which one is killed when half of the files are
done. Every row of every file of answers is checked, and the files are compared by their digests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.process_memory import anonymous_bytes, watched_run
from tools.robustness.faults.rows import texts

COMMAND = "python -m tools.robustness.faults.ray_rows"
PROGRAM = [sys.executable, "-m", "textcnn_cli"]
PAUSE = 0.5  # seconds between two looks


def write_files(folder: Path, count: int, files: int) -> None:
    """Parquet files of numbers and texts, of about the same number of rows."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir()
    rows = enumerate(texts(count))
    for number in range(files):
        numbers, own = zip(*islice(rows, count * (number + 1) // files - count * number // files), strict=True)
        parquet.write_table(pa.table({"number": numbers, "text": own}), folder / f"{number:04d}.parquet")


def compare(folder: Path, count: int) -> dict[str, int]:
    """Rows of all files of answers by what has become of them."""
    seen = bytearray(count)
    found = {"rows_out": 0, "equal": 0, "labelled": 0, "duplicates": 0}
    expected = enumerate(texts(count))
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for row in map(json.loads, file):
                found["rows_out"] += 1
                found["duplicates"] += seen[row["number"]]
                seen[row["number"]] = 1
                found["equal"] += (row["number"], row["text"]) == next(expected, None)
                found["labelled"] += row["label"] in ("pos", "neg")
    return {**found, "missing": count - sum(seen)}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of answers, by its name."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def alone(model: Path, inputs: Path, out: Path) -> dict[str, float]:
    """The folder in single processes, one after the other: seconds, and memory at most."""
    out.mkdir()
    watched = [
        watched_run([*PROGRAM, "classify", str(model), "--input", str(p), "--output", str(out / f"{p.name}.jsonl")])
        for p in sorted(inputs.iterdir())
    ]
    return {
        "seconds": round(sum(one["seconds"] for one in watched), 2),
        "peak_mb": max(one["peak_mb"] for one in watched),
    }


def on_a_cluster(model: Path, inputs: Path, out: Path, nodes: int) -> dict[str, Any]:
    """The folder on a cluster of this machine that loses a node: seconds, memory, and when the node was killed."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    node = {"num_cpus": 1, "object_store_memory": 2**27}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    workers = [cluster.add_node(**node) for _ in range(nodes - 1)]
    half, began, peak = len(list(inputs.iterdir())) // 2, time.perf_counter(), 0
    command = [*PROGRAM, "classify", str(model), "--input", str(inputs), "--output", str(out)]
    with subprocess.Popen([*command, "--engine", "ray", "--address", cluster.address], stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        told: list[bytes] = []
        reader = threading.Thread(target=lambda: told.extend(run.stderr or []))
        reader.start()
        killed: dict[str, Any] = {}
        while run.poll() is None:
            done = len(list(out.glob("*.jsonl"))) if out.exists() else 0
            if not killed and done >= half:
                cluster.remove_node(workers[0], allow_graceful=False)
                killed = {"killed_after_files": done, "killed_after_seconds": round(time.perf_counter() - began, 2)}
            peak = max(peak, anonymous_bytes(os.getpid()))
            time.sleep(PAUSE)
        reader.join()
    seconds = time.perf_counter() - began
    cluster.shutdown()
    if run.returncode or not killed:
        raise SystemExit(b"".join(told).decode() or "the run ended before a node was killed; give it more --rows")
    return {"seconds": round(seconds, 2), "peak_mb_of_all": round(peak / 1e6, 1), **killed}


def to_markdown(document: Mapping[str, Any]) -> str:
    """The counts in sentences."""
    ray, single = document["ray"], document["single"]
    return (
        f"{document['rows_in']:,} rows in {document['files']} Parquet files on {document['nodes']} Ray nodes of one "
        f"machine with {document['cores']} cores, one node killed after {ray['killed_after_files']} files: "
        f"{document['rows_out']:,} rows out, {document['duplicates']:,} twice, {document['missing']:,} missing, "
        f"{document['equal']:,} with their own number and text, in order; {document['identical_files']} of "
        f"{document['files']} files identical to those of a single process. {ray['seconds']:,.0f} s "
        f"({ray['rows_per_second']:,.0f} rows/s) on Ray, its start and the loss included; {single['seconds']:,.0f} s "
        f"({single['rows_per_second']:,.0f} rows/s) by single processes one after the other. Memory: "
        f"{ray['peak_mb_of_all']:,.0f} MB of all processes with Ray's own, {single['peak_mb']:,.0f} MB of the single "
        f"one; made by `{document['command']}`.\n"
    )


def main() -> int:
    """Make, classify twice, compare; 1 if a row is not there, not itself or there twice."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file; sentences are written beside it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray-rows-") as name:
        folder = Path(name)
        lines = [f"a {'good' if n % 2 else 'bad'} film {n % 97},{'pos' if n % 2 else 'neg'}" for n in range(400)]
        (folder / "train.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
        train = [*PROGRAM, "-q", "train", folder / "train.csv", "-o", folder / "model", "--epochs", "2"]
        subprocess.run(train, check=True)
        write_files(folder / "in", options.rows, options.files)
        single = alone(folder / "model", folder / "in", folder / "alone")
        ray = on_a_cluster(folder / "model", folder / "in", folder / "out", options.nodes)
        found = compare(folder / "out", options.rows)
        expected, own = digests(folder / "alone"), digests(folder / "out")
    for measured in (single, ray):
        measured["rows_per_second"] = round(options.rows / measured["seconds"])
    document = {
        "benchmark": "ray-rows",
        "command": COMMAND,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "nodes": options.nodes,
        "files": options.files,
        "rows_in": options.rows,
        **found,
        "identical_files": sum(own.get(name) == digest for name, digest in expected.items()),
        "single": single,
        "ray": ray,
    }
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        options.output.with_suffix(".md").write_text(to_markdown(document), encoding="utf-8")
    print(to_markdown(document), end="")
    whole = found["rows_out"] == found["equal"] == found["labelled"] == options.rows
    return int(not (whole and not found["duplicates"] and expected == own))


if __name__ == "__main__":
    sys.exit(main())
