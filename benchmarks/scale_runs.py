"""The timed runs behind the plan for many machines: files classified, models trained, numbers exchanged."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.cost_model import Work
from textcnn.config import Config
from textcnn.errors import DataError
from textcnn.prediction.answers import CHUNK, AnswerForm
from textcnn.prediction.streaming import Part, answer_stream
from textcnn.prediction.writing import write_lines
from textcnn.progress import Silent
from textcnn.reading.rows import Examples, open_rows
from textcnn.runs.prepare import Prepared, prepare_text
from textcnn.runs.text import train_prepared
from textcnn.runtime.lookup import LookupModel
from textcnn.training.optimizers import split_parameters
from textcnn.training.sampler import shuffled_batches

REPEATS = 5  # of a run; the median counts
EXCHANGES = 400  # of each size
SAMPLED = 40  # batches that are looked at to know what a step touches


@dataclass(frozen=True)
class Files:
    """Files to classify: so many, of so many rows, of so many words."""

    words: int
    rows: int
    files: int = 1


@dataclass(frozen=True)
class Lesson:
    """Texts to train on: so many, of so many words, in so many epochs of such batches."""

    words: int
    rows: int
    epochs: int
    batch_size: int


def cut_texts(examples: Examples, words: int, rows: int) -> list[tuple[str, str]]:
    """Texts of ``words`` words each and their labels, cut from the given ones from the first on, again if need be.

    Raises:
        DataError: no text has so many words.
    """
    texts: list[tuple[str, str]] = []
    if not any(len(text.split()) >= words for text in examples.texts):
        raise DataError(f"expected texts of {words} words to cut others from, found none")
    while len(texts) < rows:
        for text, labels in zip(examples.texts, examples.labels, strict=True):
            found = text.split()
            for start in range(0, len(found) - words + 1, words):
                texts.append((" ".join(found[start : start + words]), labels[0]))
    return texts[:rows]


# -------------------------------------------------------------------------------------------------- classifying


def time_files(
    model: Path, examples: Examples, kinds: Sequence[Files], folder: Path, tell: Callable[[str], None]
) -> list[tuple[Work, float]]:
    """The work of classifying such files in one thread, and the seconds that it takes, for each kind.

    The kinds take turns, so that a slow moment of the machine is not that of one of them.
    """
    paths = [write_files(examples, files, folder / f"kind-{number}") for number, files in enumerate(kinds)]
    runs: list[list[Classified]] = [[] for _ in kinds]
    for turn in range(REPEATS):
        for number, files in enumerate(kinds):
            tell(f"classify, {turn + 1} of {REPEATS}: {files}")
            runs[number].append(classify_files(model, paths[number], folder))
    found: list[tuple[Work, float]] = []
    for files, taken in zip(kinds, runs, strict=True):
        work = {"start": 1, "files": files.files, "rows": files.rows * files.files}
        work |= {"tokens": taken[0].tokens, "rows of words made": taken[0].made}
        found.append((work, median(run.seconds for run in taken)))
    return found


def write_files(examples: Examples, files: Files, folder: Path) -> list[Path]:
    """Files of JSON lines, of texts cut from the examples."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [text for text, _ in cut_texts(examples, files.words, files.rows * files.files)]
    paths = [folder / f"{number}.jsonl" for number in range(files.files)]
    for number, path in enumerate(paths):
        rows = texts[number * files.rows : (number + 1) * files.rows]
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows), encoding="utf-8")
    return paths


def made_in_the_long_run(model: Path, examples: Examples, words: int, rows: int) -> float:
    """Rows of products made for a token in a second pass over such texts: the cache does not hold all of them."""
    lookup = LookupModel.load(model)
    texts = [text for text, _ in cut_texts(examples, words, rows)]
    counts = []
    for _ in range(2):
        for start in range(0, len(texts), CHUNK):
            lookup.logits(lookup.inputs.encode(texts[start : start + CHUNK]))
        counts.append(lookup.num_rows_made)
    return (counts[1] - counts[0]) / len(lookup.inputs.encode(texts).ids)


def bytes_of_token(model: Path, examples: Examples) -> float:
    """Bytes of a file of JSON lines for each token in it."""
    texts = examples.texts[:1_000]
    lines = sum(len(json.dumps({"text": text}).encode()) + 1 for text in texts)
    return float(lines / len(LookupModel.load(model).inputs.encode(texts).ids))


@dataclass(frozen=True)
class Classified:
    """How it went: seconds, tokens, and rows of products that were made."""

    seconds: float
    tokens: int
    made: int


def classify_files(model: Path, paths: Sequence[Path], folder: Path) -> Classified:
    """Load a model and answer every row of some files, in one thread."""
    began = time.perf_counter()
    lookup, counts = LookupModel.load(model, threads=1), Counter[str]()

    def lines(parts: Iterable[Part]) -> Iterator[str | bytes]:
        for part in parts:
            counts.update(part.counts)
            yield part.lines

    for path in paths:
        rows = open_rows(str(path), labels="ignored")
        parts = answer_stream(rows, lookup, AnswerForm(rows.text_columns), as_lines=True)
        write_lines(lines(parts), str(folder / f"answers-{os.getpid()}.jsonl"))
    return Classified(time.perf_counter() - began, counts["tokens"], lookup.num_rows_made)


