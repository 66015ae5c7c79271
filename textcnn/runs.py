"""A run from labelled data to a predictor: read, encode, learn, measure; texts and images share all but the reading."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from textcnn import kernels
from textcnn.config import Config
from textcnn.errors import DataError
from textcnn.image.batching import ImageInputs
from textcnn.image.reading import Images, read_images
from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.labels import Labels
from textcnn.models.base import build_image_classifier, build_text_classifier, num_parameters
from textcnn.text.batching import TextInputs, WordDropout
from textcnn.text.overlap import count_conflicts, count_shared
from textcnn.text.ragged import Ragged
from textcnn.text.reading import Examples, read_examples
from textcnn.text.tokenizer import Tokenizer
from textcnn.training.learn import Part, learn, prepare
from textcnn.training.order import Rows, stratified_split
from textcnn.training.progress import Reporter

# A multi-label model without dev rows would have to guess its thresholds.
MULTI_LABEL_DEV_FRACTION = 0.1


@dataclass(frozen=True)
class Run:
    """A finished run: the predictor, what it did, and why it ended early if it did.

    Attributes:
        predictor: holds the best weights.
        summary: what ``train --json`` prints, without the folder's name.
        stopped: ``done``, ``patience``, ``interrupted`` or ``diverged``.
        problem: what went wrong, if it diverged.
    """

    predictor: Predictor
    summary: dict[str, Any]
    stopped: str
    problem: str = ""


Others = dict[str, Part[Any] | None]  # the encoded rows called dev and test


def run_text(data: Any, config: Config, reporter: Reporter, *, dev: Any = None, test: Any = None) -> Run:
    """Train a text classifier.

    Args:
        data: anything :func:`textcnn.text.reading.read_examples` reads.
        config: every setting.
        reporter: is told what happens.
        dev: rows that choose the best epoch and calibrate, as ``data``.
        test: rows that are only measured, as ``data``.

    Raises:
        DataError: the data cannot be read as asked.
        ConfigError: a setting that does not fit the data or the architecture.
    """
    _check_dev(dev, config)
    device = prepare(config.training)
    examples = _read(data, config, reporter)
    given = {
        name: None if source is None else _read(source, config, reporter, multi_label=examples.multi_label)
        for name, source in {"dev": dev, "test": test}.items()
    }
    labels = Labels.collect(examples.labels, multi_label=examples.multi_label)
    train, given["dev"] = _hold_out(examples, given["dev"], config, reporter)
    _warn_of_copies(train, given, reporter)

    tokenizer = Tokenizer.train(train.texts, config.text)
    inputs = TextInputs(tokenizer, config.text.max_length)
    part = _encode(inputs, train, reporter)
    others: Others = {name: None if rows is None else _encode(inputs, rows, reporter) for name, rows in given.items()}
    model = build_text_classifier(config.model, len(tokenizer), labels)
    dropout = _word_dropout(inputs, part.encoded, config)
    artifact = Artifact(model, inputs, labels, config.model)
    source = {"name": examples.name, "fingerprint": _digest(examples)}
    return _run(artifact, part, others, config, reporter, device=device, source=source, augment={"dropout": dropout})


def run_images(data: Any, config: Config, reporter: Reporter, *, dev: Any = None, test: Any = None) -> Run:
    """Train an image classifier; arguments as for :func:`run_text`, with files that ``read_images`` reads.

    Raises:
        DataError: the data cannot be read as asked.
        ConfigError: a setting that does not fit the data or the architecture.
    """
    _check_dev(dev, config)
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
        splits = _split(train.truth, config.training.dev_fraction, config)
        train, others["dev"] = (Part(images.pixels[rows], [train.truth[i] for i in rows]) for rows in splits)
    artifact = Artifact(build_image_classifier(config.model, inputs.shape, labels), inputs, labels, config.model)
    source = {"name": images.name, "fingerprint": hashlib.sha256(images.pixels.tobytes()).hexdigest()}
    return _run(artifact, train, others, config, reporter, device=device, source=source)


def labelled_images(inputs: ImageInputs, images: Images) -> Part[Any]:
    """Images with the label of each.

    Raises:
        DataError: they have no labels, or another shape than the model's.
    """
    if images.labels is None:
        raise DataError("expected labelled images, found images without labels", path=images.name)
    return Part(inputs.encode(images.pixels), [(label,) for label in images.labels])


def _read(data: Any, config: Config, reporter: Reporter, *, multi_label: bool | None = None) -> Examples:
    examples = read_examples(data, config.data, multi_label=multi_label)
    reporter.say(examples.describe())
    for notice in examples.notices:
        reporter.say(f"note: {notice}")
    return examples


def _check_dev(dev: Any, config: Config) -> None:
    if dev is not None and (fraction := config.training.dev_fraction):
        raise DataError(f"expected dev rows or dev_fraction, got both (dev_fraction is {fraction}); leave one out")


def _split(truth: Sequence[tuple[str, ...]], fraction: float, config: Config) -> tuple[Rows, Rows]:
    kept, held = stratified_split(list(truth), fraction, seed=config.training.seed)
    if not len(held) and config.training.dev_fraction:
        raise DataError(
            f"dev_fraction {fraction} of {len(truth)} rows is no row; raise it, or give dev rows of your own"
        )
    return kept, held


def _hold_out(
    examples: Examples, dev: Examples | None, config: Config, reporter: Reporter
) -> tuple[Examples, Examples | None]:
    """Training rows and dev rows: those given, a share of the training rows, or none."""
    fraction = config.training.dev_fraction
    if dev is not None:
        return examples, dev
    if not fraction and examples.multi_label:
        fraction = MULTI_LABEL_DEV_FRACTION
        reporter.say(f"multi-label without dev rows: {fraction:.0%} of the rows are held out to set the thresholds")
    if not fraction:
        reporter.say("no dev rows: all rows train for a fixed number of epochs, temperature 1, thresholds 0.5")
        return examples, None
    kept, held = _split(examples.labels, fraction, config)
    if not len(held):
        reporter.say(f"too few rows to hold some out: all {len(examples):,} rows train, thresholds 0.5")
        return examples, None
    return examples.subset(kept), examples.subset(held)


def _warn_of_copies(train: Examples, others: dict[str, Examples | None], reporter: Reporter) -> None:
    if conflicts := count_conflicts(train.texts, train.labels):
        reporter.say(f"warning: {conflicts:,} texts occur with different labels in the training data")
    for name, part in others.items():
        if part is not None and (shared := count_shared(train.texts, part.texts)):
            reporter.say(f"warning: {shared:,} {name} texts are training texts too")


def _encode(inputs: TextInputs, examples: Examples, reporter: Reporter) -> Part[Ragged]:
    tokens = inputs.encode(examples.texts)
    if cut := int(inputs.cut_rows(tokens).sum()):
        reporter.say(f"note: {cut:,} of {len(tokens):,} texts are cut after {inputs.max_length} tokens")
    return Part(tokens, examples.labels)


def _word_dropout(inputs: TextInputs, tokens: Ragged, config: Config) -> WordDropout | None:
    unknown = inputs.tokenizer.unknown_id
    if unknown is None:
        return None
    constant, rare, seed = config.training.word_dropout, config.training.rare_dropout, config.training.seed
    return WordDropout.fit(tokens, len(inputs.tokenizer), unknown, constant=constant, rare=rare, seed=seed)


def _digest(examples: Examples) -> str:
    digest = hashlib.sha256()
    for text, labels in zip(examples.texts, examples.labels, strict=True):
        digest.update("\x1f".join([text, *labels]).encode("utf-8", "surrogatepass") + b"\x1e")
    return digest.hexdigest()


def _run(
    artifact: Artifact,
    train: Part[Any],
    others: Others,
    config: Config,
    reporter: Reporter,
    *,
    device: torch.device,
    source: dict[str, Any],
    augment: dict[str, Any] | None = None,
) -> Run:
    """Train the model of the artifact, measure it, and write what was found into the artifact."""
    model, inputs, labels, test = artifact.model, artifact.inputs, artifact.labels, others["test"]
    for one, other in labels.near_twins():
        reporter.say(f"warning: the labels {one!r} and {other!r} differ only by case or blanks")
    for name, part in others.items():
        if part is not None and (unseen := {label for row in part.truth for label in row} - set(labels.names)):
            shown = ", ".join(map(repr, sorted(unseen)))
            reporter.say(f"warning: {name} labels unseen in training count as wrong: {shown}")
    learned = learn(
        model, inputs, train, others["dev"], labels, config.training, reporter, device=device, augment=augment
    )
    artifact.temperature, artifact.thresholds = learned.temperature, learned.thresholds
    fit, predictor = learned.fit, Predictor(artifact)
    summary = {
        "architecture": config.model.architecture,
        "examples": {name: 0 if part is None else len(part.truth) for name, part in {"train": train, **others}.items()},
        "num_labels": len(labels),
        "num_parameters": num_parameters(model),
        "epochs": len(fit.history),
        "best_epoch": fit.best_epoch,
        "stopped": fit.stopped,
        "train_seconds": fit.seconds,
        "tokens_per_second": fit.tokens_per_second,
        "backend": kernels.BACKEND,
        "temperature": learned.temperature,
        "calibration": learned.calibration or None,
        "dev": learned.dev,
        "test": None if test is None else predictor.score(test.encoded, test.truth),
    }
    timed = ("train_seconds", "tokens_per_second")
    resolved = dataclasses.replace(config.training, epochs=learned.epochs)
    artifact.training = {
        "config": dataclasses.replace(config, training=resolved).to_dict(),
        "data": source,
        "history": fit.history,
        **{name: value for name, value in summary.items() if name not in timed},
    }
    artifact.timing = {name: summary[name] for name in timed}
    return Run(predictor, summary, fit.stopped, fit.problem)
