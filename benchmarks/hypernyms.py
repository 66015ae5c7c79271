"""Very many labels: hypernyms of WordNet's noun glosses, against fastText (hierarchical softmax) and centroids.

The rows are made here, from a file of the Debian package ``wordnet-base``: the definition of each noun, and its
first hypernym as the label. A tenth of the rows is held out by a seed, stratified; labels of one row stay in training.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import Output, Table, main, words_of, write_outputs
from benchmarks.editions import ROOT, checkout
from benchmarks.fasttext_runs import Fasttext
from benchmarks.process_memory import watched_run
from textcnn.benchmark.document import command_line, describe_machine
from textcnn.errors import DataError
from textcnn.splitting import write_csv
from textcnn.training.sampler import stratified_split
from textcnn_cli import options

WORDNET = "/usr/share/wordnet"
# Labels of at least so many glosses, and the most frequent labels alone: to measure classification with 10,000.
SETS: Mapping[str, tuple[int, int | None]] = {"at least 3 glosses": (3, None), "all": (1, None), "10,000": (1, 10_000)}
SHARE, SEED = 0.1, 0
FASTTEXT = {"loss": "hs", "dim": 100, "epoch": 10, "wordNgrams": 2, "lr": 0.5, "minn": 0, "maxn": 0}
COPIES = 8  # of the test rows in the file that is timed
TOP = 5

Rows = list[tuple[str, str]]


def glosses(folder: Path) -> Rows:
    """Return the definition and the hypernym of every noun of WordNet (wndb(5wn)) that has one.

    A hypernym is named by the first word of its set and the set's number, since sets share words.

    Raises:
        DataError: the file is not there.
    """
    path = folder / "data.noun"
    if not path.is_file():
        raise DataError(f"expected WordNet's {path}, found none; run: apt install wordnet-base")
    names, found = {}, []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        num_words = int(fields[3], 16)
        names[fields[0]] = fields[4]
        pointers = fields[5 + 2 * num_words :]
        hypernyms = [pointers[at + 1] for at in range(0, len(pointers) - 3, 4) if pointers[at] == "@"]
        if hypernyms:
            found.append((gloss.strip().split('; "')[0], hypernyms[0]))
    return [(text, f"{names[number]}.{number}") for text, number in found]


def write_set(rows: Rows, folder: Path, least: int, most: int | None) -> dict[str, Any]:
    """Write ``train.csv`` and ``test.csv`` of the ``most`` frequent labels with ``least`` rows; return their sizes."""
    counts = Counter(label for _, label in rows)
    kept = {
        label for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most] if count >= least
    }
    own = [row for row in rows if row[1] in kept]
    train, test = stratified_split([(label,) for _, label in own], SHARE, seed=SEED)
    folder.mkdir(parents=True, exist_ok=True)
    for name, numbers in (("train", train), ("test", test)):
        write_csv(folder / f"{name}.csv", ("text", "label"), [own[row] for row in numbers.tolist()])
    return {"labels": len(kept), "train": len(train), "test": len(test)}


def run_ours(folder: Path) -> dict[str, Any]:
    """Train the default model as a process, and classify the test rows: accuracy, seconds, memory and rows a second."""
    environment = checkout().environment
    command = [sys.executable, "-m", "textcnn_cli", "--quiet"]
    trained = watched_run([*command, "train", str(folder / "train.csv"), "-o", str(folder / "model")], environment)
    answers, large = folder / "answers.jsonl", folder / "large.csv"
    rows = read_rows(folder / "test.csv")
    write_csv(large, ("text", "label"), rows * COPIES)
    alone = {**environment, "TEXTCNN_THREADS": "1"}
    seconds = []
    for source in (folder / "test.csv", large):
        told = [*command, "classify", str(folder / "model"), "--input", str(source), "--output", str(answers)]
        before = processor_seconds()
        watched_run([*told, "--top-k", str(TOP)], alone)
        seconds.append(processor_seconds() - before)
    with answers.open(encoding="utf-8") as file:
        given = [[entry["label"] for entry in json.loads(line)["top"]] for line, _ in zip(file, rows, strict=False)]
    timing = json.loads((folder / "model" / "timing.json").read_text(encoding="utf-8"))
    return {
        **accuracies(given, rows),
        "seconds": trained["seconds"],
        "train_seconds": timing["train_seconds"],
        "peak_mb": trained["peak_mb"],
        # Of the processor, and of the rows after the first copy: starting and loading are in both runs.
        "rows_per_second": len(rows) * (COPIES - 1) / max(seconds[1] - seconds[0], 1e-9),
    }


def processor_seconds() -> float:
    """Return the processor time of all processes that this one has run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_fasttext(folder: Path, place: Path) -> dict[str, Any]:
    """Train fastText with :data:`FASTTEXT`, and answer the test rows."""
    peer = Fasttext(folder / "train.csv", place)
    found = peer.train(**FASTTEXT)
    return {**peer.accuracies(folder / "test.csv", TOP), "seconds": found["whole"], "train_seconds": found["seconds"]}


