"""Runs the speed benchmark: times all contestants on every batch in turn, so that load hits all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np

from textcnn.benchmark.contestants import (
    Contestant,
    Entry,
    Workload,
    build,
    describe,
    enter,
    read_workload,
    synthetic_workload,
)
from textcnn.benchmark.document import (
    FORMAT_VERSION,
    KIND,
    Floats,
    describe_machine,
    median_ratio,
    ratio_of_sums,
    ratio_to_reference,
)
from textcnn.benchmark.protocol import MIN_BATCHES, PHASES, REFERENCE, SpeedConfig
from textcnn.config import DataConfig, TextConfig, TrainingConfig
from textcnn.progress import Reporter
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.training.fit import prepare
from textcnn.training.sampler import Rows, shuffled_batches

Item = TypeVar("Item")


def interleave(
    tasks: Sequence[Callable[[Item], Any]],
    items: Iterable[Item],
    *,
    warmup: int,
    seed: int,
    at_least: int = 0,
    seconds: float = float("inf"),
) -> Floats:
    """Time every task on every item.

    Args:
        tasks: the functions to time.
        items: the items, which are created between the timed calls.
        warmup: the number of items at the beginning whose times are discarded.
        seed: the seed of the order of the tasks, which is random for each item.
        at_least: the number of timed items before the time limit applies.
        seconds: the time limit, without the warm-up.

    Returns:
        The times in seconds, ``(tasks, N)``, of N timed items.
    """
    random = np.random.default_rng(seed)
    times = []
    deadline = float("inf")
    with _no_garbage_collection():
        for number, item in enumerate(items):
            if number == warmup:
                deadline = time.perf_counter() + seconds
            taken = np.zeros(len(tasks))
            # In random order, so that no task always finds the caches as another one left them.
            for position in random.permutation(len(tasks)):
                began = time.perf_counter()
                tasks[position](item)
                taken[position] = time.perf_counter() - began
            if number >= warmup:
                times.append(taken)
            if len(times) >= at_least and time.perf_counter() > deadline:
                break
    return np.array(times).reshape(-1, len(tasks)).T


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Disable garbage collection, whose cost would hit a contestant other than the one that caused it."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def time_epoch(
    entries: Sequence[Entry], workload: Workload, config: SpeedConfig, training: TrainingConfig, reporter: Reporter
) -> dict[str, Any]:
    """Time a training epoch in seconds and tokens/s, with texts truncated as in normal training.

    Args:
        entries: all contestants, of which the reference and those of ``config.epoch_baselines`` run.
        workload: the texts.
        config: the settings of the benchmark.
        training: the settings of the training loop, such as batch size and word dropout.
        reporter: receives progress messages.
    """
    names = (REFERENCE, *config.epoch_baselines)
    running = [build(entry, workload, training) for entry in entries if entry.name in names]
    inputs = TextPipeline(workload.tokenizer, TextConfig().max_length)
    texts = np.random.default_rng(config.seed).permutation(len(workload.tokens))[: config.epoch_texts]
    sizes = inputs.sizes(workload.tokens)[texts]
    batches = shuffled_batches(sizes, training.batch_size, seed=training.seed, epoch=0)
    order = [texts[rows] for rows in batches]
    times = interleave(
        [contestant.epoch_step(inputs, workload) for contestant in running],
        chain(islice(order, config.warmup), _reported(order, len(running), reporter)),
        warmup=min(config.warmup, len(order)),
        seed=config.seed,
    )
    tokens = int(sizes.sum())
    results = [
        {
            "architecture": contestant.name,
            "seconds": float(taken.sum()),
            "tokens_per_second": tokens / float(taken.sum()),
            **ratio_to_reference(contestant.name, ratio_of_sums(taken, times[0], config.seed)),
        }
        for contestant, taken in zip(running, times, strict=True)
    ]
    return {
        "texts": len(sizes),
        "tokens": tokens,
        "batch_size": training.batch_size,
        "batches": len(order),
        "results": results,
    }


def _reported(order: list[Rows], num_running: int, reporter: Reporter) -> Iterator[Rows]:
    """Yield the batches of the epoch, and report the expected duration after a few of them."""
    began = time.perf_counter()
    for number, rows in enumerate(order):
        if number == 5:
            expected = (time.perf_counter() - began) / number * len(order)
            reporter.say(f"an epoch of {len(order):,} batches for {num_running} contestants: about {expected:.0f} s")
        yield rows


Cell = dict[str, Any]
_BUSY = 0.3  # load of other programs, in cores, from which a warning is given


def run_speed(
    config: SpeedConfig,
    reporter: Reporter,
    *,
    data: Any = None,
    reading: DataConfig | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Time training and inference in every cell, and an epoch if data are given.

    Args:
        config: the settings of the benchmark.
        reporter: receives a message for each cell.
        data: labelled texts, as for :func:`textcnn.reading.rows.read_examples`; none: synthetic texts.
        reading: the options of reading the data.
        command: the command line, for the record.

    Returns:
        JSON values; all times are wall times in the unit that their names end in.

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
    """Return the results of all contestants on batches of ``batch_size`` texts of ``length`` tokens."""
    random = np.random.default_rng([config.seed, length, batch_size])
    drawn = (workload.draw(random, batch_size, length) for _ in range(config.warmup + config.batches))
    contestants = [build(entry, workload, training) for entry in entries]
    items: Iterator[Any] = drawn
    tasks: list[Callable[[Any], Any]] = [contestant.infer for contestant in contestants]
    if phase == "train":  # each has its own batch of the same texts, whose creation is not timed
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
