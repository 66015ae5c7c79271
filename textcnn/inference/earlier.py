"""Folders of earlier versions of the format, made into what a folder of today holds when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textcnn.errors import ArtifactError
from textcnn.inference.storage import unpacked
from textcnn.labels import MULTI_LABEL

FORMAT_VERSION = 4
READABLE = (1, 2, 3, FORMAT_VERSION)  # 3 was 2 with weights in smaller numbers (textcnn.inference.storage)

# What a text model of versions 1 to 3 had where its folder does not say it; from version 4 on the defaults are others.
_EARLIER_DIM = 100
_EARLIER_KIM = {"nested": False, "num_filters": 100}

# What folders of version 1 lack if they were written before there were pretrained vectors, or scales of int8.
_ADDED = {"vectors": None, "keep_vectors": None, "embedding_channels": "fine-tuned", "scales": None}
_BIAS, _WIDE_BIAS = "head.bias", "wide.bias"


def config_of_today(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Config.json with what that version left open: sizes and filters, and in version 1 the scale of the wide branch.

    Then a multi-label model's ``wide_scale`` was as any other's. A folder of any version that does not say what its
    model is blind to is blind to nothing; images always are. One that has no bound on the n-grams of a token has all.
    """
    config = {"blinded": [], "storage": "float32", "reading": None, "ngrams_per_token": None, **saved}
    if saved["format_version"] < 4 and config.get("modality") == "text":
        if config.get("embedding_dim", 0) is None:
            config["embedding_dim"] = _EARLIER_DIM
        if config.get("architecture") == "kim" and isinstance(config.get("settings"), dict):
            config["settings"] = {**_EARLIER_KIM, **config["settings"]}
    if saved["format_version"] != 1:
        return config
    config = {**_ADDED, **config}
    if config.get("problem_type") == MULTI_LABEL and config.get("wide_scale", 0) is None:
        config["wide_scale"] = 1.0 if config["vectors"] is None else 0.5
    return config


def weights_of_today(weights: Mapping[str, Any], saved: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The tensors, of numpy or torch, by name, in float32 whatever they are stored in.

    In version 1 the wide branch of a multi-label model had a bias. It is added to the head's bias, as much as it
    counted, so the logits stay what they were up to rounding.

    Raises:
        ArtifactError: the bias is absent, or not of the shape of the head's.
    """
    today = unpacked(weights, path)
    wide = "wide.keys" in today and _BIAS in today  # without a head's bias it is the reader's to complain
    if saved["format_version"] == 1 and saved["problem_type"] == MULTI_LABEL and wide:
        shape = tuple(today[_BIAS].shape)
        bias = today.pop(_WIDE_BIAS, None)
        if bias is None or tuple(bias.shape) != shape:
            found = "none" if bias is None else f"{tuple(bias.shape)}"
            raise ArtifactError(f"{path}: expected a tensor {_WIDE_BIAS!r} of shape {shape}, found {found}")
        today[_BIAS] = today[_BIAS] + saved["wide_scale"] * bias
    return today
