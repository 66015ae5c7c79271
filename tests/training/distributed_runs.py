"""What the tests of process groups run in processes of their own: short trainings of small models."""

from __future__ import annotations

import dataclasses
import os
import socket
import tempfile
from pathlib import Path
from queue import Empty

import numpy as np
import torch
import torch.multiprocessing
from torch import nn

from textcnn.config import Config, ModelConfig, TextConfig, TrainingConfig
from textcnn.image.files import write_npz
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_text_classifier, weights_of
from textcnn.progress import Silent
from textcnn.runs.images import run_images
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.masking import WordDropout
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.training.distributed import ALONE, RankLostError, process_group, weights_digest
from textcnn.training.fit import learn
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Part

LABELS = Labels(("a", "b", "c"))
SIZES = {"num_filters": 8, "hidden_size": 8, "num_features": 8}
SMALL = {
    name: {setting: size for setting, size in SIZES.items() if setting in registry.settings_of("text", name)}
    for name in registry.TEXT
}
CASES = {name: (name, {}, {}) for name in registry.TEXT} | {
    "wide": ("kim", {"wide": True, "subwords": True}, {}),
    "multichannel": ("kim", {"embedding_channels": "multichannel"}, {}),
    "weighted": ("kim", {}, {"class_weight": {"a": 3.0}, "clip_norm": 0.5, "max_norm": 1.0}),
    "bf16": ("kim", {}, {"amp": "bf16"}),
}
# Batch norm over the few places of vdcnn multiplies a rounding error by 10,000 in the twelve steps of a run.
IN_DOUBLE_PRECISION = {"vdcnn"}
ROWS, BATCH = 41, 8  # 41 = 5 * 8 + 1: the last row is a batch of its own


class Losses(Silent):
    def __init__(self):
        self.found = []

    def step(self, epoch, loss, tokens_per_second):
        self.found.append(loss)


def texts(seed):
    random = np.random.default_rng(seed)
    words = [f"w{n}" for n in range(30)]
    return [" ".join(random.choice(words, random.integers(9, 30))) + f" {'abc'[i % 3]}x" for i in range(ROWS)]


def train(case, group=ALONE):
    """Losses of every step, history, and a checksum of the weights."""
    architecture, shape, training = CASES[case]
    tokenizer = Tokenizer.train(texts(0), TextConfig(min_frequency=1))
    model_config = ModelConfig(architecture, embedding_dim=8, settings=SMALL[architecture])
    model_config = dataclasses.replace(model_config, **shape)
    inputs = TextPipeline(tokenizer, 40, build_lexicon(tokenizer, model_config) if shape.get("subwords") else None)
    encoded = inputs.encode(texts(0))
    if shape.get("wide"):
        inputs = dataclasses.replace(inputs, wide=WideFeatures.fit(encoded, len(tokenizer)))
    torch.manual_seed(3)
    model = build_text_classifier(
        model_config,
        len(tokenizer),
        LABELS,
        num_ngrams=0 if inputs.lexicon is None else inputs.lexicon.num_ngrams,
        num_features=None if inputs.wide is None else len(inputs.wide.keys),
    )
    if case in IN_DOUBLE_PRECISION:
        model.double()
    truth = [("abc"[i % 3],) for i in range(ROWS)]
    config = TrainingConfig(epochs=2, batch_size=BATCH, seed=3, **training)
    part, dev = (Part(inputs.encode(texts(seed)), truth) for seed in (0, 1))
    dropout = WordDropout.fit(part.encoded, len(tokenizer), tokenizer.unknown_id, constant=0.1, rare=0.25, seed=3)
    losses = Losses()
    learned = learn(
        model,
        inputs,
        part,
        dev,
        LABELS,
        config,
        losses,
        device=torch.device("cpu"),
        augment={"dropout": dropout},
        watch=Watch(config, group=group),
    )
    return losses.found, learned.fit.history, weights_digest(weights_of(model))


def train_images(group=ALONE):
    """Losses of every epoch."""
    random = np.random.default_rng(0)
    labels = np.arange(ROWS) % 2
    pixels = random.integers(0, 90, (ROWS, 8, 8), dtype=np.uint8)
    pixels[labels == 1, :, :4] += 150
    settings = {"architecture": "lenet", "epochs": 2, "batch_size": BATCH}
    with tempfile.TemporaryDirectory() as folder:
        write_npz(Path(folder, "train.npz"), pixels, labels.astype(str))
        run = run_images(str(Path(folder, "train.npz")), Config.from_flat(settings), Silent(), group=group)
    training = run.predictor.artifact.training
    assert training["ranks"] == group.size
    return [entry["loss"] for entry in training["history"]]


def gradients(seed, rank):
    """A dense gradient, entries of a table, and a table and a dense weight without a gradient."""
    random = np.random.default_rng([seed, rank])
    rows = torch.from_numpy(random.integers(0, 6, random.integers(0, 7)))
    return rows, torch.from_numpy(random.normal(size=(len(rows), 3))).float(), torch.from_numpy(random.normal(size=4))


def sum_gradients(group, seed):
    """What :meth:`ProcessGroup.sum_gradients` makes of them."""
    rows, values, own = gradients(seed, group.rank)
    dense, missing = (nn.Parameter(torch.zeros(4, dtype=torch.float64)) for _ in range(2))
    table, untouched = nn.Parameter(torch.zeros(6, 3)), nn.Parameter(torch.zeros(2, 5))
    dense.grad = own.clone()
    table.grad = torch.sparse_coo_tensor(rows[None], values, (6, 3), check_invariants=True)
    group.sum_gradients([dense, missing], [untouched, table])
    found = table.grad._indices()[0].tolist(), table.grad._values().tolist()
    return dense.grad.tolist(), missing.grad.tolist(), found, untouched.grad._nnz()


def all_cases(group):
    found = {case: train(case, group) for case in CASES}
    found["images"] = train_images(group)
    found["gradients"] = [sum_gradients(group, seed) for seed in range(20)]
    found["values"] = (group.same(group.rank), group.each([group.rank]))
    return found


def one_rank(task, rank, size, port, queue):
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    with process_group() as group:
        found = task(group)
    # The optimizers have loaded what would keep a group for ever.
    queue.put((rank, (found, [name for name in threads() if "gloo" in name])))


def threads():
    return [Path(folder, "comm").read_text().strip() for folder in Path("/proc/self/task").iterdir()]


def left_alone(task, rank, size, port, queue):
    """The second rank is gone before training; what the first one is told."""
    try:
        one_rank(lambda group: os._exit(1) if group.rank else group.wait(), rank, size, port, queue)
    except RankLostError as err:
        queue.put(str(err))


def start_ranks(size, target, task=None):
    """Processes, and the queue that they put into what they have found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=target, args=(task, rank, size, port, queue)) for rank in range(size)]
    for process in processes:
        process.start()
    return processes, queue


def run_ranks(size, task=all_cases):
    """What the task found on every rank, by rank."""
    processes, queue = start_ranks(size, one_rank, task)
    found = {}
    while len(found) < size:
        try:
            found.update([queue.get(timeout=5)])
        except Empty:  # a rank that failed puts nothing
            assert not any(process.exitcode for process in processes), "a rank failed; its error is above"
    assert [left for _, left in found.values()] == [[] for _ in processes]  # the group is gone with its block
    for process in processes:
        process.join(60)
    return {rank: task_found for rank, (task_found, _) in found.items()}
