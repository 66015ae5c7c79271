"""A whole epoch of training on real texts, batch by batch in turn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from textcnn.benchmark.contestants import Entry, build
from textcnn.benchmark.document import ratio_to_reference
from textcnn.benchmark.matching import REFERENCE
from textcnn.benchmark.protocol import SpeedConfig
from textcnn.benchmark.statistics import ratio_of_sums
from textcnn.benchmark.timing import interleave
from textcnn.benchmark.workload import Workload
from textcnn.config import TextConfig, TrainingConfig
from textcnn.text.pipeline import TextPipeline
from textcnn.training.order import Rows, shuffled_batches
from textcnn.training.progress import Reporter


def time_epoch(
    entries: Sequence[Entry], workload: Workload, config: SpeedConfig, training: TrainingConfig, reporter: Reporter
) -> dict[str, Any]:
    """Seconds and training tokens/s of an epoch, its texts cut as the product cuts them.

    Args:
        entries: all contestants; the reference and those named by ``config.epoch_baselines`` run.
        workload: the texts.
        config: which texts, and how many batches warm up.
        training: batch size, word dropout and all else of the training loop.
        reporter: is told of the progress.
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
    """The batches of the epoch; says once, after a few of them, how long it will take."""
    began = time.perf_counter()
    for number, rows in enumerate(order):
        if number == 5:
            expected = (time.perf_counter() - began) / number * len(order)
            reporter.say(f"an epoch of {len(order):,} batches for {num_running} contestants: about {expected:.0f} s")
        yield rows
