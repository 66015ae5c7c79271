"""A plan past this machine: prices fitted to runs here, checked on other runs, and what they say of many nodes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.command import main, words_of, write_outputs
from benchmarks.cost_model import CostModel
from benchmarks.scale_runs import (
    Files,
    Lesson,
    bytes_exchanged,
    bytes_of_token,
    cut_texts,
    lesson_work,
    made_in_the_long_run,
    side_by_side,
    time_exchange,
    time_files,
    time_lesson,
)
from textcnn.benchmark.document import command_line, data_name, describe_machine
from textcnn.config import Config
from textcnn.progress import Reporter, Silent
from textcnn.reading.rows import read_examples
from textcnn.runs.prepare import prepare_text
from textcnn.runs.text import run_text
from textcnn.runs.torch_run import fresh_model
from textcnn_cli import options
from textcnn_cli.options import prepare_outputs
from textcnn_cli.train import reporter

SETTINGS = {"preset": "fast"}
FITTED_FILES = (
    *(Files(10, 2_000), Files(10, 2_000, 8), Files(10, 40_000), Files(10, 100, 60), Files(100, 500, 8)),
    *(Files(100, 8_000), Files(100, 1_000, 2), Files(300, 300, 10), Files(300, 4_000), Files(30, 10_000)),
)
CHECKED_FILES = (Files(30, 30_000, 2), Files(200, 5_000, 3), Files(10, 100_000), Files(200, 100, 40), Files(60, 8_000))
FITTED_LESSONS = (
    *(Lesson(20, 2_000, 2, 64), Lesson(20, 8_000, 1, 64), Lesson(20, 8_000, 3, 256), Lesson(100, 1_000, 2, 64)),
    *(Lesson(100, 4_000, 1, 64), Lesson(100, 2_000, 4, 128), Lesson(230, 1_000, 1, 64), Lesson(230, 2_000, 3, 64)),
)
CHECKED_LESSONS = (
    Lesson(50, 6_000, 2, 64),
    Lesson(150, 3_000, 3, 128),
    Lesson(20, 20_000, 2, 64),
    Lesson(230, 12_000, 2, 64),
)
FITTED_BYTES = (4_000, 40_000, 400_000, 1_500_000, 4_000_000)
CHECKED_BYTES = (16_000, 800_000, 2_500_000)
NODES = (1, 10, 100)
TEXTS, TOKENS = 10**9, 10**9
ROWS_OF_FILE = 100_000
TEXT_WORDS = (20, 230)  # a sentence, a review
MODEL_TEXTS = (100, 5_000)  # words and rows of what the model of the files is trained on
LONG_RUN = 4_000_000  # words after which the cache is as it will be


def run_scale(
    data: str, *, folder: Path, bandwidth: float, latency: float, reporter: Reporter, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Time runs, fit prices to some, predict the others, and apply them.

    Args:
        data: labelled texts, long ones: others are cut from them.
        folder: of the model and of files that are classified.
        bandwidth: bytes a second between two nodes, assumed.
        latency: seconds that a message between two nodes takes, assumed.
        reporter: is told what is timed.
        arguments: of the command line, for the document.

    Raises:
        DataError: the data cannot be read.
    """
    examples = read_examples(data)
    examples = examples.subset(np.random.default_rng(0).permutation(len(examples)))  # files may be sorted by label
    folder.mkdir(parents=True, exist_ok=True)
    run = run_text(cut_texts(examples, *MODEL_TEXTS), Config.from_flat({**SETTINGS, "epochs": 1}), Silent())
    model = run.predictor.save(folder / "model")

    def timed(what: str, runs: Sequence[Any], time_one: Any) -> list[Any]:
        found = []
        for one in runs:
            reporter.say(f"{what}: {one}")
            found.append(time_one(one))
        return found

    def train(lesson: Lesson) -> Any:
        return time_lesson(examples, SETTINGS, lesson)

    files = time_files(model, examples, (*FITTED_FILES, *CHECKED_FILES), folder, reporter.say)
    exchanges = time_exchange((*FITTED_BYTES, *CHECKED_BYTES))
    kinds = {
        "classify": (files[: len(FITTED_FILES)], files[len(FITTED_FILES) :]),
        "train": (timed("train", FITTED_LESSONS, train), timed("train", CHECKED_LESSONS, train)),
        "exchange": (exchanges[: len(FITTED_BYTES)], exchanges[len(FITTED_BYTES) :]),
    }
    fitted = {name: _fitted(runs, others) for name, (runs, others) in kinds.items()}
    cores = os.cpu_count() or 1
    assumed = {
        "bandwidth": bandwidth,
        "latency": latency,
        "cores": cores,
        "side_by_side": side_by_side(model, [folder / f"kind-{len(files) - 1}" / "0.jsonl"], folder, cores),
    }
    step, of_token = _step_of(examples), bytes_of_token(model, examples)
    made = {words: made_in_the_long_run(model, examples, words, LONG_RUN // words) for words in TEXT_WORDS}
    return {
        "benchmark": "scale",
        "command": command_line(arguments),
        "machine": describe_machine(),
        "data": data_name(data),
        "settings": dict(SETTINGS),
        "fitted": fitted,
        "assumed": assumed,
        "step": step,
        "bytes_of_token": of_token,
        "made_of_token": [made[words] for words in TEXT_WORDS],
        "plan": {
            "classify": plan_texts(CostModel(fitted["classify"]["prices"]), assumed, of_token, made),
            "train": plan_training(CostModel(fitted["train"]["prices"]), assumed, step),
        },
    }


def _fitted(runs: list[Any], others: list[Any]) -> dict[str, Any]:
    """Prices of some runs, these runs by them, and others that had no part in it."""
    model = CostModel.fit(runs)
    return {"prices": dict(model.prices), "fit": model.check(runs), "checks": model.check(others)}


def _step_of(examples: Any) -> dict[str, Any]:
    """A step on whole texts: what it works on, and the bytes a rank sends."""
    config = Config.from_flat({**SETTINGS, "epochs": 1})
    prepared = prepare_text(examples, config, Silent())
    work = lesson_work(prepared)
    model = fresh_model(prepared.config.model, prepared.inputs, prepared.labels, config.training.seed)
    steps = work["steps"]
    return {
        "batch_size": prepared.config.training.batch_size,
        "work": {kind: amount / steps for kind, amount in work.items() if kind.endswith("of steps")},
        "bytes": bytes_exchanged(prepared, model),
    }


def plan_texts(
    prices: CostModel, assumed: Mapping[str, float], token_bytes: float, made: Mapping[int, float]
) -> list[dict[str, Any]]:
    """Hours to classify :data:`TEXTS` texts, a process for each core, whole files dealt out."""
    rows = []
    for words in TEXT_WORDS:
        tokens = ROWS_OF_FILE * words
        file = {"files": 1, "rows": ROWS_OF_FILE, "tokens": tokens, "rows of words made": tokens * made[words]}
        files = math.ceil(TEXTS / ROWS_OF_FILE)
        for nodes in NODES:
            processes = nodes * assumed["cores"]
            turns = math.ceil(files / processes)  # files of the process that has most
            read = turns * assumed["cores"] * ROWS_OF_FILE * words * token_bytes / assumed["bandwidth"]
            work = assumed["side_by_side"] * turns * prices.seconds(file)
            seconds = prices.prices["start"] + work + read
            rows.append(
                {
                    "words": words,
                    "nodes": nodes,
                    "hours": seconds / 3600,
                    "reading": read / seconds,
                    "efficiency": 0.0,
                    "input_bytes_per_second": TEXTS * words * token_bytes / seconds,
                }
            )
    return _with_efficiency(rows, "words")


def plan_training(prices: CostModel, assumed: Mapping[str, float], step: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hours to train on :data:`TOKENS` tokens, a rank a core: batches that stay as large on each rank, or in all."""
    rows = []
    for growing in (True, False):
        for nodes in NODES:
            ranks = nodes * int(assumed["cores"])
            share = 1.0 if growing else 1.0 / ranks  # of a usual batch, on a rank
            work = {kind: amount * share for kind, amount in step["work"].items()}
            computing = prices.seconds({"steps": 1, **work})
            exchange = exchange_seconds(step["bytes"], share, ranks, nodes, assumed)
            steps = TOKENS / (step["work"]["tokens of steps"] * share * ranks)
            preparing = prices.prices["tokens"] * TOKENS / ranks
            seconds = prices.prices["start"] + preparing + steps * (computing + exchange)
            rows.append(
                {
                    "batch": "grows" if growing else "stays",
                    "nodes": nodes,
                    "hours": seconds / 3600,
                    "step_milliseconds": 1000 * (computing + exchange),
                    "exchange": exchange / (computing + exchange),
                    "efficiency": 0.0,
                }
            )
    return _with_efficiency(rows, "batch")


def exchange_seconds(
    sent: Mapping[str, float], share: float, ranks: int, nodes: int, assumed: Mapping[str, float]
) -> float:
    """Seconds of one step's exchange: a ring for dense gradients, and every other rank's rows to each.

    Within a node, memory is taken to be as fast as the network; the ranks of a node share its line.
    """
    if ranks == 1:
        return 0.0
    lines = assumed["bandwidth"] / (ranks / nodes)
    dense = 2 * (ranks - 1) / ranks * sent["dense"]
    rows = (ranks - 1) * (sent["rows"] + sent["wide"]) * share
    return (dense + rows) / lines + 2 * (ranks - 1) * assumed["latency"]


def _with_efficiency(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """How much of what so many nodes could do they do, compared with the first row of its kind."""
    first = {row[kind]: row for row in reversed(rows)}
    return [
        {**row, "efficiency": first[row[kind]]["hours"] * first[row[kind]]["nodes"] / (row["hours"] * row["nodes"])}
        for row in rows
    ]


def scale(
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled texts, long ones: others are cut from them")],
    folder: Annotated[Path, typer.Option(help="folder of the model and of files that are classified")] = Path("scale"),
    bandwidth: Annotated[float, typer.Option(metavar="GB/S", help="assumed between two nodes")] = 1.25,
    latency: Annotated[float, typer.Option(metavar="US", help="assumed of a message between two nodes")] = 50.0,
    output: Annotated[Path | None, typer.Option(help="write the JSON document to this file")] = None,
    table: Annotated[Path | None, typer.Option(help="write the tables to this Markdown file")] = None,
    json: options.Json = False,
) -> None:
    """Fit what files, rows, tokens and steps cost, check it on other runs, and plan for 1, 10 and 100 nodes."""
    from benchmarks.scale_table import to_markdown

    prepare_outputs(output, None, table)
    document = run_scale(
        data,
        folder=folder,
        bandwidth=bandwidth * 1e9,
        latency=latency / 1e6,
        reporter=reporter(),
        arguments=words_of("scale"),
    )
    write_outputs(document, to_markdown, output, table, json)


if __name__ == "__main__":
    main(scale)
