"""Trains image classifiers from labelled images."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from textcnn.config import Config
from textcnn.config_types import parsed_size
from textcnn.errors import DataError
from textcnn.image.reading import Images, read_part
from textcnn.labels import Labels
from textcnn.models.weights import merged_config
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter
from textcnn.reading.hierarchy import labels_in_tree
from textcnn.runs.finish import (
    Others,
    Run,
    check_dev,
    ended,
    finish_run,
    num_measured,
    shared_config,
    split_rows,
    warn_of_labels,
)
from textcnn.training.checkpoints import Checkpoints
from textcnn.training.distributed import ALONE, ProcessGroup
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Part

if TYPE_CHECKING:
    from textcnn.image.batches import ImageInputs


def run_images(
    data: Any,
    config: Config,
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    checkpoints: Checkpoints | None = None,
    began: float | None = None,
    group: ProcessGroup = ALONE,
) -> Run:
    """Train an image classifier; arguments are as for :func:`train_text`, with the data that ``read_images`` reads.

    Dev and test images are scaled to the size of the training images.

    Raises:
        DataError: the data cannot be read with these settings.
        ConfigError: a setting does not fit the data or the architecture.
    """
    config = shared_config(config, group, reporter)
    with Watch(config.training, checkpoints=checkpoints, began=began, group=group) as watch:
        return ended(_run_images(data, config, reporter, dev, test, watch), watch)


def _run_images(data: Any, config: Config, reporter: Reporter, dev: Any, test: Any, watch: Watch) -> Run:
    from textcnn.image.batches import ImageInputs, RandomShift
    from textcnn.models.base import build_image_classifier
    from textcnn.training.fit import learn, prepare

    if dev is not None:
        check_dev(config)
    if config.training.ensemble > 1:
        merged_config(config.model, config.training.ensemble)  # raises: ensembles are for texts only
    # A limit on tokens per batch has no meaning for images, which all have the same size.
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, batch_tokens=None))
    device = prepare(config.training)
    size = None if config.image.image_size is None else parsed_size(config.image.image_size)
    images = read_part(data, "train", size=size)
    reporter.say(f"read {len(images.pixels):,} images of shape {images.pixels.shape[1:]} from {images.name}")
    inputs = ImageInputs.fit(images.pixels)
    train = labelled_images(inputs, images)
    labels = labels_in_tree(Labels.collect(train.truth, multi_label=False), config.data.hierarchy, reporter.say)
    others: Others = {
        name: None if given is None else labelled_images(inputs, read_like(inputs, given, name))
        for name, given in {"dev": dev, "test": test}.items()
    }
    if config.training.dev_fraction:
        splits = split_rows(train.truth, config.training.dev_fraction, config)
        train, others["dev"] = (Part(images.pixels[rows], [train.truth[i] for i in rows]) for rows in splits)
    artifact = Artifact(build_image_classifier(config.model, inputs.shape, labels), inputs, labels, config.model)
    source = {"name": images.name, "fingerprint": hashlib.sha256(images.pixels.tobytes()).hexdigest()}
    warn_of_labels(labels, others, reporter)
    shift, flip = config.image.random_shift, config.image.random_flip
    augment = {"augment": RandomShift(shift, flip, config.training.seed)} if shift or flip else None
    watch.measured = num_measured(others) / len(train.truth)
    learned = learn(
        artifact.model,
        inputs,
        train,
        others["dev"],
        labels,
        config.training,
        reporter,
        device=device,
        augment=augment,
        watch=watch,
        run=lambda: {"model": dataclasses.asdict(config.model), "image": dataclasses.asdict(config.image), **source},
    )
    return finish_run(artifact, learned, train, others, config, source=source)


def read_like(inputs: ImageInputs, source: Any, part: str) -> Images:
    """Read images for a model, converted to the size and number of channels that it was trained on.

    Args:
        inputs: the inputs of the model.
        source: as for :func:`textcnn.image.reading.read_images`.
        part: the split to read from a folder that has several.

    Raises:
        DataError: the images cannot be read.
    """
    channels, height, width = inputs.shape
    return read_part(source, part, size=(height, width), channels=channels)


def labelled_images(inputs: ImageInputs, images: Images) -> Part[Any]:
    """Encode images and return them with their labels.

    Raises:
        DataError: the images have no labels, or another shape than the model's.
    """
    if images.labels is None:
        raise DataError("expected labelled images, found images without labels", path=images.name)
    return Part(inputs.encode(images.pixels), [(label,) for label in images.labels])
