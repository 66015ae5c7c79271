"""The speed benchmark: the CNN beside recurrent nets of its size, in one run, as one JSON document."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from textcnn.benchmark.contestants import Contestant, Entry, build, describe, enter
from textcnn.benchmark.document import FORMAT_VERSION, KIND, ratio_to_reference
from textcnn.benchmark.epoch import time_epoch
from textcnn.benchmark.machine import describe_machine
from textcnn.benchmark.matching import REFERENCE
from textcnn.benchmark.protocol import MIN_BATCHES, PHASES, SpeedConfig
from textcnn.benchmark.statistics import median_ratio
from textcnn.benchmark.timing import interleave
from textcnn.benchmark.workload import Workload, read_workload, synthetic_workload
from textcnn.config import DataConfig, TrainingConfig
from textcnn.training.learn import prepare
from textcnn.training.progress import Reporter

Cell = dict[str, Any]
_BUSY = 0.3  # cores kept busy by others from which times are disturbed


def run_speed(
    config: SpeedConfig,
    reporter: Reporter,
    *,
    data: Any = None,
    reading: DataConfig | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Time training and inference in every cell, and an epoch if there is data.

    Args:
        config: what to measure.
        reporter: is told of every cell.
        data: labelled texts, as for :func:`textcnn.text.reading.read_examples`; none: made-up texts.
        reading: how they are read.
        command: the command line, for the record.

    Returns:
        JSON values; all times are wall times in the unit their names end in.

    Raises:
        ConfigError: the encoders cannot be matched.
        DataError: the data cannot be read.
    """
    began = time.perf_counter()
    training = TrainingConfig(seed=config.seed, threads=config.threads, device="cpu")
    prepare(training)
    workload = synthetic_workload(config) if data is None else read_workload(data, reading or DataConfig(), config)
    entries = enter(config, len(workload.tokenizer), workload.labels)
    document: dict[str, Any] = {
        "benchmark": KIND,
        "format_version": FORMAT_VERSION,
        "command": command,
        **describe_machine(),
        "protocol": config.to_dict(),
        "data": workload.to_dict(),
        "contestants": describe(entries),
    }
    if (document["other_work"] or 0) > _BUSY:
        reporter.say(
            f"warning: other programs keep {document['other_work']:.1f} cores busy; intervals will be wide and times "
            "long, the more so with several threads"
        )
    cells = []
    places = [(p, length, size) for p in PHASES for size in config.batch_sizes for length in config.lengths]
    for number, (phase, length, batch_size) in enumerate(places, start=1):
        found = _time_cell(phase, length, batch_size, entries, workload, config, training)
        cells += found
        reporter.say(f"{number} of {len(places)}: {_sentence(found)}")
    epoch = None if data is None else time_epoch(entries, workload, config, training, reporter)
    return {**document, "cells": cells, "epoch": epoch, "seconds": round(time.perf_counter() - began, 1)}


def _time_cell(
    phase: str,
    length: int,
    batch_size: int,
    entries: Sequence[Entry],
    workload: Workload,
    config: SpeedConfig,
    training: TrainingConfig,
) -> list[Cell]:
    """Results of all contestants on texts of ``length`` tokens, ``batch_size`` at a time."""
    random = np.random.default_rng([config.seed, length, batch_size])
    drawn = (workload.draw(random, batch_size, length) for _ in range(config.warmup + config.batches))
    contestants = [build(entry, workload, training) for entry in entries]
    items: Iterator[Any] = drawn
    tasks: list[Callable[[Any], Any]] = [contestant.infer for contestant in contestants]
    if phase == "train":  # each on its own batch of the same texts; the making is not timed
        items = ([contestant.batch(texts) for contestant in contestants] for texts in drawn)
        tasks = [partial(_train, contestant, number) for number, contestant in enumerate(contestants)]
    times = interleave(
        tasks, items, warmup=config.warmup, seed=config.seed, at_least=MIN_BATCHES, seconds=config.cell_seconds
    )
    shared = {"phase": phase, "length": length, "batch_size": batch_size, "batches": times.shape[1]}
    return [
        {
            **shared,
            "architecture": entry.name,
            "median_ms": float(np.median(taken)) * 1e3,
            "tokens_per_second": length * batch_size / float(np.median(taken)),
            **ratio_to_reference(entry.name, median_ratio(taken, times[0], config.seed)),
        }
        for entry, taken in zip(entries, times, strict=True)
    ]


def _train(contestant: Contestant, number: int, batches: Sequence[Any]) -> float:
    return contestant.train(batches[number])


def _sentence(cells: list[Cell]) -> str:
    first, *others = cells
    ratios = ", ".join(f"{cell['architecture']} {cell['ratio']:.2f}" for cell in others)
    return (
        f"{first['phase']}, {first['length']} tokens, batch {first['batch_size']}: {REFERENCE} "
        f"{first['median_ms']:.2f} ms; times that: {ratios} ({first['batches']} batches)"
    )
