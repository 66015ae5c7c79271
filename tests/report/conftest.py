"""A small trained model of each kind, and what a report says of them."""

from __future__ import annotations

import pytest
import torch

import textcnn
from textcnn.reading.rows import read_examples
from textcnn.report import gather

TINY = {"embedding_dim": 8, "num_filters": 4, "epochs": 3, "threads": 1}
# What a page must not take for its own: a label and texts that would run or break it.
EVIL = "<script>document.title='taken'</script>"
LABEL = '"><img src=x onerror="document.title=\'taken\'">$x_{'
# A label that training has not seen makes its row wrong, whatever the weights are.
ROWS = {
    "single": (
        [(f"good film {n}", "pos") for n in range(12)] + [(f"bad film {n}", LABEL) for n in range(12)],
        [("good", "pos"), (f"a good {EVIL} film", "unseen"), ("bad\n'\"&amp;films 漢字 مرحبا", "pos"), ("", LABEL)],
    ),
    "multi": (
        [("good film", ["glad", LABEL]), ("bad film", [LABEL]), ("good", ["glad"]), ("bad", [])] * 4,
        [("good film", [LABEL]), (f"bad {EVIL}", ["glad", "unseen"]), ("", []), ("fine", ["glad", LABEL])],
    ),
}


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    folder, threads = tmp_path_factory.mktemp("reported"), torch.get_num_threads()
    for name, (train, test) in ROWS.items():
        textcnn.train(train, dev=test, output=folder / name, **TINY)
    torch.set_num_threads(threads)
    return folder


@pytest.fixture(scope="session")
def reports(models):
    """What is gathered of each model on its test rows."""
    return {
        name: gather(textcnn.load(models / name), models / name, read_examples(test))
        for name, (_, test) in ROWS.items()
    }
