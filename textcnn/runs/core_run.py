"""Trains one-layer text models on the compiled core, and initializes the weights of any text model."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import HUBER, ModelConfig, TrainingConfig
from textcnn.config_types import SPARSE
from textcnn.core import library
from textcnn.core.layout import PaddedWeights, Shape
from textcnn.core.threads import num_threads
from textcnn.core.training import Trainer
from textcnn.core.training_inputs import Network, Objective
from textcnn.labels import Labels
from textcnn.models.kim_settings import KimSettings
from textcnn.models.weights import (
    SPARSE_LABELS,
    SPARSE_OFFSETS,
    SPARSE_WEIGHTS,
    WIDE_IDF,
    WIDE_KEYS,
    WIDE_TABLE,
    Weights,
    initial_weights,
    num_outputs,
    set_word_rows,
)
from textcnn.nn.label_centroids import label_centroids
from textcnn.nn.ngram_weights import naive_bayes_table
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter
from textcnn.runs.continuing import take_weights
from textcnn.runs.prepare import Prepared, deciding
from textcnn.tokenization.masking import WordDropout
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.training.candidates import label_sampler
from textcnn.training.character_branch import CharacterWeights
from textcnn.training.core_trainer import CORE, CoreLearner, Road, branch_logits_of, estimate, texts_of
from textcnn.training.distributed import weights_digest
from textcnn.training.loop import Learner
from textcnn.training.planning import dev_scores, planned_fit
from textcnn.training.resource_limits import Watch, require_memory
from textcnn.training.result import Branches, Learned, uncalibrated, weighted
from textcnn.training.sampler import Rows, class_weights, label_log_odds, shuffled_batches


def first_weights(prepared: Prepared, seed: int) -> Weights:
    """Return the initial weights of ``kim``, by name.

    Raises:
        ConfigError: they and what training makes of them need more memory than there is.
    """
    inputs, model, num_labels = prepared.inputs, prepared.config.model, len(prepared.labels)
    num_ngrams = 0 if inputs.lexicon is None else inputs.lexicon.num_ngrams
    num_rows, num_words = len(inputs.tokenizer) + num_ngrams, len(inputs.tokenizer)
    # Rows of a table of the n-gram branch that is trained.
    num_features = None if inputs.wide is None or model.wide == SPARSE else len(inputs.wide.keys)
    # Twice as numbers and once in training; Adam's two averages of the head; logarithms of counts of the n-grams.
    tables = 12 * num_rows * model.dim
    head, wide = 24 * KimSettings.of(model).out_features(model.dim) * num_labels, 20 * (num_features or 0) * num_labels
    advice = "wide=sparse (one label a text) or wide=false" if wide > tables else "min_frequency=2 or embedding_dim=48"
    require_memory(
        tables + head + wide,
        f"{num_rows:,} rows of words, a head of {num_labels:,} labels, {wide >> 20:,} MiB for n-grams x labels; "
        f"set {advice}, or give fewer labels",
    )
    weights = initial_weights(model, num_words, num_ngrams, num_features, prepared.labels, seed)
    start_from_rows(weights, prepared, seed)
    return weights


def sparse_weights(prepared: Prepared) -> Weights:
    """Return the weights of a sparse n-gram branch by name: the centroids of the labels' training texts."""
    inputs, part, labels = prepared.inputs, prepared.train, prepared.labels
    assert inputs.wide is not None
    assert part.encoded.wide is not None
    keys, idf = inputs.wide.keys, inputs.wide.idf
    found = label_centroids(part.encoded.wide, labels.encode(part.truth).astype(np.int64), len(keys), len(labels))
    names = (WIDE_KEYS, WIDE_IDF, SPARSE_OFFSETS, SPARSE_LABELS, SPARSE_WEIGHTS)
    return dict(zip(names, (keys, idf, found.offsets, found.labels, found.weights), strict=True))


def start_from_rows(weights: Weights, prepared: Prepared, seed: int) -> None:
    """Initialize weights in place with naive Bayes weights, pretrained vectors and the weights of the starting model.

    Args:
        weights: the fresh weights of any text architecture.
        prepared: the prepared rows and inputs.
        seed: the seed for the vectors of words without a pretrained one.
    """
    inputs, part = prepared.inputs, prepared.train
    if WIDE_TABLE in weights and inputs.wide is not None and part.encoded.wide is not None:
        weights[WIDE_KEYS][:], weights[WIDE_IDF][:] = inputs.wide.keys, inputs.wide.idf
        size, num_labels = weights[WIDE_TABLE].shape
        if not prepared.labels.targets:  # in regression the branch starts at nothing
            targets = prepared.labels.encode(part.truth)
            weights[WIDE_TABLE][:] = naive_bayes_table(size, num_labels, part.encoded.wide, targets)
    if prepared.pretrained is not None:
        set_word_rows(weights, prepared.pretrained.word_rows(len(inputs.tokenizer), seed))
    if prepared.start is not None:
        take_weights(weights, inputs, prepared.start)


