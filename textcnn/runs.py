"""A run from labelled data to a predictor: read, encode, learn, measure; texts and images share all but the reading."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from textcnn.config import Config
from textcnn.errors import DataError
from textcnn.image.batching import ImageInputs
from textcnn.image.reading import Images, read_images
from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.labels import Labels
from textcnn.models.base import TextClassifier, build_image_classifier, build_text_classifier, num_parameters
from textcnn.text.batching import EncodedTexts, TextInputs, WordDropout
from textcnn.text.lexicon import build_lexicon
from textcnn.text.overlap import count_conflicts, count_shared
from textcnn.text.ragged import Ragged
from textcnn.text.reading import Examples, read_examples
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.wide import WideFeatures
from textcnn.training.learn import Learned, Part, learn, prepare
from textcnn.training.order import stratified_split
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


@dataclass(frozen=True)
class _Parts:
    """The encoded splits of a run."""

    train: Part[Any]
    dev: Part[Any] | None
    test: Part[Any] | None


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
    device = prepare(config.training)
    examples = _read(data, config, reporter)
    given_dev, given_test = (
        None if source is None else _read(source, config, reporter, multi_label=examples.multi_label)
        for source in (dev, test)
    )
    labels = Labels.collect(examples.labels, multi_label=examples.multi_label)
    train, held_out = _hold_out(examples, given_dev, config, reporter)
    _warn(labels, train, {"dev": held_out, "test": given_test}, reporter)

    tokenizer = Tokenizer.train(train.texts, config.text)
    config = _resolve(config, tokenizer)
    inputs = TextInputs(tokenizer, config.text.max_length, build_lexicon(tokenizer, config.model))
    if config.model.wide:
        inputs = dataclasses.replace(inputs, wide=WideFeatures.fit(inputs.encode(train.texts)))
    parts = _Parts(
        _encode(inputs, train, reporter),
        None if held_out is None else _encode(inputs, held_out, reporter),
        None if given_test is None else _encode(inputs, given_test, reporter),
    )
    model = _fresh_model(config, inputs, labels, parts.train)
    dropout = _word_dropout(inputs, parts.train.encoded, config)
    learned = learn(
        model,
        inputs,
        parts.train,
        parts.dev,
        labels,
        config.training,
        reporter,
        device=device,
        augment={"dropout": dropout},
    )
    artifact = Artifact(model.eval(), inputs, labels, config.model, learned.temperature, learned.thresholds)
    return _finish(artifact, config, learned, parts, {"name": examples.name, "fingerprint": _digest(examples)})


def run_images(data: Any, config: Config, reporter: Reporter, *, dev: Any = None, test: Any = None) -> Run:
    """Train an image classifier; arguments as for :func:`run_text`, with files that ``read_images`` reads.

    Raises:
        DataError: the data cannot be read as asked.
        ConfigError: a setting that does not fit the data or the architecture.
    """
    device = prepare(config.training)
    images = read_images(data)
    reporter.say(f"read {len(images.pixels):,} images of shape {images.pixels.shape[1:]} from {images.name}")
    inputs = ImageInputs.fit(images.pixels)
    train = labelled_images(inputs, images)
    labels = Labels.collect(train.truth, multi_label=False)
    parts = _Parts(
        train,
        None if dev is None else labelled_images(inputs, read_images(dev)),
        None if test is None else labelled_images(inputs, read_images(test)),
    )
    if config.training.dev_fraction and dev is None:
        splits = stratified_split(list(train.truth), config.training.dev_fraction, seed=config.training.seed)
        kept, held = (Part(images.pixels[rows], [train.truth[i] for i in rows]) for rows in splits)
        parts = _Parts(kept, held, parts.test)
    model = build_image_classifier(config.model, inputs.shape, labels)
    learned = learn(model, inputs, parts.train, parts.dev, labels, config.training, reporter, device=device)
    artifact = Artifact(model.eval(), inputs, labels, config.model, learned.temperature, learned.thresholds)
    source = {"name": images.name, "fingerprint": hashlib.sha256(images.pixels.tobytes()).hexdigest()}
    return _finish(artifact, config, learned, parts, source)


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


def _hold_out(
    examples: Examples, dev: Examples | None, config: Config, reporter: Reporter
) -> tuple[Examples, Examples | None]:
    """Training rows and dev rows: those given, a share of the training rows, or none."""
    fraction = config.training.dev_fraction
    if dev is not None:
        if fraction:
            raise DataError(f"expected dev rows or dev_fraction, got both (dev_fraction is {fraction}); leave one out")
        return examples, dev
    if not fraction and examples.multi_label:
        fraction = MULTI_LABEL_DEV_FRACTION
        reporter.say(f"multi-label without dev rows: {fraction:.0%} of the rows are held out to set the thresholds")
    if not fraction:
        reporter.say("no dev rows: all rows train for a fixed number of epochs, temperature 1, thresholds 0.5")
        return examples, None
    kept, held = stratified_split(examples.labels, fraction, seed=config.training.seed)
    return examples.subset(kept), examples.subset(held)


def _warn(labels: Labels, train: Examples, others: dict[str, Examples | None], reporter: Reporter) -> None:
    for one, other in labels.near_twins():
        reporter.say(f"warning: the labels {one!r} and {other!r} differ only by case or blanks")
    if conflicts := count_conflicts(train.texts, train.labels):
        reporter.say(f"warning: {conflicts:,} texts occur with different labels in the training data")
    for name, part in others.items():
        if part is None:
            continue
        if shared := count_shared(train.texts, part.texts):
            reporter.say(f"warning: {shared:,} {name} texts are training texts too")
        if unseen := sorted({label for row in part.labels for label in row} - set(labels.names)):
            reporter.say(f"warning: {name} labels unseen in training count as wrong: {', '.join(map(repr, unseen))}")


def _encode(inputs: TextInputs, examples: Examples, reporter: Reporter) -> Part[EncodedTexts]:
    tokens = inputs.encode(examples.texts)
    if cut := int(inputs.cut_rows(tokens).sum()):
        reporter.say(f"note: {cut:,} of {len(tokens):,} texts are cut after {inputs.max_length} tokens")
    return Part(tokens, examples.labels)


def _resolve(config: Config, tokenizer: Tokenizer) -> Config:
    """Decide what was left open: sub-words belong to whole words, the wide branch to ``kim``."""
    model, text = config.model, config.text
    if model.subwords is None:
        model = dataclasses.replace(model, subwords=tokenizer.has_whole_words and text.tokenizer != "char")
    if model.wide is None:
        model = dataclasses.replace(model, wide=model.architecture == "kim")
    return dataclasses.replace(config, model=model)


def _fresh_model(config: Config, inputs: TextInputs, labels: Labels, train: Part[EncodedTexts]) -> TextClassifier:
    wide = train.encoded.wide
    model = build_text_classifier(
        config.model,
        len(inputs.tokenizer),
        labels,
        num_ngrams=0 if inputs.lexicon is None else inputs.lexicon.num_ngrams,
        num_features=None if inputs.wide is None else len(inputs.wide.keys),
    )
    if model.wide is not None and inputs.wide is not None and wide is not None:
        model.wide.fit_features(inputs.wide, wide, labels.encode(train.truth))
    return model


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


def _finish(artifact: Artifact, config: Config, learned: Learned, parts: _Parts, source: dict[str, Any]) -> Run:
    """Measure the artifact on the test rows, sum up the run, and write both into the artifact."""
    fit, predictor = learned.fit, Predictor(artifact)
    splits = {"train": parts.train, "dev": parts.dev, "test": parts.test}
    summary = {
        "architecture": config.model.architecture,
        "examples": {name: 0 if part is None else len(part.truth) for name, part in splits.items()},
        "num_labels": len(artifact.labels),
        "num_parameters": num_parameters(artifact.model),
        "epochs": len(fit.history),
        "best_epoch": fit.best_epoch,
        "stopped": fit.stopped,
        "train_seconds": fit.seconds,
        "tokens_per_second": fit.tokens_per_second,
        "backend": learned.backend.backend,
        "temperature": learned.temperature,
        "calibration": learned.calibration or None,
        "dev": learned.dev,
        "test": None if parts.test is None else predictor.score(parts.test.encoded, parts.test.truth),
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