def side_by_side(model: Path, paths: Sequence[Path], folder: Path, processes: int) -> float:
    """How much longer a process takes while as many others do the same, one on each core."""
    alone = median(classify_files(model, paths, folder).seconds for _ in range(REPEATS))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        list(pool.map(classify_files, [model] * processes, [paths[:1]] * processes, [folder] * processes))  # compiled
        together = []
        for _ in range(REPEATS):
            jobs = [pool.submit(classify_files, model, paths, folder) for _ in range(processes)]
            together.append(max(job.result().seconds for job in jobs))
    return median(together) / alone


# ----------------------------------------------------------------------------------------------------- training


def time_lesson(examples: Examples, settings: dict[str, Any], lesson: Lesson) -> tuple[Work, float]:
    """The work of training on such texts in one thread, and the seconds that it takes, reading excluded."""
    rows = cut_texts(examples, lesson.words, lesson.rows)
    config = Config.from_flat({**settings, "threads": 1, "epochs": lesson.epochs, "batch_size": lesson.batch_size})
    taken = []
    for _ in range(REPEATS if lesson.rows * lesson.words * lesson.epochs < 10**6 else 1):
        began = time.perf_counter()
        prepared = prepare_text(rows, config, Silent())
        train_prepared(prepared, Silent())
        taken.append(time.perf_counter() - began)
    return lesson_work(prepared), median(taken)


def lesson_work(prepared: Prepared) -> Work:
    """What training on these rows does: once for every token, and in every step."""
    encoded, training = prepared.train.encoded, prepared.config.training
    tokens, epochs = len(encoded.ids), training.epochs or 1
    touched = touched_by_steps(prepared)
    steps = epochs * touched["steps"]
    return {
        "start": 1,
        "tokens": tokens,
        "steps": steps,
        "rows of steps": epochs * len(encoded),
        "tokens of steps": epochs * tokens,
        "types of steps": steps * touched["types"],
    }


def touched_by_steps(prepared: Prepared) -> dict[str, float]:
    """Steps of an epoch, and what one of them touches in the mean: types, rows of n-grams, entries of wide features."""
    inputs, encoded, training = prepared.inputs, prepared.train.encoded, prepared.config.training
    order = shuffled_batches(inputs.sizes(encoded), training.batch_size, seed=training.seed, epoch=0)
    batches = [inputs.batch(encoded, rows) for rows in order[:SAMPLED]]

    def mean(of: Any) -> float:
        return float(np.mean([of(batch) for batch in batches]))

    return {
        "steps": len(order),
        "types": mean(lambda b: len(b.unique)),
        "n-grams": mean(lambda b: 0 if b.bag_rows is None else len(torch.unique(b.bag_rows))),
        "wide": mean(lambda b: 0 if b.wide_rows is None else len(b.wide_rows)),
    }


def bytes_exchanged(prepared: Prepared, model: torch.nn.Module) -> dict[str, float]:
    """Bytes of one rank's gradients in a step: dense ones whole, of tables the touched rows with their numbers."""
    touched, dim = touched_by_steps(prepared), prepared.config.model.dim
    dense = sum(weight.numel() for weight in split_parameters(model)["dense"])
    return {
        "dense": 4.0 * dense,
        "rows": (touched["types"] + touched["n-grams"]) * (4 * dim + 8),
        "wide": touched["wide"] * (4 * len(prepared.labels) + 8),
    }


# ----------------------------------------------------------------------------------------------------- exchange


def time_exchange(sizes: Sequence[int]) -> list[tuple[Work, float]]:
    """Seconds in which two processes of this machine add up vectors of so many bytes (gloo over the loopback)."""
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        jobs = [pool.submit(_exchange, f"file://{folder}/meeting", rank, list(sizes)) for rank in (0, 1)]
        taken, _ = (job.result() for job in jobs)
    return [({"exchanges": 1, "bytes": size}, seconds) for size, seconds in zip(sizes, taken, strict=True)]


def _exchange(meeting: str, rank: int, sizes: Sequence[int]) -> list[float]:
    from torch import distributed

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    try:
        return _all_reduce_times(sizes)
    finally:
        distributed.destroy_process_group()


def _all_reduce_times(sizes: Sequence[int]) -> list[float]:
    """The median for each size. The sizes take turns, so that a moment in which a core is wanted elsewhere is all's."""
    from torch import distributed

    vectors, taken = [torch.zeros(size // 4) for size in sizes], np.zeros((EXCHANGES, len(sizes)))
    for turn in range(-10, EXCHANGES):  # in the first ones they find each other
        for number, vector in enumerate(vectors):
            began = time.perf_counter()
            distributed.all_reduce(vector)
            taken[max(turn, 0), number] = time.perf_counter() - began
    return [float(value) for value in np.median(taken, axis=0)]
