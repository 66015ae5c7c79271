"""Where a reader of the pages stands: beside a file of reviews, and a small model trained on it."""

import csv

import pytest
import torch

import textcnn

WORDS = {"good": "what a wonderful film , great and warm", "bad": "never again , a dull and awful film"}


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    """A folder with reviews.csv and model."""
    folder, threads = tmp_path_factory.mktemp("reader"), torch.get_num_threads()
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([[f"{text} number {i} {label}", label] for i in range(20) for label, text in WORDS.items()])
    textcnn.train(
        str(folder / "reviews.csv"), output=folder / "model", epochs=4, embedding_dim=16, num_filters=8, threads=1
    )
    torch.set_num_threads(threads)
    return folder
