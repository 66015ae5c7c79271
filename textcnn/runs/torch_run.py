"""Trains text models of any architecture as torch modules."""

from __future__ import annotations

from textcnn.config import ModelConfig, TrainingConfig
from textcnn.config_types import SPARSE
from textcnn.labels import Labels
from textcnn.models.base import TextClassifier, build_text_classifier, weights_of
from textcnn.progress import Reporter
from textcnn.runs.core_run import start_from_rows
from textcnn.runs.prepare import Prepared, deciding
from textcnn.tokenization.masking import WordDropout
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.training.core_trainer import Road
from textcnn.training.fit import learn, prepare
from textcnn.training.resource_limits import Watch
from textcnn.training.result import Learned


def train_network(
    prepared: Prepared, training: TrainingConfig, road: Road, reporter: Reporter, watch: Watch | None
) -> tuple[TextClassifier, Learned]:
    """Train one network with the seed of ``training``, which differs from that of ``prepared`` in an ensemble."""
    inputs, part = prepared.inputs, prepared.train
    device = prepare(training)
    model = fresh_model(prepared.config.model, inputs, prepared.labels, training.seed)
    start_from_rows(weights_of(model), prepared, training.seed)
    learned = learn(
        model,
        inputs,
        part,
        prepared.others["dev"],
        prepared.labels,
        training,
        reporter,
        device=device,
        augment={"dropout": WordDropout.of(inputs, part.encoded, training)},
        watch=watch,
        run=lambda: deciding(prepared),
        road=road,
    )
    return model, learned


def fresh_model(config: ModelConfig, inputs: TextPipeline, labels: Labels, seed: int) -> TextClassifier:
    """Build a network of that config with fresh random weights."""
    return build_text_classifier(
        config,
        len(inputs.tokenizer),
        labels,
        num_ngrams=0 if inputs.lexicon is None else inputs.lexicon.num_ngrams,
        num_features=None if inputs.wide is None or config.wide == SPARSE else len(inputs.wide.keys),
        seed=seed,
    )
