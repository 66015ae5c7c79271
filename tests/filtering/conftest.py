"""A small model, and its probability of a label for each text."""

import pytest

import textcnn


@pytest.fixture(scope="package")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    settings = {"embedding_dim": 4, "num_filters": 2, "kernel_sizes": (2,), "epochs": 3, "threads": 1}
    rows = [("a good film", "pos"), ("a bad film", "neg"), ("good", "pos"), ("really bad", "neg")] * 8
    textcnn.train(rows, output=folder, **settings)
    return folder


@pytest.fixture(scope="package")
def probability(model):
    """The probability of a label for each text."""
    predictor = textcnn.load(model)
    return lambda texts, label: predictor.predict_proba(list(texts))[:, predictor.labels.names.index(label)].tolist()