def train_weights(
    prepared: Prepared, training: TrainingConfig, road: Road, reporter: Reporter, watch: Watch | None
) -> tuple[Weights, Learned]:
    """Train one network with the seed of ``training``, which differs from that of ``prepared`` in an ensemble."""
    inputs, part, labels, model = prepared.inputs, prepared.train, prepared.labels, prepared.config.model
    targets = part.targets(labels, training.teacher_weight)
    counts = None if part.weights is None else (part.weights / part.weights.mean()).astype(np.float32)
    weights = first_weights(prepared, training.seed)
    # A table of n-grams and labels is trained on all labels, so the head may look at all of them too.
    sampler = None if len(weights.get(WIDE_TABLE, ())) else label_sampler(training, labels, targets)
    trainer = core_trainer(weights, model, labels, inputs.max_length, objective_of(prepared, training), training)
    del weights  # the trainer has a copy
    corpus = trainer.corpus(texts_of(inputs, part.encoded, targets, counts))
    sizes = inputs.sizes(part.encoded)

    def order(epoch: int) -> list[Rows]:
        return shuffled_batches(
            sizes, training.batch_size, seed=training.seed, epoch=epoch, batch_tokens=training.batch_tokens
        )

    first = order(0)

    def build(config: TrainingConfig, listener: Reporter) -> Learner:
        return CoreLearner(trainer, corpus, order, sizes, config, len(first) * (config.epochs or 0), listener, sampler)

    dev = prepared.others["dev"]
    evaluate = None
    if dev is not None:
        rows = trainer.corpus(texts_of(inputs, dev.encoded))
        before = uncalibrated(model.scale, labels, has_wide=bool(model.wide))
        evaluate = dev_scores(
            lambda part: weighted(branch_logits_of(trainer, rows, part), model.scale), dev, before, labels
        )
    fit, epochs = planned_fit(
        build,
        lambda: estimate(trainer, corpus, first, training, sampler),
        training,
        len(first),
        len(part.truth),
        reporter,
        evaluate=evaluate,
        metric=labels.metric,
        dev_rows=0 if dev is None else len(dev.truth),
        watch=watch,
        deciding=lambda: {
            **deciding(prepared),
            "road": road.name,
            "weights before training": weights_digest(trainer.weights.weights()),
        },
    )
    return trainer.weights.weights(), Learned(fit, epochs, road)


def branches_function(artifact: Artifact, training: TrainingConfig) -> Branches:
    """Return a function that computes the logits of each branch of encoded rows with the artifact's weights."""
    inputs, config = artifact.text_inputs(), artifact.config

    @cache
    def trainer() -> Trainer:  # created on first use: without rows to measure it is never needed
        return core_trainer(artifact.weights, config, artifact.labels, inputs.max_length, Objective(), training)

    def branches(encoded: EncodedTexts) -> list[npt.NDArray[np.floating]]:
        found = branch_logits_of(trainer(), trainer().corpus(texts_of(inputs, encoded)))
        if artifact.config.wide == SPARSE:
            return [*found, artifact.many_labels().word_logits(encoded)]
        own = CharacterWeights.of(artifact.weights)
        return found if own is None else [*found, own.logits(inputs, encoded)]

    return branches


def core_trainer(
    weights: Weights,
    config: ModelConfig,
    labels: Labels,
    max_length: int | None,
    objective: Objective,
    training: TrainingConfig,
) -> Trainer:
    """Create a core trainer with a copy of the weights of ``kim``.

    Args:
        weights: the weights by name.
        config: the settings of the model.
        labels: the names of the logits' columns.
        max_length: the number of tokens of a text that the model sees; none: all.
        objective: the loss and the dropout.
        training: the settings of training, for the number of threads.
    """
    core = library()
    assert core is not None, f"the road {CORE!r} is chosen only where there is one"
    settings = KimSettings.of(config)
    two = config.embedding_channels == "multichannel"
    shape = Shape(
        settings.widths,
        settings.nested,
        settings.num_filters,
        config.dim,
        len(labels),
        num_outputs(config, labels),
        has_fixed_channel=two,
        has_mean=settings.pooling == "max+mean",
        has_ngrams="embedding.tuned.ngram.weight" in weights or "embedding.ngram.weight" in weights,
        has_wide="wide.table.weight" in weights,
    )
    network = Network(
        settings.activation,
        adds_ngrams=two or config.vectors is not None,
        trains_words=config.embedding_channels != "static",
        is_multi_label=labels.multi_label,
        is_regression=bool(labels.targets),
        max_length=max_length,
    )
    return Trainer(core, PaddedWeights(weights, shape), network, objective, num_threads(training.threads))


def objective_of(prepared: Prepared, training: TrainingConfig) -> Objective:
    """Return the loss and dropout of a run, with class weights and word dropout from its training rows."""
    labels, truth = prepared.labels, prepared.train.truth
    weights = class_weights(training.class_weight, labels, truth)
    slope, cuts = labels.standard_cuts(training.loss) or (0.0, None)
    return dataclasses.replace(
        plain_objective(
            prepared.config.model, training, WordDropout.of(prepared.inputs, prepared.train.encoded, training)
        ),
        class_weights=weights,
        prior=label_log_odds(labels, truth, weights) if labels.multi_label else None,
        cuts=cuts,
        grade_slope=slope,
    )


def plain_objective(config: ModelConfig, training: TrainingConfig, dropout: WordDropout | None = None) -> Objective:
    """Return the loss and dropout that the settings determine; without ``dropout``, no words are dropped."""
    settings = KimSettings.of(config)
    words: dict[str, Any] = {} if dropout is None else {"unknown_id": dropout.unknown_id, "word_dropout": dropout.rates}
    return Objective(
        smoothing=training.label_smoothing,
        focal_gamma=training.focal_gamma,
        huber=HUBER if training.loss == "huber" else 0.0,
        dropout=settings.dropout,
        shared_dropout=settings.shared_dropout,
        clip_norm=training.clip_norm or 0.0,
        max_norm=training.max_norm or 0.0,
        weight_decay=training.weight_decay,
        rows_by_adam=training.embedding_optimizer == "adam",
        **words,
    )
