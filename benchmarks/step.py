"""What a training step costs compared with plain PyTorch: `python -m benchmarks.step --help`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.plain import PlainBiLSTM, PlainCNN
from textcnn.benchmark.contestants import Contestant, Drawn, Workload, build, enter, read_workload, synthetic_workload
from textcnn.benchmark.document import describe_machine, median_ratio
from textcnn.benchmark.protocol import BASELINES, SpeedConfig
from textcnn.benchmark.speed import interleave
from textcnn.config import DataConfig, TrainingConfig
from textcnn.models.base import num_parameters
from textcnn.training.fit import prepare

SIZES, FILTERS, LENGTH, DIM, TYPES = (3, 4, 5), 100, 45, 300, 50_000
FIRST = "kim"
TURN = 5  # batches that a contestant gets in a row
RULES = (
    "kim: a step of the product's training by the core in C, where it is built (forward, loss, backward, AdamW, "
    "row-wise Adagrad)",
    "bilstm of the product: by torch, with the same row-wise optimizer of the embedding",
    "plain: nn.Embedding with dense gradients, dense AdamW; conv1d + amax, or nn.LSTM in both directions",
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


class PlainContestant:
    """A network of plain PyTorch and its dense AdamW."""

    def __init__(self, model: PlainCNN | PlainBiLSTM, workload: Workload, training: TrainingConfig) -> None:
        self._model, self._workload, self._smoothing = model.train(), workload, training.label_smoothing
        self._optimizer = torch.optim.AdamW(model.parameters(), lr=training.learning_rate)

    def batch(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """Ids ``(B, T)`` and targets."""
        batch = self._workload.batch(drawn)
        assert batch.labels is not None
        return batch.unique[batch.padded()], batch.labels

    def train(self, batch: tuple[Tensor, Tensor]) -> float:
        """The loss of a batch, after one step on it."""
        ids, labels = batch
        loss = F.cross_entropy(self._model(ids), labels, label_smoothing=self._smoothing)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.item()


class Named(NamedTuple):
    """A contestant, what it is called, and the parameters of its encoder."""

    name: str
    encoder_parameters: int
    contestant: Contestant | PlainContestant


def _time_cell(
    batch_size: int, workload: Workload, config: SpeedConfig, training: TrainingConfig, turns: int
) -> list[dict[str, Any]]:
    random = np.random.default_rng([config.seed, batch_size])
    contestants = _contestants(workload, config, training)
    drawn = [[workload.draw(random, batch_size, LENGTH) for _ in range(TURN)] for _ in range(1 + turns)]
    turn_batches = ([[named.contestant.batch(texts) for texts in turn] for named in contestants] for turn in drawn)
    tasks = [partial(_turn, named.contestant, number) for number, named in enumerate(contestants)]
    times = interleave(tasks, turn_batches, warmup=1, seed=config.seed) / TURN
    types = [len(np.unique(texts.tokens.ids)) for turn in drawn for texts in turn]
    return [
        {
            "batch_size": batch_size,
            "types": int(np.median(types)),
            "batches": turns * TURN,
            "contestant": named.name,
            "encoder_parameters": named.encoder_parameters,
            "median_ms": float(np.median(taken)) * 1e3,
            **dict(zip(("ratio", "ratio_low", "ratio_high"), median_ratio(taken, times[0], config.seed), strict=True)),
        }
        for named, taken in zip(contestants, times, strict=True)
    ]


def _contestants(workload: Workload, config: SpeedConfig, training: TrainingConfig) -> list[Named]:
    num_types, num_labels = len(workload.tokenizer), len(workload.labels)
    found = [
        Named(entry.name if entry.name == FIRST else f"{entry.name} of the product", entry.encoder_parameters, built)
        for entry in enter(config, num_types, workload.labels)
        for built in [build(entry, workload, training)]
    ]
    hidden = BASELINES["bilstm"].matching_hidden_size(DIM, found[0].encoder_parameters)
    plain: dict[str, PlainCNN | PlainBiLSTM] = {
        "plain conv1d, dense AdamW": PlainCNN(num_types, DIM, FILTERS, SIZES, num_labels),
        "plain bilstm, dense AdamW": PlainBiLSTM(num_types, DIM, hidden, num_labels),
    }
    return [
        *found,
        *(
            Named(name, num_parameters(model.encoder), PlainContestant(model, workload, training))
            for name, model in plain.items()
        ),
    ]


def _turn(contestant: Contestant | PlainContestant, number: int, batches: Sequence[Sequence[Any]]) -> None:
    for batch in batches[number]:
        contestant.train(batch)


def main() -> None:
    """Measure, and write what ``--output`` and ``--table`` name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__)
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
    print(to_markdown(document))


if __name__ == "__main__":
    main()
