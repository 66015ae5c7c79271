"""Prepares text runs: reads, splits and encodes the rows, and resolves the settings that depend on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import MULTI_LABEL_SCALE, Config, ModelConfig
from textcnn.config_types import SPARSE
from textcnn.core.threads import set_threads
from textcnn.errors import ConfigError, DataError
from textcnn.grades import Grades
from textcnn.labels import MANY_LABELS, Labels, label_counts
from textcnn.nn.label_centroids import words_alone
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter
from textcnn.reading.hierarchy import labels_in_tree
from textcnn.reading.messages import counted
from textcnn.reading.rows import Examples, read_examples
from textcnn.reading.schema import Schema
from textcnn.reading.statistics import (
    conflicting_rows,
    count_shared,
    digest,
    expected_unknown,
    fingerprints,
    text_statistics,
)
from textcnn.reading.stored import add_wide, encode_corpus
from textcnn.runs.continuing import extended_labels, fits_scale
from textcnn.runs.finish import Others, check_dev, split_rows
from textcnn.runs.pretrained import Pretrained, decided, read_pretrained, sentence
from textcnn.runtime.one_layer import serves_many_labels
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.training.result import Part
from textcnn.training.sampler import number_strata

# Without dev rows, a multi-label model could not fit its thresholds.
MULTI_LABEL_DEV_FRACTION = 0.1


@dataclasses.dataclass(frozen=True)
class Prepared:
    """The encoded rows and all that determines the shape of a model, for any number of models trained on them.

    Attributes:
        config: all settings, resolved.
        inputs: the tokenizer, lexicon and wide features of the training rows.
        labels: the names of the logits' columns.
        train: the training rows.
        others: the dev and test rows.
        source: the name, fingerprint and statistics of the data.
        pretrained: the pretrained vectors, or none.
        coverage: how much of the training texts the pretrained vectors cover.
        start: the model that training starts from, or none.
        held_out: the dev and test rows as they were read, by name, if there are any.
        reading: the columns that were read and the way labels were written.
        rows: ``(N,)``, the numbers of the training rows among all rows that were read.
        fits_scale: whether held-out or dev rows determine the factor of the n-gram branch; False: the user gave it.
    """

    config: Config
    inputs: TextPipeline
    labels: Labels
    train: Part[EncodedTexts]
    others: Others
    source: dict[str, Any]
    pretrained: Pretrained | None = None
    coverage: dict[str, Any] | None = None
    start: Artifact | None = None
    held_out: Mapping[str, Examples] = dataclasses.field(default_factory=dict)
    reading: Schema | None = None
    rows: npt.NDArray[np.int64] | None = None
    fits_scale: bool = True

    def with_config(self, config: Config) -> Prepared:
        """Return the same rows with other settings of model and training; settings of data and text must not differ."""
        dim, kept = config.model.embedding_dim or self.config.model.dim, self.config.model.keep_vectors or 0
        is_open = fits_scale(config, self.start)
        config = _resolve(decided(config, dim, kept), self.inputs.tokenizer, self.labels)
        return dataclasses.replace(self, config=config, fits_scale=is_open)


def prepare_text(
    data: Any,
    config: Config,
    reporter: Reporter,
    *,
    dev: Any = None,
    test: Any = None,
    start: Artifact | None = None,
    holds_out: bool = True,
) -> Prepared:
    """Read the data, split off dev rows, and tokenize and encode all rows.

    Args:
        data: as for :func:`run_text`, as are all arguments but the last.
        config: all settings.
        reporter: receives progress messages.
        dev: the dev rows.
        test: the test rows.
        start: the model to start from.
        holds_out: whether dev rows may be split off; False: all rows train.
    """
    if dev is not None:
        check_dev(config)
    is_open = fits_scale(config, start)
    set_threads(config.training.threads)
    examples = read_rows(data, config, reporter, like=None if start is None else start.schema)
    like = dataclasses.replace(examples.schema, names=() if start is None else start.labels.names)
    # Weights are for the training loss; metrics count all dev and test rows equally.
    unweighted = dataclasses.replace(config, data=dataclasses.replace(config.data, weight_column=None))
    given = {
        name: None if source is None else read_rows(source, unweighted, reporter, like=like)
        for name, source in {"dev": dev, "test": test}.items()
    }
    labels = collected_labels(examples, config, start, reporter)
    train, rows = examples, np.arange(len(examples))
    if holds_out and given["dev"] is None:
        train, given["dev"], rows = _hold_out(examples, config, reporter)
    _warn_of_copies(train, given, reporter)

    pretrained, coverage = None, None
    if start is None:
        tokenizer = Tokenizer.train(train.texts, config.text)
        config, tokenizer, pretrained = read_pretrained(config, tokenizer, reporter)
    else:
        tokenizer = start.text_inputs().tokenizer.with_words_of(train.texts, config.text)
        reporter.say(f"{len(tokenizer) - len(start.text_inputs().tokenizer):,} new types")
        config = decided(config, config.model.dim, config.model.keep_vectors or 0)
    config = _resolve(config, tokenizer, labels)
    blinded = () if start is None else start.text_inputs().blinded  # a continued model keeps its blinded words
    inputs = TextPipeline(tokenizer, config.text.max_length, build_lexicon(tokenizer, config.model), blinded=blinded)
    encoded = encode_corpus(inputs, train.texts)
    if config.model.wide:
        known = None if start is None else start.text_inputs().wide
        fit = WideFeatures.fit if known is None else known.extended
        fitted = fit(encoded, len(tokenizer))
        fitted = words_alone(fitted) if config.model.wide == SPARSE else fitted
        inputs, encoded = dataclasses.replace(inputs, wide=fitted), add_wide(encoded, fitted, train.texts)
    part = _part(inputs, encoded, train, reporter)
    others: Others = {
        name: None if rows is None else _part(inputs, encode_corpus(inputs, rows.texts), rows, reporter)
        for name, rows in given.items()
    }
    if pretrained is not None:
        coverage = pretrained.describe(part.encoded)
        reporter.say(sentence(coverage))
    source = {
        "name": examples.name,
        "source": examples.source,
        "notices": list(examples.notices),
        "fingerprint": digest(
            examples.texts, examples.labels, examples.weights, None if examples.soft is None else examples.soft.shares
        ),
        "statistics": text_statistics(inputs, part.encoded),
        "expected_unknown": expected_unknown(
            inputs,
            part.encoded,
            known=0 if start is None else len(start.text_inputs().tokenizer),
        ),
        "labels": {} if labels.targets else label_counts(train.labels),
    }
    held_out = {name: part for name, part in given.items() if part is not None}
    return Prepared(
        *(config, inputs, labels, part, others, source, pretrained, coverage, start, held_out, like, rows, is_open)
    )


def collected_labels(examples: Examples, config: Config, start: Artifact | None, reporter: Reporter) -> Labels:
    """Return the labels of the rows, sorted, after those of the model that training starts from, if there is one.

    Raises:
        ConfigError: ``hierarchy`` is neither a separator nor a file.
        DataError: the labels do not fit the tree, they are too few, or the rows have numbers where labels are needed.
    """
    if examples.form.numbers != bool(start is not None and start.labels.targets) and start is not None:
        wanted = "numbers, as the model predicts" if start.labels.targets else "labels, as the model gives"
        raise DataError(
            f"expected {wanted}, found {'numbers' if examples.form.numbers else 'labels'}", path=examples.name
        )
    if examples.form.numbers:
        if start is not None:
            return start.labels
        grades = Grades.of(examples.form.grades) if examples.form.grades else None
        return Labels(examples.label_columns, targets=examples.targets, grades=grades)
    if start is None:
        found = Labels.collect(examples.label_sets, multi_label=examples.multi_label)
    else:
        found = extended_labels(start.labels, examples.label_sets, reporter)
        if config.data.hierarchy is None and start.labels.tree is not None:
            found = found.with_tree(start.labels.tree.to_json())
    how = config.data.hierarchy
    return found if how is None and found.tree is None else labels_in_tree(found, how, reporter.say)


def default_scale(model: ModelConfig, labels: Labels) -> float:
    """Return the factor of the n-gram branch: the setting, or its default for these labels."""
    return MULTI_LABEL_SCALE if labels.multi_label and model.wide_scale is None else model.scale


def read_rows(data: Any, config: Config, reporter: Reporter, *, like: Schema | None = None) -> Examples:
    """Read labelled texts and report what was read; ``Examples`` are returned as they are.

    Raises:
        DataError: the data cannot be read with these settings.
    """
    if isinstance(data, Examples):
        return data
    examples = read_examples(data, config.data, like=like)
    reporter.say(examples.source)
    reporter.say(examples.describe())
    for notice in examples.notices:
        reporter.say(f"note: {notice}")
    return examples


def _hold_out(
    examples: Examples, config: Config, reporter: Reporter
) -> tuple[Examples, Examples | None, npt.NDArray[np.int64]]:
    """Return the training rows, the dev rows that are split off, if any, and the numbers of the training rows."""
    fraction, every = config.training.dev_fraction, np.arange(len(examples))
    if not fraction and examples.multi_label:
        fraction = MULTI_LABEL_DEV_FRACTION
        reporter.say(f"multi-label without dev rows: {fraction:.0%} of the rows are held out to set the thresholds")
    if not fraction:
        how = "the mean of the branches" if examples.form.numbers else "temperature 1, thresholds 0.5"
        reporter.say(f"no dev rows: all rows train for a fixed number of epochs, {how}")
        return examples, None, every
    labelled = examples.labelled
    strata = number_strata(examples.labels) if examples.form.numbers else examples.labels
    _, split_off = split_rows([strata[row] for row in labelled.tolist()], fraction, config)
    split_off = labelled[split_off]
    kept = np.setdiff1d(every, split_off)
    if not len(split_off):
        reporter.say(f"too few rows to hold some out: all {len(examples):,} rows train, thresholds 0.5")
        return examples, None, every
    return examples.subset(kept), examples.subset(split_off), kept


def _warn_of_copies(train: Examples, others: dict[str, Examples | None], reporter: Reporter) -> None:
    known = fingerprints(train.texts)
    if conflicts := len(conflicting_rows(known, train.labels)):
        texts = f"{counted(conflicts, 'text')} occur{'s' if conflicts == 1 else ''}"
        reporter.say(f"warning: {texts} with different labels in the training data")
    for name, part in others.items():
        if part is not None and (shared := count_shared(known, fingerprints(part.texts))):
            texts = f"{counted(shared, f'{name} text')} {'is a training text' if shared == 1 else 'are training texts'}"
            reporter.say(f"warning: {texts} too")


def _part(inputs: TextPipeline, tokens: EncodedTexts, examples: Examples, reporter: Reporter) -> Part[EncodedTexts]:
    if cut := int(inputs.cut_rows(tokens).sum()):
        reporter.say(f"note: {cut:,} of {len(tokens):,} texts are cut after {inputs.max_length} tokens")
    return Part(tokens, examples.labels, examples.weights, examples.soft)


def _resolve(config: Config, tokenizer: Tokenizer, labels: Labels) -> Config:
    """Resolve open settings: sub-words by the tokenizer, the wide branch by the architecture, and its scale."""
    model, text = config.model, config.text
    if model.subwords is None:
        model = dataclasses.replace(model, subwords=tokenizer.has_whole_words and text.tokenizer != "char")
    if model.wide is None:
        is_sparse = len(labels) > MANY_LABELS and not labels.multi_label and _answers_many(model)
        model = dataclasses.replace(
            model, wide=(SPARSE if is_sparse else True) if model.architecture == "kim" else False
        )
    if model.wide == SPARSE and (labels.multi_label or not _answers_many(model)):
        raise ConfigError(
            "wide is 'sparse', which is for one label a text and 'kim' with pooling 'max' or 'max+mean', or 'bag' of "
            "words; leave it out"
        )
    if model.wide_scale is None:
        model = dataclasses.replace(model, wide_scale=default_scale(model, labels))
    return dataclasses.replace(config, model=model)


def _answers_many(model: ModelConfig) -> bool:
    """Return whether the runtime of very many labels can run such a model."""
    return serves_many_labels({**dataclasses.asdict(model), "modality": "text", "wide": SPARSE})


def deciding(prepared: Prepared) -> dict[str, Any]:
    """Return what determines the weights besides the training settings, so that a checkpoint is not resumed wrongly."""
    dev = prepared.held_out.get("dev")
    return {
        "model": dataclasses.asdict(prepared.config.model),
        "text": dataclasses.asdict(prepared.config.text),
        "training rows": prepared.source["fingerprint"],
        "dev rows": None if dev is None else digest(dev.texts, dev.labels),
    }
