"""Registry of architectures: listed without torch, imported when one is built."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Architecture:
    """Location of an encoder: module below ``textcnn.models``, class, and settings fixed by the name."""

    module: str
    encoder: str
    summary: str


TEXT: Mapping[str, Architecture] = {
    "kim": Architecture("kim", "KimEncoder", "one layer of filters, max over time (Kim 2014)"),
    "deep": Architecture("deep", "DeepEncoder", "convolution, activation, pooling, repeated (LeCun 1998)"),
    "charcnn": Architecture("charcnn", "CharCNNEncoder", "six convolutions over characters (Zhang 2015)"),
    "vdcnn": Architecture("vdcnn", "VDCNNEncoder", "very deep, over characters (Conneau 2017)"),
    "dpcnn": Architecture("dpcnn", "DPCNNEncoder", "deep pyramid of residual pairs (Johnson & Zhang 2017)"),
    "gated": Architecture("gated", "GatedEncoder", "gated convolutions (Dauphin 2017)"),
    "tcn": Architecture("tcn", "TCNEncoder", "causal, dilated, residual (Bai 2018)"),
    "rcnn": Architecture("rcnn", "RCNNEncoder", "each word with its recurrent contexts, max over time (Lai 2015)"),
    "clstm": Architecture("clstm", "CLSTMEncoder", "convolution, then LSTM over its windows (Zhou 2015)"),
    "bag": Architecture("bag", "BagEncoder", "mean of the word vectors (Joulin 2016)"),
    "rnn": Architecture("recurrent", "RNNEncoder", "simple recurrent network (Elman 1990)"),
    "gru": Architecture("recurrent", "GRUEncoder", "gated recurrent units (Cho 2014)"),
    "lstm": Architecture("recurrent", "LSTMEncoder", "long short-term memory (Hochreiter & Schmidhuber 1997)"),
    "mlp": Architecture("mlp", "MLPEncoder", "flatten, then dense layers (Rumelhart 1986)"),
}
IMAGE: Mapping[str, Architecture] = {
    "lenet": Architecture("lenet", "LeNetEncoder", "two convolution-pool stages and a dense layer (LeCun 1998)"),
    "vgg": Architecture("vgg", "VGGEncoder", "stages of small filters (Simonyan & Zisserman 2015)"),
    "resnet": Architecture("resnet", "ResNetEncoder", "residual blocks, mean over places (He 2016)"),
    "inception": Architecture("inception", "InceptionEncoder", "several widths side by side (Szegedy 2015)"),
    "mlp2d": Architecture("mlp2d", "MLP2dEncoder", "flatten, then fully connected (LeCun 1998)"),
}
MODALITIES: Mapping[str, Mapping[str, Architecture]] = {"text": TEXT, "image": IMAGE}


def encoder_class(modality: str, name: str) -> type[nn.Module]:
    """Return the encoder class of an architecture.

    Raises:
        ConfigError: there is no architecture of that name.
    """
    table = MODALITIES[modality]
    if name not in table:
        raise ConfigError(f"architecture must be one of {', '.join(table)} ({modality}), got {name!r}")
    found: type[nn.Module] = getattr(import_module(f"textcnn.models.{table[name].module}"), table[name].encoder)
    return found


def settings_of(modality: str, name: str) -> dict[str, Any]:
    """Return names and defaults of an architecture's settings, its encoder's keyword-only arguments."""
    parameters = inspect.signature(encoder_class(modality, name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def build(modality: str, config: ModelConfig, *inputs: int | tuple[int, int, int]) -> nn.Module:
    """Build an encoder with initial weights.

    Args:
        modality: ``text`` or ``image``.
        config: the architecture and its settings.
        inputs: what the encoder reads, of which it takes as many as it has positional arguments: the width D of word
            vectors and the number V of types, or the shape of the images.

    Raises:
        ConfigError: an unknown architecture, a setting it does not have, or a value it cannot use.
    """
    encoder = encoder_class(modality, config.architecture)
    known = settings_of(modality, config.architecture)
    problems = [
        f"{config.architecture!r} has no setting {name!r}; it has {', '.join(known)}"
        for name in config.settings
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
    try:
        return encoder(*inputs[: _num_positional(encoder)], **config.settings)
    except (TypeError, ValueError, RuntimeError) as err:  # a value of a wrong type fails somewhere in torch
        raise ConfigError(f"{config.architecture!r} cannot be built with {config.settings!r}: {err}") from err


def _num_positional(encoder: type[nn.Module]) -> int:
    parameters = inspect.signature(encoder).parameters.values()
    return sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
