"""The roofline (Williams et al. 2009): what the machine could do at most, and the share of it that is reached.

A training step of B texts, N tokens, U types with M n-gram rows (G different ones), D numbers a vector, F filters of
each width h, K = F * max(h) products a type (nested filters share their taps; F * sum(h) where they do not), W wide
features (each with C weights), 4 bytes a number:

- forward: word and n-gram rows in, vectors out, ``(U + M + U) D``; vectors and filters in, products out,
  ``U D + K D + U K``; products looked up by each token ``N K``; wide rows in, ``W (C + 2)``.
- backward: gradients of rows out, ``(U + G) D``, and their n-gram entries, ``M D``.
- row updates, by row-wise Adagrad: vector read and written, gradient in, ``3 (U + G) D``, and a total read and written,
  ``2 (U + G)``; that of the wide rows likewise, ``2 W (C + 1)``.
- multiply-adds: ``U K D`` forward; backward ``2 B S D (1 - p)``, to vectors and to filters, S = F * sum(h), where
  dropout zeroes the share p of the winners, which are skipped then.

What was in memory a moment before comes from caches: the products looked up, and what winners do, each of which reads
its h vectors and adds to h gradients, ``2 B S D (1 - p)``. Both are counted separately. A look-up of one
token reads its row of K products (float32 4 bytes, int8 1), C means of 8 bytes, 12 bytes of ids, and two wide features:
16 bytes of table each, C weights of 8 bytes; it adds K numbers and multiplies none.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.peers_training import Ground
from textcnn.config import Config
from textcnn.errors import ConfigError
from textcnn.models.kim_settings import KimSettings
from textcnn.progress import Reporter
from textcnn.runs.core_run import core_trainer, first_weights, objective_of
from textcnn.runs.prepare import prepare_text
from textcnn.runtime.lookup import PRECISIONS, LookupModel
from textcnn.training.core_trainer import CORE, choose_road, mask_states, peak_rates, texts_of
from textcnn.training.sampler import shuffled_batches

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
    batch: Any, *, dim: int, sizes: tuple[int, ...], nested: bool, filters: int, num_labels: int, dropout: float
) -> dict[str, float]:
    """Bytes and multiply-adds of a step on this batch, by the formulas above."""
    texts, tokens, types = batch.num_rows, batch.num_tokens, len(batch.unique)
    entries = 0 if batch.bag_rows is None else len(batch.bag_rows)
    different = 0 if batch.bag_rows is None else len(torch.unique(batch.bag_rows))
    features = 0 if batch.wide_rows is None else len(batch.wide_rows)
    products = filters * (max(sizes) if nested else sum(sizes))
    forward = (2 * types + entries) * dim + (types + products) * dim + types * products + features * (num_labels + 2)
    winners = 2 * (1 - dropout) * texts * filters * sum(sizes) * dim
    backward = (types + different + entries) * dim
    updates = (types + different) * (3 * dim + 2) + 2 * features * (num_labels + 1)
    return {
        "tokens": tokens,
        "forward_bytes": 4 * forward,
        "looked_up_bytes": 4 * tokens * products,
        "winner_bytes": 4 * winners,
        "backward_bytes": 4 * backward,
        "update_bytes": 4 * updates,
        "multiply_adds": types * products * dim + winners,
    }


def training_share(ground: Ground, machine: dict[str, float], reporter: Reporter) -> dict[str, Any]:
    """Steps of the core on batches of the training texts: their costs a token, and the share of the roofline reached.

    ``least_seconds``: bytes at the machine's bandwidth, then multiply-adds at its rate; what comes from
    caches is left out. ``share`` is that over the time taken. No word is dropped.

    Raises:
        ConfigError: the settings are not those of the core.
    """
    config = Config.from_flat(dict(ground.settings))
    if (road := choose_road(config)).name != CORE:
        raise ConfigError(f"the roofline of training is that of the core, which does not train here: {road.reason}")
    rows = np.random.default_rng(0).permutation(len(ground.train))[:TEXTS]
    prepared = prepare_text(ground.train.subset(rows), config, reporter)
    inputs, labels, model, training = prepared.inputs, prepared.labels, prepared.config.model, config.training
    objective = dataclasses.replace(objective_of(prepared, training), word_dropout=None)
    weights = first_weights(prepared, training.seed)
    trainer = core_trainer(weights, model, labels, inputs.max_length, objective, training)
    settings = KimSettings.of(model)
    shape: dict[str, Any] = {
        "dim": model.dim,
        "sizes": settings.widths,
        "nested": settings.nested,
        "filters": settings.num_filters,
        "num_labels": len(labels),
        "dropout": settings.dropout,
    }
    targets, encoded = labels.encode(prepared.train.truth), prepared.train.encoded
    corpus = trainer.corpus(texts_of(inputs, encoded, targets))
    rates, states = peak_rates(training), mask_states(training, 0)
    order = shuffled_batches(inputs.sizes(encoded), training.batch_size, seed=0, epoch=0)
    costs: list[dict[str, float]] = []
    seconds = []
    for number, texts in enumerate(islice(order, WARM_UP + STEPS)):
        began = time.perf_counter()
        trainer.step(corpus, texts, rates, *states)
        taken = time.perf_counter() - began
        if number >= min(WARM_UP, len(order) - 1):
            costs.append(step_costs(inputs.batch(encoded, texts, labels=targets), **shape))
            seconds.append(taken)
    total = {name: sum(cost[name] for cost in costs) for name in costs[0]}
    tokens = total.pop("tokens")
    moved = sum(total[f"{part}_bytes"] for part in ("forward", "backward", "update"))
    memory = moved / machine["bytes_per_second"]
    arithmetic = total["multiply_adds"] / machine["multiply_adds_per_second"]
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
        model = LookupModel.load(folder, precision=precision)
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
