"""What a training step costs beside plain PyTorch: `python -m textcnn.benchmark.step --help`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from textcnn.benchmark.contestants import Contestant, build, enter
from textcnn.benchmark.machine import describe_machine
from textcnn.benchmark.matching import BASELINES
from textcnn.benchmark.plain import PlainBiLSTM, PlainCNN
from textcnn.benchmark.protocol import SpeedConfig
from textcnn.benchmark.statistics import median_ratio
from textcnn.benchmark.timing import interleave
from textcnn.benchmark.workload import Workload, read_workload, synthetic_workload
from textcnn.config import DataConfig, TrainingConfig
from textcnn.models.base import num_parameters
from textcnn.text.batching import Batch
from textcnn.training.learn import prepare

SIZES, FILTERS, LENGTH, DIM, TYPES = (3, 4, 5), 100, 45, 300, 50_000
FIRST = "kim"
TURN = 5  # batches that a contestant gets in a row
RULES = (
    "kim: a step of the product's training loop (forward, loss, backward, AdamW, row-wise Adam) with the fast kernels",
    "shared dropout: a mask drops the same filters in all texts of a batch (not the default)",
    "plain: nn.Embedding with dense gradients, dense AdamW; conv1d + amax, or nn.LSTM in both directions",
    "row Adam: the product's own BiLSTM, whose embedding is moved by the same row-wise Adam as that of kim",
    f"all contestants get the same texts of one length, in turns of {TURN} batches, as steps of a training follow each "
    "other, in an order drawn anew for each turn; making a batch is not timed; ratio = median over the turns, 95 % "
    "bootstrap interval; the BiLSTMs have as many parameters between embedding and head as kim",
)


def run_step(batch_sizes: Sequence[int], *, data: str | None = None, turns: int = 10) -> dict[str, Any]:
    """Time a step of kim, plain PyTorch and BiLSTMs on the same texts of 45 tokens, D = 300, 3 x 100 filters.

    Args:
        batch_sizes: texts of a batch; a cell each.
        data: a file of labelled texts; none: made-up texts whose words follow Zipf's law.
        turns: timed turns of a cell, of 5 batches each.
    """
    config = SpeedConfig(embedding_dim=DIM, vocabulary_size=TYPES, architectures=("bilstm",))
    training = TrainingConfig(device="cpu")
    prepare(training)
    workload = synthetic_workload(config) if data is None else read_workload(data, DataConfig(), config)
    cells = [cell for size in batch_sizes for cell in _time_cell(size, workload, config, training, turns)]
    return {
        "benchmark": "step",
        "format_version": 1,
        **describe_machine(),
        "protocol": {"rules": list(RULES), "dim": DIM, "filters": FILTERS, "sizes": list(SIZES), "tokens": LENGTH},
        "data": workload.to_dict(),
        "cells": cells,
    }


def to_markdown(document: dict[str, Any]) -> str:
    """The document for readers."""
    lines = [
        "# A training step beside plain PyTorch",
        "",
        f"{document['cpu']}, {document['threads']} threads, torch {document['versions']['torch']}; commit "
        f"{document['commit']}; texts: {document['data']['name']}, {document['data']['types']:,} types.",
        "",
        "| batch | types | contestant | encoder parameters | median ms | ratio to kim |",
        "| ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {cell['batch_size']} | {cell['types']:,} | {cell['contestant']} | {cell['encoder_parameters']:,} "
        f"| {cell['median_ms']:.1f} | {cell['ratio']:.1f} [{cell['ratio_low']:.1f}, {cell['ratio_high']:.1f}] |"
        for cell in document["cells"]
    ]
    return "\n".join([*lines, "", *(f"- {rule}" for rule in document["protocol"]["rules"])]) + "\n"


def _time_cell(
    batch_size: int, workload: Workload, config: SpeedConfig, training: TrainingConfig, turns: int
) -> list[dict[str, Any]]:
    random = np.random.default_rng([config.seed, batch_size])
    items: list[list[tuple[Batch, torch.Tensor]]] = []
    for _ in range(1 + turns):
        drawn = [workload.batch(workload.draw(random, batch_size, LENGTH)) for _ in range(TURN)]
        items.append([(batch, batch.unique[batch.padded()]) for batch in drawn])
    contestants = _contestants(workload, config, training)
    tasks = [_turn(step) for _, _, step in contestants]
    times = interleave(tasks, items, warmup=1, seed=config.seed) / TURN
    types = [len(batch.unique) for turn in items for batch, _ in turn]
    return [
        {
            "batch_size": batch_size,
            "types": int(np.median(types)),
            "batches": turns * TURN,
            "contestant": name,
            "encoder_parameters": parameters,
            "median_ms": float(np.median(taken)) * 1e3,
            **dict(zip(("ratio", "ratio_low", "ratio_high"), median_ratio(taken, times[0], config.seed), strict=True)),
        }
        for (name, parameters, _), taken in zip(contestants, times, strict=True)
    ]


def _contestants(
    workload: Workload, config: SpeedConfig, training: TrainingConfig
) -> list[tuple[str, int, Callable[[Any], Any]]]:
    """Name, parameters of the encoder, and a step on ``(batch, its ids (B, T))``."""
    num_types, num_labels = len(workload.tokenizer), len(workload.labels)
    found: list[tuple[str, int, Callable[[Any], Any]]] = []
    for entry in enter(config, num_types, workload.labels):
        contestant = build(entry, num_types, workload.labels, training)
        contestant.model.train()
        name = FIRST if entry.name == FIRST else f"{entry.name}, row Adam"
        found.append((name, entry.encoder_parameters, _own_step(contestant)))
        if entry.name == FIRST:
            shared = replace(entry.model, settings={**entry.model.settings, "shared_dropout": True})
            contestant = build(replace(entry, model=shared), num_types, workload.labels, training)
            contestant.model.train()
            found.append((f"{FIRST}, shared dropout", entry.encoder_parameters, _own_step(contestant)))
    hidden = BASELINES["bilstm"].matching_hidden_size(DIM, found[0][1])
    plain: dict[str, PlainCNN | PlainBiLSTM] = {
        "plain conv1d, dense AdamW": PlainCNN(num_types, DIM, FILTERS, SIZES, num_labels),
        "plain bilstm, dense AdamW": PlainBiLSTM(num_types, DIM, hidden, num_labels),
    }
    for name, model in plain.items():
        found.append((name, num_parameters(model.encoder), _plain_step(model, training)))
    return found


def _turn(step: Callable[[Any], Any]) -> Callable[[list[Any]], None]:
    def run(items: list[Any]) -> None:
        for item in items:
            step(item)

    return run


def _own_step(contestant: Contestant) -> Callable[[tuple[Batch, torch.Tensor]], float]:
    return lambda item: contestant.trainer.step(item[0])


def _plain_step(model: nn.Module, training: TrainingConfig) -> Callable[[tuple[Batch, torch.Tensor]], float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate)
    model.train()

    def step(item: tuple[Batch, torch.Tensor]) -> float:
        batch, ids = item
        assert batch.labels is not None
        loss = F.cross_entropy(model(ids), batch.labels, label_smoothing=training.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def main() -> None:
    """Measure, and write what ``--output`` and ``--table`` name."""
    parser = argparse.ArgumentParser(prog="python -m textcnn.benchmark.step", description=__doc__)
    parser.add_argument("data", nargs="?", help="labelled texts; none: made-up ones")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    began = time.perf_counter()
    document = run_step(given.batch_sizes, data=given.data, turns=given.turns)
    document["seconds"] = round(time.perf_counter() - began, 1)
    if given.output:
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if given.table:
        given.table.write_text(to_markdown(document), encoding="utf-8")
    print(to_markdown(document))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
