"""A training step on texts of one length: that of `textcnn train`, and those of plain PyTorch models of its size.

``python -m benchmarks.steps MODEL ROWS THREADS STEPS`` times a plain model in a process of its own and prints the
median seconds of a step as JSON.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.editions import ROOT, Edition, checkout, run
from benchmarks.plain import PlainBiLSTM, PlainCNN
from textcnn.benchmark.protocol import BASELINES
from textcnn.models.base import num_parameters

TYPES, DIM, FILTERS, SIZES = 50_000, 300, 100, (3, 4, 5)
PLAIN = ("conv1d", "bilstm")
WARM_UP = 3  # steps of a plain model that are not counted
# Kim's network of the plain models' size: every other setting is as `textcnn train` has it.
SETTINGS: Mapping[str, object] = {
    "embedding_dim": DIM,
    "num_filters": FILTERS,
    "pooling": "max",
    "wide": "false",
    "subwords": "false",
    "epochs": 1,
}


def write_rows(path: Path, count: int, length: int) -> None:
    """Write ``count`` rows of exactly ``length`` words by Zipf's law, with one of two labels drawn at random."""
    random = np.random.default_rng(0)
    shares = np.cumsum(1 / np.arange(1, TYPES + 1))
    ranks = np.searchsorted(shares, random.random((count, length)) * shares[-1])
    labels = random.choice(["no", "yes"], count)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows(
            (" ".join(f"w{rank}" for rank in row), label) for row, label in zip(ranks.tolist(), labels, strict=True)
        )


def our_step(batch_size: int, length: int, *, rows: Path, threads: int, edition: Edition | None = None) -> float:
    """Seconds of a step in the loop of `textcnn train`, whichever way that trains: making the batch is part of it.

    Args:
        batch_size: texts of a step.
        length: tokens of each text of ``rows``.
        rows: what :func:`write_rows` wrote.
        threads: of the training.
        edition: whose command it is; none: that of this checkout.
    """
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    trained = (edition or checkout()).train(
        rows, rows.with_name("step-model"), *settings, "--batch-size", str(batch_size), "--threads", str(threads)
    )
    return batch_size * length / trained.tokens_per_second


def plain_step(model: str, batch_size: int, *, rows: Path, threads: int, steps: int) -> float:
    """Median seconds of a step of a plain model on the same rows, in a process of its own; making a batch is free."""
    environment = {**checkout().environment, "OMP_NUM_THREADS": str(threads)}
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.steps",
        model,
        rows,
        str(threads),
        str(steps),
        str(batch_size),
    ]
    return float(json.loads(run(command, environment, ROOT)))


def time_plain(model: str, rows: Path, threads: int, steps: int, batch_size: int) -> float:
    """Median seconds of ``steps`` steps: forward, loss, dense gradients, dense AdamW."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    ids, labels, types = encode(rows)
    cnn = PlainCNN(types, DIM, FILTERS, SIZES, 2)
    hidden = BASELINES["bilstm"].matching_hidden_size(DIM, num_parameters(cnn.encoder))
    trained = cnn if model == "conv1d" else PlainBiLSTM(types, DIM, hidden, 2)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=2e-3)
    order = torch.randperm(len(ids))
    taken = []
    for number in range(WARM_UP + steps):
        chosen = order[(torch.arange(batch_size) + number * batch_size) % len(order)]
        batch, targets = ids[chosen], labels[chosen]
        began = time.perf_counter()
        loss = F.cross_entropy(trained(batch), targets, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken[WARM_UP:]))


def encode(rows: Path) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Ids ``(N, T)``, labels ``(N,)``, and the number of types with two reserved ones, as our vocabulary has them."""
    numbers: dict[str, int] = {}
    with rows.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    ids = [[numbers.setdefault(word, len(numbers) + 2) for word in row["text"].split()] for row in read]
    return torch.tensor(ids), torch.tensor([int(row["label"] == "yes") for row in read]), len(numbers) + 2


if __name__ == "__main__":
    named, rows_file, *counts = sys.argv[1:]
    print(json.dumps(time_plain(named, Path(rows_file), *map(int, counts))))  # the answer of this process
