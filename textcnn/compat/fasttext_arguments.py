"""Translates the arguments of fastText's ``train_supervised`` to the settings of :mod:`textcnn.config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textcnn.errors import TextCNNError

TUNING_SECONDS = 300  # fastText's default of ``autotuneDuration``
LOSSES = ("softmax", "ova", "hs", "ns")
ALIASES = {  # fastText takes these names too
    "min_count": "minCount",
    "word_ngrams": "wordNgrams",
    "lr_update_rate": "lrUpdateRate",
    "label_prefix": "label",
    "pretrained_vectors": "pretrainedVectors",
}
IGNORED = ("lr", "lrUpdateRate", "dim", "ws", "neg", "t", "bucket", "verbose")
_RENAMED = {"epoch": "epochs", "thread": "threads", "seed": "seed", "pretrainedVectors": "vectors"}
_WIDEST = 5  # words of the widest filter of the default model
_NEUTRAL: Mapping[str, Any] = {  # values that ask for nothing that is missing here
    "minCountLabel": (0, 1),
    "autotuneMetric": ("f1",),
    "autotunePredictions": (1,),
    "autotuneModelSize": ("",),
}
_MISSING = {
    "minCountLabel": "rare labels are trained too",
    "autotuneMetric": "settings are selected by accuracy, or the micro F1 of several labels",
    "autotunePredictions": "settings are selected by the most probable label",
    "autotuneModelSize": "the model is not made smaller; textcnn export MODEL --max-size SIZE does so",
}


class FastTextError(TextCNNError, ValueError):
    """A call that fastText answers with a ``ValueError``, or that has no counterpart in this package."""


def renamed(given: Mapping[str, Any], aliases: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that were given, under their main names; none and empty strings are not given.

    Raises:
        TypeError: a name that fastText does not have, or an argument under two names.
    """
    found = {name: value for name, value in given.items() if value is not None and value != ""}
    for alias, value in aliases.items():
        if alias not in ALIASES:
            raise TypeError(f"unexpected keyword argument {alias!r}")
        if ALIASES[alias] in found:
            raise TypeError(f"multiple values for argument {ALIASES[alias]!r}")
        found[ALIASES[alias]] = value
    return found


def settings_of(given: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the settings that the arguments ask for, and a sentence about all that have no effect, or another one.

    Raises:
        FastTextError: an unknown loss.
    """
    loss = given.get("loss", "softmax")
    if loss not in LOSSES:
        raise FastTextError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    settings: dict[str, Any] = {_RENAMED[name]: value for name, value in given.items() if name in _RENAMED}
    settings["multi_label"] = loss == "ova"
    if "minCount" in given:
        settings["min_frequency"] = max(given["minCount"], 1)
    if "minn" in given or "maxn" in given:
        settings |= _subwords(given.get("minn", 0), given.get("maxn", 0))
    if given.get("wordNgrams", 0) > _WIDEST:
        settings["kernel_sizes"] = [*range(3, given["wordNgrams"] + 1)]
    return settings, "; ".join(_told(given, loss))


def _subwords(shortest: int, longest: int) -> dict[str, Any]:
    """Return the settings of character n-grams; as in fastText, there are none if the longest is below the shortest."""
    shortest = max(shortest, 1)
    if longest < shortest:
        return {"subwords": False}
    return {"subwords": True, "ngram_min": shortest, "ngram_max": longest}


def _told(given: Mapping[str, Any], loss: str) -> list[str]:
    told = []
    if ignored := [name for name in IGNORED if name in given]:
        told.append(f"{', '.join(ignored)}: ignored")
    if loss in ("hs", "ns"):
        told.append(f"loss={loss!r}: trained as softmax")
    if given.get("wordNgrams", 2) < 2:
        told.append(f"wordNgrams={given['wordNgrams']}: pairs of words and windows of 3 to 5 are read all the same")
    told += [
        f"{name}={given[name]!r}: {what}"
        for name, what in _MISSING.items()
        if name in given and given[name] not in _NEUTRAL[name]
    ]
    tuning = [name for name in given if name.startswith("autotune")]
    if tuning and "autotuneValidationFile" not in given:
        told.append(f"{', '.join(tuning)}: ignored without autotuneValidationFile")
    return told
