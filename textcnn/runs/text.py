"""From labelled texts to a predictor."""

from __future__ import annotations

import dataclasses
from typing import Any

from textcnn.config import Config, ModelConfig, TrainingConfig
from textcnn.errors import ConfigError
from textcnn.explain.evidence_index import build_evidence, check_architecture
from textcnn.inference.artifact import Artifact
from textcnn.labels import Labels
from textcnn.models.base import TextClassifier, build_text_classifier
from textcnn.runs.continuing import take_weights
from textcnn.runs.limits import limit_wide
from textcnn.runs.members import train_members
from textcnn.runs.prepared import Prepared, prepare_text
from textcnn.runs.run import Run, finish_run, num_measured, warn_of_labels
from textcnn.text.batching import TextInputs, WordDropout
from textcnn.text.overlap import digest
from textcnn.text.ragged import Ragged
from textcnn.training.learn import Learned, learn, prepare
from textcnn.training.progress import Reporter
from textcnn.training.watch import Watch


def run_text(
    data: Any,
    config: Config,
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    start: Artifact | None = None,
    evidence: bool = False,
    watch: Watch | None = None,
) -> Run:
    """Train a text classifier.

    Args:
        data: anything :func:`textcnn.text.reading.read_examples` reads, or the examples it gave.
        config: every setting.
        reporter: is told what happens.
        dev: rows that choose the best epoch and calibrate, as ``data``.
        test: rows that are only measured, as ``data``.
        start: a text model to start from, with the config that :func:`textcnn.runs.continuing.continued_config` gave.
        evidence: keep an index of the training rows that hold the n-grams which decide.
        watch: holds the run to its limits, and has its checkpoints.

    Raises:
        DataError: the data cannot be read as asked.
        ConfigError: a setting that does not fit the data or the architecture.
    """
    if evidence:
        check_architecture(config.model)
    prepared = prepare_text(data, config, reporter, dev=dev, test=test, start=start)
    run = train_prepared(prepared, reporter, watch)
    if evidence and prepared.rows is not None:
        reporter.say("evidence: the training rows that hold the n-grams which win")
        artifact, train = run.predictor.artifact, prepared.train
        artifact.evidence = build_evidence(artifact.lookup(), train.encoded, train.truth, prepared.rows)
    return run


def train_prepared(prepared: Prepared, reporter: Reporter, watch: Watch | None = None) -> Run:
    """Train a model on rows that :func:`prepare_text` gave.

    Raises:
        ConfigError: a setting that does not fit the architecture.
    """
    config, inputs, labels, part = prepared.config, prepared.inputs, prepared.labels, prepared.train
    if prepared.start is not None and config.training.ensemble > 1:
        raise ConfigError(f"ensemble is {config.training.ensemble}, but a model is continued as one; leave it out")
    device = prepare(config.training)
    warn_of_labels(labels, prepared.others, reporter)
    if watch is not None:
        watch.measured = num_measured(prepared.others) / len(part.truth)

    def build(model: ModelConfig) -> TextClassifier:
        return fresh_model(model, inputs, labels)

    def train(model: TextClassifier, training: TrainingConfig) -> Learned:
        start_from_rows(model, prepared)
        augment = {"dropout": _word_dropout(inputs, part.encoded, training)}
        dev = prepared.others["dev"]
        return learn(
            model,
            inputs,
            part,
            dev,
            labels,
            training,
            reporter,
            device=device,
            augment=augment,
            watch=watch,
            run=lambda: _deciding(prepared),
        )

    model, shape, learned = train_members(config, build, train, reporter)
    artifact = Artifact(model, inputs, labels, shape)
    others = limit_wide(artifact, dict(prepared.others), config.training.wide_megabytes, reporter)
    run = finish_run(artifact, learned, part, others, config, source=prepared.source)
    artifact.training["vectors"] = run.summary["vectors"] = prepared.coverage
    return dataclasses.replace(run, held_out=prepared.held_out)


def _deciding(prepared: Prepared) -> dict[str, Any]:
    """What the weights follow from besides the settings of training, for the checkpoints."""
    dev = prepared.held_out.get("dev")
    return {
        "model": dataclasses.asdict(prepared.config.model),
        "text": dataclasses.asdict(prepared.config.text),
        "training rows": prepared.source["fingerprint"],
        "dev rows": None if dev is None else digest(dev.texts, dev.labels),
    }


def start_from_rows(model: TextClassifier, prepared: Prepared) -> None:
    """Put into fresh weights what is known before training: naive Bayes, pretrained vectors, the model started from."""
    inputs, part = prepared.inputs, prepared.train
    if model.wide is not None and inputs.wide is not None and part.encoded.wide is not None:
        model.wide.fit_features(inputs.wide, part.encoded.wide, prepared.labels.encode(part.truth))
    if prepared.pretrained is not None:
        prepared.pretrained.put_into(model)
    if prepared.start is not None:
        take_weights(model, inputs, prepared.start)


def fresh_model(config: ModelConfig, inputs: TextInputs, labels: Labels) -> TextClassifier:
    """A network of that config for the rows, before it knows anything of them."""
    return build_text_classifier(
        config,
        len(inputs.tokenizer),
        labels,
        num_ngrams=0 if inputs.lexicon is None else inputs.lexicon.num_ngrams,
        num_features=None if inputs.wide is None else len(inputs.wide.keys),
    )


def _word_dropout(inputs: TextInputs, tokens: Ragged, config: TrainingConfig) -> WordDropout | None:
    unknown = inputs.tokenizer.unknown_id
    if unknown is None:
        return None
    constant, rare, seed = config.word_dropout, config.rare_dropout, config.seed
    return WordDropout.fit(tokens, len(inputs.tokenizer), unknown, constant=constant, rare=rare, seed=seed)
