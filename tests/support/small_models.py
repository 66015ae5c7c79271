"""Fixtures: small models with fresh weights; what the artifact and the predictor promise holds for any weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig, TextConfig
from textcnn.image.batches import ImageInputs
from textcnn.labels import Labels
from textcnn.models.base import build_image_classifier, build_text_classifier
from textcnn.prediction.artifact import Artifact
from textcnn.prediction.predictor import Predictor
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

VOCABULARY = ["a good film with a good plot", "a bad film , really bad !", "it's fine"]


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """These models are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_text() -> Callable[..., Artifact]:
    def make(*names, multi_label=False, architecture="kim", max_length=None, seed=0, temperature=1.0, **settings):
        torch.manual_seed(seed)
        settings = settings or ({"num_filters": 4} if architecture == "kim" else {})
        config = ModelConfig(architecture, embedding_dim=8, settings=settings)
        labels = Labels(names or ("neg", "pos", "unsure"), multi_label)
        inputs = TextPipeline(Tokenizer.train(VOCABULARY, TextConfig()), max_length)
        model = build_text_classifier(config, len(inputs.tokenizer), labels).eval()
        return Artifact(model, inputs, labels, config, temperature, [0.5] * len(labels))

    return make


@pytest.fixture
def text(make_text) -> Artifact:
    return make_text()


@pytest.fixture
def image() -> Artifact:
    torch.manual_seed(0)
    config = ModelConfig("lenet", settings={"channels": [2, 3], "hidden_size": 5})
    inputs = ImageInputs.fit(np.arange(2 * 3 * 8 * 8, dtype=np.uint8).reshape(2, 3, 8, 8))
    labels = Labels(("cat", "dog"))
    return Artifact(
        build_image_classifier(config, inputs.shape, labels).eval(), inputs, labels, config, 2.0, [0.5, 0.5]
    )


@pytest.fixture
def predictor(text) -> Predictor:
    return Predictor(text)


@pytest.fixture
def multi(make_text) -> Predictor:
    return Predictor(make_text("calm", "glad", "odd", multi_label=True))


@pytest.fixture
def saved(text, tmp_path) -> Path:
    return text.save(tmp_path / "model")
