"""The roofline (Williams et al. 2009): what the machine could do at most, and the share of it that is reached.

A training step of B texts, N tokens, U types with M n-gram rows (G different ones), D numbers a vector, F filters of
each width h, K = F * sum(h) products a type, W wide features (each with C weights), 4 bytes a number:

- forward: word and n-gram rows in, vectors out, ``(U + M + U) D``; vectors and filters in, products out,
  ``U D + K D + U K``; products looked up by each token ``N K``; wide rows in, ``W (C + 2)``.
- backward: gradients of rows out, ``(U + G) D``, and their n-gram entries, ``M D``.
- row updates: vector and both moments read and written, gradient in, ``7 (U + G) D``; Adagrad of the wide rows
  reads and writes a row and its total, ``2 W (C + 1)``.
- multiply-adds: ``U K D`` forward; backward ``2 B K D (1 - p)``, to vectors and to filters, where dropout zeroes the
  share p of the winners, which are skipped then.

What was in memory a moment before comes from caches: the products looked up, and what winners do, each of which reads
its h vectors and adds to h gradients, ``2 B K D (1 - p)``. Both are told apart. A look-up of one
token reads its row of K products (float32 4 bytes, int8 1), C means of 8 bytes, 12 bytes of ids, and two wide features:
16 bytes of table each, C weights of 8 bytes; it adds K numbers and multiplies none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textcnn.benchmark.peers_training import Ground
from textcnn.config import Config
from textcnn.inference.lookup import PRECISIONS, LookupModel
from textcnn.models.base import weights_of
from textcnn.models.kim import KimEncoder
from textcnn.runs.by_torch import fresh_model
from textcnn.runs.first_weights import start_from_rows
from textcnn.runs.prepared import prepare_text
from textcnn.training.losses import BranchLoss
from textcnn.training.order import shuffled_batches
from textcnn.training.progress import Reporter
from textcnn.training.trainer import Trainer

WARM_UP, STEPS = 10, 60
MEGABYTES = 256  # of the array that is copied: more than any cache holds
SIDE = 2048  # of the matrices that are multiplied
PASSES = 5
TEXTS = 5000  # training texts whose batches are timed, test texts that are looked up


def machine_rates() -> dict[str, float]:
    """Bytes a second of a copy (read and written both count), and multiply-adds a second of a float32 product."""
    one, other = torch.ones(MEGABYTES * 2**18), torch.zeros(MEGABYTES * 2**18)
    square = torch.rand(SIDE, SIDE)
    return {
        "bytes_per_second": 2 * one.nbytes / _best(lambda: other.copy_(one)),
        "multiply_adds_per_second": SIDE**3 / _best(lambda: square @ square),
    }


def _best(call: Callable[[], Any]) -> float:
    call()
    taken = []
    for _ in range(PASSES):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def step_costs(
    batch: Any, *, dim: int, sizes: tuple[int, ...], filters: int, num_labels: int, dropout: float
) -> dict[str, float]:
    """Bytes and multiply-adds of a step on this batch, by the formulas above."""
    texts, tokens, types = batch.num_rows, batch.num_tokens, len(batch.unique)
    entries = 0 if batch.bag_rows is None else len(batch.bag_rows)
    different = 0 if batch.bag_rows is None else len(torch.unique(batch.bag_rows))
    features = 0 if batch.wide_rows is None else len(batch.wide_rows)
    products = filters * sum(sizes)
    forward = (2 * types + entries) * dim + (types + products) * dim + types * products + features * (num_labels + 2)
    winners = 2 * (1 - dropout) * texts * products * dim
    backward = (types + different + entries) * dim
    updates = 7 * (types + different) * dim + 2 * features * (num_labels + 1)
    return {
        "tokens": tokens,
        "forward_bytes": 4 * forward,
        "looked_up_bytes": 4 * tokens * products,
        "winner_bytes": 4 * winners,
        "backward_bytes": 4 * backward,
        "update_bytes": 4 * updates,
        "multiply_adds": types * products * dim + winners,
    }


def training_share(ground: Ground, rates: dict[str, float], reporter: Reporter) -> dict[str, Any]:
    """Steps of the default model on batches of the training texts: their costs a token, and the share reached.

    ``least_seconds``: bytes at the machine's bandwidth, then multiply-adds at its rate; what comes from
    caches is left out. ``share`` is that over the time taken, making the batch excluded.
    """
    config = Config.from_flat(dict(ground.settings))
    rows = np.random.default_rng(0).permutation(len(ground.train))[:TEXTS]
    prepared = prepare_text(ground.train.subset(rows), config, reporter)
    seed = config.training.seed
    model = fresh_model(prepared.config.model, prepared.inputs, prepared.labels, seed)
    start_from_rows(weights_of(model), prepared, seed)
    loss = BranchLoss(prepared.labels, smoothing=config.training.label_smoothing)
    trainer = Trainer(model, loss, config.training, 1_000_000, reporter)
    model.train()
    encoder = model.encoder
    assert isinstance(encoder, KimEncoder)
    shape: dict[str, Any] = {
        "dim": model.embedding.embedding_dim,
        "sizes": encoder.sizes,
        "filters": encoder.num_maxima // len(encoder.sizes),
        "num_labels": len(prepared.labels),
        "dropout": next(module.p for module in model.encoder.modules() if isinstance(module, torch.nn.Dropout)),
    }
    targets, encoded = prepared.labels.encode(prepared.train.truth), prepared.train.encoded
    order = shuffled_batches(prepared.inputs.sizes(encoded), config.training.batch_size, seed=0, epoch=0)
    costs: list[dict[str, float]] = []
    seconds = []
    for number, texts in enumerate(islice(order, WARM_UP + STEPS)):
        batch = prepared.inputs.batch(encoded, texts, labels=targets)
        began = time.perf_counter()
        trainer.step(batch)
        taken = time.perf_counter() - began
        if number >= min(WARM_UP, len(order) - 1):
            costs.append(step_costs(batch, **shape))
            seconds.append(taken)
    total = {name: sum(cost[name] for cost in costs) for name in costs[0]}
    tokens = total.pop("tokens")
    moved = sum(total[f"{part}_bytes"] for part in ("forward", "backward", "update"))
    memory, arithmetic = moved / rates["bytes_per_second"], total["multiply_adds"] / rates["multiply_adds_per_second"]
    return {
        "shape": {**shape, "sizes": list(shape["sizes"])},
        "steps": len(seconds),
        "tokens_per_second": tokens / sum(seconds),
        "per_token": {name: value / tokens for name, value in total.items()},
        "memory_seconds": memory,
        "arithmetic_seconds": arithmetic,
        "least_seconds": memory + arithmetic,
        "seconds": sum(seconds),
        "share": (memory + arithmetic) / sum(seconds),
    }


def lookup_share(ground: Ground, folder: Path, rates: dict[str, float]) -> list[dict[str, Any]]:
    """Ids to logits of test texts whose words have been met: bytes a token, and the share of the bandwidth reached."""
    found = []
    for precision in PRECISIONS:
        model = LookupModel.load(folder, precision=precision, kernels="numba")
        encoded = model.inputs.encode(ground.test.texts[:TEXTS])
        call, _ = model.gathered(encoded, slice(0, min(len(encoded), 128)))
        per_row, labels = call.products[:1].nbytes, len(ground.labels)
        per_token = per_row + 8 * labels + 12 + 2 * (16 + 8 * labels)
        rate = len(encoded.ids) / _best(lambda m=model, e=encoded: m.logits(e))  # type: ignore[misc]
        found.append(
            {
                "precision": precision,
                "bytes_per_token": per_token,
                "additions_per_token": per_row // call.products.itemsize,
                "tokens_per_second": rate,
                "share": per_token * rate / rates["bytes_per_second"],
            }
        )
    return found