def run_centroids(folder: Path) -> dict[str, Any]:
    """Answer the test rows by the nearest centroid of TF-IDF vectors of words (scikit-learn)."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    began = time.perf_counter()
    train, test = (read_rows(folder / f"{name}.csv") for name in ("train", "test"))
    names, labels = np.unique([label for _, label in train], return_inverse=True)
    vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")
    matrix = vectors.fit_transform([text for text, _ in train])
    owners = sparse.csr_matrix((np.ones(len(labels)), (labels, np.arange(len(labels)))), (len(names), len(labels)))
    centroids, seconds = normalize(owners @ matrix).T.tocsr(), time.perf_counter() - began
    asked = vectors.transform([text for text, _ in test])
    given = []
    for start in range(0, len(test), 500):
        scores = (asked[start : start + 500] @ centroids).toarray()
        given += [[str(names[place]) for place in row] for row in np.argsort(-scores, axis=1, kind="stable")[:, :TOP]]
    return {**accuracies(given, test), "seconds": seconds, "train_seconds": seconds}


def read_rows(path: Path) -> Rows:
    """Return text and label of each row."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def accuracies(given: Sequence[Sequence[str]], rows: Rows) -> dict[str, float]:
    """Return the shares of rows whose label is the first of the answers, and one of them."""
    pairs = list(zip(given, rows, strict=True))
    found = {
        1: [answers[0] == label for answers, (_, label) in pairs],
        TOP: [label in answers for answers, (_, label) in pairs],
    }
    return {f"accuracy_{count}": float(np.mean(hits)) for count, hits in found.items()}


RUNS = {"ours": "textcnn", "fasttext": "fastText, hierarchical softmax", "centroids": "nearest centroid"}


def to_markdown(document: Mapping[str, Any]) -> str:
    """Return the table: accuracy, time and memory of every contestant on every set."""
    lines = [
        "| labels | rows: training | test | | accuracy@1, % | @5, % | training, s | whole process, s | memory, MB | "
        "rows a second of the processor, top 5 |",
        "| ---: | ---: | ---: | --- |" + " ---: |" * 6,
    ]
    for found in document["sets"]:
        size = found["rows"]
        for key, name in RUNS.items():
            if (run := found.get(key)) is None:
                continue
            numbers = [f"{100 * run[name]:.1f}" for name in ("accuracy_1", f"accuracy_{TOP}")]
            times = [f"{run[name]:.1f}" for name in ("train_seconds", "seconds")]
            own = [f"{run['peak_mb']:,.0f}", f"{run['rows_per_second']:,.0f}"] if key == "ours" else ["", ""]
            cells = [f"{size['labels']:,}", f"{size['train']:,}", f"{size['test']:,}", name, *numbers, *times, *own]
            lines.append(f"| {' | '.join(cells)} |")
    cpus = document["machine"].get("cpus", "the")
    return (
        "# Very many labels\n\nHypernyms of the glosses of WordNet's nouns (Debian's `wordnet-base`), a tenth of the "
        "rows held out. textcnn: the default, calibration included; fastText: dim 100, 10 epochs, pairs of words, "
        f"rate {FASTTEXT['lr']}. Memory is anonymous memory at its peak. Whole processes on {cpus} cores.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def hypernyms(
    wordnet: Annotated[Path, typer.Argument(metavar="FOLDER", help="holds data.noun of WordNet")] = Path(WORDNET),
    output: Output = None,
    table: Table = None,
    json: options.Json = False,
) -> None:
    """Measure training and answers with 7,049, 16,470 and 10,000 labels, against fastText and nearest centroids.

    Example: python -m benchmarks.hypernyms --output hypernyms.json
    """
    rows = glosses(wordnet)
    sets: list[dict[str, Any]] = []
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hypernyms-", dir=ROOT / "build") as scratch:
        for name, (least, most) in SETS.items():
            folder = Path(scratch) / str(len(sets))
            found: dict[str, Any] = {
                "set": name,
                "rows": write_set(rows, folder, least, most),
                "ours": run_ours(folder),
            }
            if most is None:
                found |= {"fasttext": run_fasttext(folder, folder), "centroids": run_centroids(folder)}
            sets.append(found)
    document = {
        "benchmark": "hypernyms",
        "machine": {**describe_machine(), "cpus": len(os.sched_getaffinity(0))},
        "command": command_line(words_of("hypernyms")),
        "fasttext": FASTTEXT,
        "sets": sets,
    }
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(hypernyms)
