"""What the tests of parted texts run in processes of their own: short trainings, and what came of them."""

from __future__ import annotations

import numpy as np

from textcnn.config import Config
from textcnn.runs import train_text
from textcnn.runs.prepared import prepare_text
from textcnn.text.corpus import EncodedShard
from textcnn.training.progress import Silent
from textcnn.training.ranks import ALONE

SMALL = {"embedding_dim": 8, "epochs": 2, "batch_size": 8, "threads": 1, "masks": "row", "seed": 3}
CASES = {
    "default": {"num_filters": 4},
    "rare words unknown, some rows held out": {"num_filters": 4, "min_frequency": 3, "dev_fraction": 0.2},
    "several labels": {"num_filters": 4, "min_frequency": 2, "multi_label": True},
    "weights of rows and labels": {
        "architecture": "gru",
        "hidden_size": 4,
        "weight_column": "weight",
        "class_weight": "balanced",
        "max_length": 12,
    },
    "characters": {"architecture": "bag", "tokenizer": "char", "vocabulary_size": 20},
}


def rows(seed=0, count=61):
    """Columns; some rows without a label, a text that comes twice, half a surrogate pair, and weights of 0."""
    random = np.random.default_rng(seed)
    words = [f"wörd{n}" for n in range(30)]
    texts = [" ".join(random.choice(words, random.integers(0, 20))) + f" once{i} {'xy'[i % 2]}" for i in range(count)]
    texts[7] = texts[8] = "the same \ud800 text"
    labels = [None if i % 13 == 5 else "xy"[i % 2] for i in range(count)]
    return {"text": texts, "label": labels, "weight": [float(i % 3) for i in range(count)]}


class Losses(Silent):
    def __init__(self):
        self.found, self.said = [], []

    def say(self, message):
        self.said.append(message)

    def step(self, epoch, loss, tokens_per_second):
        self.found.append(loss)


def settings(case, storage):
    given = {**SMALL, **CASES[case]}
    columns = {} if "weight_column" in given else {"weight_column": None}
    return {**columns, **given, "text_column": ("text",), "label_column": ("label",), "storage": storage}


def train(case, storage, ranks=ALONE, start=None):
    """Losses of every step, and all that training follows from."""
    reporter = Losses()
    data = rows()
    run = train_text(data, settings(case, storage), reporter, ranks=ranks, start_from=start)
    inputs = run.predictor.artifact.text_inputs()
    wide = inputs.wide
    return {
        "losses": reporter.found,
        "tokenizer": inputs.tokenizer.to_json(),
        "wide": None if wide is None else (wide.keys.tolist(), wide.idf.tolist()),
        "data": run.predictor.artifact.training["data"],
        "thresholds": run.predictor.artifact.thresholds,
        "said": [line for line in reporter.said if "warning" in line or "note" in line],
        "parted": any("keeps its own" in line for line in reporter.said),
    }


def held(case, ranks):
    """Which rows a process has, and how long all are."""
    prepared = prepare_text(rows(), Config.from_flat(settings(case, "disk")), Silent(), ranks=ranks)
    encoded = prepared.train.encoded
    assert isinstance(encoded, EncodedShard)
    assert len(encoded.offsets) == len(encoded.rows) + 1  # ids of its own rows alone
    return encoded.rows.tolist(), encoded.lengths.tolist(), len(prepared.train.truth)


def all_cases(ranks):
    found = {case: (train(case, "disk", ranks), held(case, ranks)) for case in CASES}
    first = train_text(rows(1), settings("default", "memory"), Silent())
    found["continued"] = (train("default", "disk", ranks, first.predictor.artifact), None)
    refused = {}
    for name, more in {"bpe": {"tokenizer": "bpe"}, "evidence": {}, "few": {}}.items():
        # the second of two ranks has the second row alone, which has no label
        data = {"text": ["a", "b", "c"], "label": ["x", None, "y"]} if name == "few" else rows()
        given = {**settings("default", "disk"), **more}
        try:
            train_text(data, given, Silent(), ranks=ranks, evidence=name == "evidence")
        except Exception as err:
            refused[name] = f"{type(err).__name__}: {err}"
    return found, refused
