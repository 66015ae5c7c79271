"""Models by fastText's interface, trained once a file of tests."""

import pytest
from fasttext_rows import LINES, QUICK, write

import textcnn.compat.fasttext as fasttext


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("fasttext")
    write(place / "train.txt", LINES)
    write(place / "several.txt", [line.replace("__label__", "__label__film __label__") for line in LINES])
    return place


@pytest.fixture(scope="module")
def model(folder):
    return fasttext.train_supervised(str(folder / "train.txt"), **QUICK)


@pytest.fixture(scope="module")
def several(folder):
    return fasttext.train_supervised(str(folder / "several.txt"), loss="ova", **QUICK)
