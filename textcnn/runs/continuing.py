"""Continues the training of a model: keeps its words, labels and weights, and appends new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import PRESETS, Config, DataConfig, ModelConfig, TextConfig, TrainingConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.calibration import DEFAULT_THRESHOLD
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.weights import CHARACTER_BIAS, CHARACTER_TABLE, WIDE_IDF, WIDE_KEYS, WIDE_TABLE, Weights
from textcnn.prediction.artifact import Artifact
from textcnn.progress import Reporter
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.training.result import Calibration

# Settings that select the new words; they may differ from those of the model.
_FREE = ("vocabulary_size", "min_frequency")


def continued_config(settings: Mapping[str, Any], start: Artifact, where: str) -> Config:
    """Return the config of a run that starts from a model: text and model settings are its own, the others as given.

    Args:
        settings: the user's settings by name.
        start: the model.
        where: the name of the model, for error messages.

    Raises:
        ConfigError: settings are out of range or contradict the model; the message lists all of them.
        ArtifactError: the model is for images.
    """
    inputs = start.text_inputs()
    given = {**PRESETS.get(settings.get("preset", "default"), {}), **settings}
    Config.from_flat(given)  # settings out of range are reported first, with the usual message
    given.pop("preset", None)
    saved = start.training.get("config", {}).get("text", {})
    fixed: dict[str, Any] = {
        **dataclasses.asdict(TextConfig()),
        **saved,
        "max_length": inputs.max_length,
        **_names(start.config),
        **registry.settings_of("text", start.config.architecture),
        **start.config.settings,
        "multi_label": start.labels.multi_label,
    }
    problems = [
        f"{name} is {value!r}, but the model {where!r} has {_shown(fixed, name)}; leave it out"
        for name, value in given.items()
        if name not in (*_FREE, *_open_names()) and not (name in fixed and _same(value, fixed[name]))
    ]
    if problems:
        raise ConfigError(problems)
    if start.labels.targets:
        given["regression"] = True
    kept = {name: given[name] for name in (*_open_names(), *_FREE) if name in given}
    text = {name: fixed[name] for name in _fields(TextConfig)} | {n: given[n] for n in _FREE if n in given}
    flat = {**kept, **text, "multi_label": start.labels.multi_label}
    return dataclasses.replace(Config.from_flat(flat), model=start.config)


def fits_scale(config: Config, start: Artifact | None) -> bool:
    """Return whether the factor of the n-gram branch is fitted: the user gave none, nor when ``start`` was trained."""
    if start is None:
        return config.model.wide_scale is None
    given = start.training.get("config", {}).get("model", {}).get("wide_scale", start.config.wide_scale)
    return given is None


def kept_calibration(start: Artifact, labels: Labels) -> Calibration:
    """Return the calibration of ``start`` for a model with these labels that goes on from it without held-out rows."""
    further = [DEFAULT_THRESHOLD] * (len(labels) - len(start.labels))
    thresholds = [*start.thresholds, *further]
    return Calibration(start.temperature, start.config.scale, thresholds, character_scale=start.config.character_scale)


def extended_labels(known: Labels, rows: Sequence[Sequence[str]], reporter: Reporter) -> Labels:
    """Return the labels of a model followed by the new ones in ``rows``, which are sorted."""
    found = {name for row in rows for name in row}
    new = sorted(found - set(known.names))
    if new:
        reporter.say(f"new labels: {', '.join(map(repr, new))}")
    if absent := [name for name in known.names if name not in found]:
        shown = ", ".join(map(repr, absent))
        reporter.say(f"warning: no row has {shown}; a model forgets what it is not shown: add rows it was trained on")
    return Labels((*known.names, *new), known.multi_label)


def take_weights(weights: Weights, inputs: TextPipeline, start: Artifact) -> None:
    """Copy the weights of ``start`` into those of a new model, which has all of its words, n-grams and labels.

    Raises:
        ArtifactError: a weight of ``start`` does not fit the new model.
    """
    before, source = start.text_inputs(), start.weights
    labels = np.arange(len(start.labels))
    rows: dict[str, npt.NDArray[np.int64]] = {}
    for name in (name for name in source if name.startswith("embedding.")):  # of one channel or of two
        if name.endswith("word.weight"):
            rows[name] = np.arange(len(before.tokenizer))
        elif name.endswith("ngram.weight") and inputs.lexicon is not None and before.lexicon is not None:
            rows[name] = np.searchsorted(inputs.lexicon.buckets, before.lexicon.buckets)
    if inputs.wide is not None and before.wide is not None:
        rows[WIDE_TABLE] = np.searchsorted(inputs.wide.keys, before.wide.keys)
    rows.update(dict.fromkeys(("head.weight", "head.bias"), labels))
    for name, weight in source.items():
        if name in (WIDE_KEYS, WIDE_IDF, CHARACTER_TABLE, CHARACTER_BIAS):  # from the features, or not trained here
            continue
        target = weights[name]
        if name.startswith("head.") and len(weight) < len(labels):  # one output z: the logits are (0, z)
            weight = weight if len(target) == 1 else np.concatenate([np.zeros_like(weight), weight])
        if weight.shape == target.shape and name not in rows:
            target[...] = weight
        elif name in rows and weight.ndim == target.ndim:
            columns = tuple(slice(size) for size in weight.shape[1:])  # further columns keep their fresh values
            place: tuple[Any, ...] = (rows[name][: len(weight)], *columns)
            target[place] = weight
        else:
            raise ArtifactError(f"{name} has the shape {weight.shape}, expected {target.shape}")


def _fields(*sections: type) -> list[str]:
    return [field.name for section in sections for field in dataclasses.fields(section)]


def _open_names() -> list[str]:
    return [name for name in _fields(DataConfig, TrainingConfig) if name != "multi_label"]


def _names(config: ModelConfig) -> dict[str, Any]:
    return {name: value for name, value in vars(config).items() if name != "settings"}


def _shown(fixed: Mapping[str, Any], name: str) -> str:
    return repr(fixed[name]) if name in fixed else "no such setting"


def _same(given: Any, fixed: Any) -> bool:
    plain = [list(value) if isinstance(value, (list, tuple)) else value for value in (given, fixed)]
    return bool(plain[0] == plain[1])
