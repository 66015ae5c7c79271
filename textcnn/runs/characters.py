"""Decides which models get a branch of characters, and fits its weights to their training rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from textcnn.config_types import SPARSE
from textcnn.errors import ConfigError
from textcnn.models.kim_settings import KimSettings
from textcnn.models.weights import CHARACTER_BIAS, CHARACTER_TABLE
from textcnn.runs.prepare import Prepared
from textcnn.training.character_branch import CharacterFit, refusal
from textcnn.training.result import Calibration
from textcnn.training.sampler import class_weights

Floats = npt.NDArray[np.float32]


def has_characters(prepared: Prepared, calibration: Calibration | None, *, is_on_trial: bool) -> bool:
    """Return whether the model gets a branch of characters.

    Args:
        prepared: the rows and settings.
        calibration: gives the branch a factor or not; none: it is yet to be fitted.
        is_on_trial: whether rows that the model does not see will decide about the branch.

    Raises:
        ConfigError: the settings ask for a branch that the model cannot have.
    """
    config = prepared.config
    if config.model.character_scale is None:
        is_wanted = is_on_trial if calibration is None else calibration.character_scale is not None
        return is_wanted and config.training.characters != "none" and not reason_against(prepared)
    if why_not := reason_against(prepared):
        raise ConfigError(f"character_scale is {config.model.character_scale}, but {why_not}; leave it out")
    return True


def reason_against(prepared: Prepared) -> str:
    """Return why the model cannot have a branch of characters; an empty string if it can."""
    config, labels = prepared.config.model, prepared.labels
    if labels.multi_label:
        return "a text may have several labels, and the branch is for one"
    if config.architecture != "kim" or not config.wide or KimSettings.of(config).pooling != "max+mean":
        return "the branch is for the architecture 'kim' with the wide branch and pooling 'max+mean'"
    if config.wide == SPARSE:
        return "the n-gram branch is sparse, for very many labels, and the branch has a number for each label"
    return refusal(prepared.inputs, prepared.train.encoded, len(labels))


def character_weights(prepared: Prepared) -> tuple[Floats, Floats]:
    """Return the table ``(n-grams, C)`` and the bias ``(C,)`` of the branch: fitted, or those of the starting model."""
    labels, part, start = prepared.labels, prepared.train, prepared.start
    if start is not None and CHARACTER_TABLE in start.weights:
        return _continued(prepared, start.weights[CHARACTER_TABLE], start.weights[CHARACTER_BIAS])
    counts = None if part.weights is None else part.weights / part.weights.mean()
    training = prepared.config.training
    targets = part.targets(labels, training.teacher_weight)
    if (by_label := class_weights(training.class_weight, labels, part.truth)) is not None:
        counts = (by_label[targets] if targets.ndim == 1 else targets @ by_label) * (1.0 if counts is None else counts)
    fit = CharacterFit(prepared.inputs, part.encoded, targets, len(labels), counts, is_regression=bool(labels.targets))
    found = fit.weights()
    return found.table, found.bias


def _continued(prepared: Prepared, table: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Return the weights of the starting model; new n-grams and labels have zeros."""
    assert prepared.start is not None
    before, now = prepared.start.text_inputs().lexicon, prepared.inputs.lexicon
    assert before is not None
    assert now is not None
    larger = np.zeros((now.num_ngrams, len(prepared.labels)), np.float32)
    larger[np.searchsorted(now.buckets, before.buckets), : table.shape[1]] = table
    return larger, np.concatenate([bias, np.zeros(len(prepared.labels) - len(bias), np.float32)])
