"""From labelled images to a predictor."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

from textcnn.config import Config
from textcnn.errors import DataError
from textcnn.image.batching import ImageInputs
from textcnn.image.reading import Images, read_images
from textcnn.inference.artifact import Artifact
from textcnn.labels import Labels
from textcnn.models.base import build_image_classifier
from textcnn.models.merging import merged_config
from textcnn.runs.run import Others, Run, check_dev, finish_run, split_rows, warn_of_labels
from textcnn.training.learn import Part, learn, prepare
from textcnn.training.progress import Reporter


def run_images(data: Any, config: Config, reporter: Reporter, *, dev: Any = None, test: Any = None) -> Run:
    """Train an image classifier; arguments as for :func:`run_text`, with files that ``read_images`` reads.

    Raises:
        DataError: the data cannot be read as asked.
        ConfigError: a setting that does not fit the data or the architecture.
    """
    check_dev(dev, config)
    if config.training.ensemble > 1:
        merged_config(config.model, config.training.ensemble)  # is for text; says so
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, batch_tokens=None))
    device = prepare(config.training)
    images = read_images(data)
    reporter.say(f"read {len(images.pixels):,} images of shape {images.pixels.shape[1:]} from {images.name}")
    inputs = ImageInputs.fit(images.pixels)
    train = labelled_images(inputs, images)
    labels = Labels.collect(train.truth, multi_label=False)
    others: Others = {
        name: None if given is None else labelled_images(inputs, read_images(given))
        for name, given in {"dev": dev, "test": test}.items()
    }
    if config.training.dev_fraction:
        splits = split_rows(train.truth, config.training.dev_fraction, config)
        train, others["dev"] = (Part(images.pixels[rows], [train.truth[i] for i in rows]) for rows in splits)
    artifact = Artifact(build_image_classifier(config.model, inputs.shape, labels), inputs, labels, config.model)
    source = {"name": images.name, "fingerprint": hashlib.sha256(images.pixels.tobytes()).hexdigest()}
    warn_of_labels(labels, others, reporter)
    learned = learn(artifact.model, inputs, train, others["dev"], labels, config.training, reporter, device=device)
    return finish_run(artifact, learned, train, others, config, source=source)


def labelled_images(inputs: ImageInputs, images: Images) -> Part[Any]:
    """Images with the label of each.

    Raises:
        DataError: they have no labels, or another shape than the model's.
    """
    if images.labels is None:
        raise DataError("expected labelled images, found images without labels", path=images.name)
    return Part(inputs.encode(images.pixels), [(label,) for label in images.labels])
