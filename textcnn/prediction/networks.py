"""Builds the torch network of a model folder, after checking config.json against the shapes of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from textcnn.config import ModelConfig
from textcnn.config_types import SPARSE
from textcnn.errors import ArtifactError, ConfigError
from textcnn.folder.model_folder import CONFIG, TOKENIZER, WEIGHTS
from textcnn.image.batches import ImageInputs
from textcnn.labels import Labels
from textcnn.models.base import TextClassifier, build_image_classifier, build_text_classifier, weights_of
from textcnn.models.weights import WIDE_IDF, WIDE_KEYS, WIDE_TABLE, Weights
from textcnn.reading.table import one_line
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

_REPEATED = ("num_layers", "num_blocks")  # settings that count modules, each of which has at least one tensor
_FEW = 100  # counts up to this are always accepted
Network = TypeVar("Network", bound=nn.Module)


def check_claims(config: Mapping[str, Any], weights: Weights) -> None:
    """Check that no setting implies more layers or units than the weights can hold, before memory is allocated.

    Every layer has a tensor, and every unit at least one number.

    Raises:
        ConfigError: a setting is too large.
    """
    num_tensors = max(len(weights), _FEW)
    num_numbers = max(sum(weight.size for weight in weights.values()), _FEW)
    for name, value in _values(config):
        most = num_tensors if name in _REPEATED or isinstance(value, list) else num_numbers
        size = len(value) if isinstance(value, list) else value
        if size > most:
            found = f"a list of {size:,}" if isinstance(value, list) else str(value)[:30]
            raise ConfigError(
                f"{name} is {found}, but there are {len(weights)} tensors of {num_numbers:,} numbers together"
            )


def _values(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield all integers and lists among the settings, at any depth, with the name of the setting."""
    left: list[tuple[str, Any]] = [("embedding_dim", config["embedding_dim"]), *config["settings"].items()]
    while left:
        name, value = left.pop()
        if isinstance(value, list):
            yield name, value
            left += [(name, inner) for inner in value[:_FEW]]
        elif isinstance(value, int):
            yield name, value


def filled(build: Callable[[], Network], weights: Mapping[str, Tensor]) -> Network:
    """Build the network and load these weights into it.

    Raises:
        RuntimeError: names, shapes or data types do not fit.
    """
    # Checked on the meta device first: a network of wrong sizes, however large, then allocates no memory.
    with torch.device("meta"):
        empty = build()
    for name, tensor in empty.state_dict().items():
        found = weights[name].dtype if name in weights else tensor.dtype
        if found != tensor.dtype and {found, tensor.dtype} != {torch.float16, torch.float32}:
            raise RuntimeError(f"{name} is of {found}, and not of {tensor.dtype}")
    empty.load_state_dict(weights, strict=True, assign=True)
    network = build()
    network.load_state_dict(weights, strict=True)
    return network


def text_network(config: ModelConfig, labels: Labels, inputs: TextPipeline, weights: Weights) -> TextClassifier:
    """Build a text model in evaluation mode with copies of these weights.

    Raises:
        RuntimeError: the weights do not fit the config.
    """
    build = partial(
        build_text_classifier,
        config,
        len(inputs.tokenizer),
        labels,
        num_ngrams=0 if inputs.lexicon is None else inputs.lexicon.num_ngrams,
        num_features=len(weights[WIDE_KEYS]) if WIDE_KEYS in weights else None,
    )
    model = filled(build, {name: torch.from_numpy(value) for name, value in weights.items()})
    if model.wide is not None:
        model.wide.is_float16 = weights[WIDE_TABLE].dtype == np.float16
    return model.eval()


def saved_weights(model: nn.Module) -> Weights:
    """Return the weights by name as they are saved: a wide branch that was loaded from float16 is float16 again."""
    weights = weights_of(model)
    if isinstance(model, TextClassifier) and model.wide is not None and model.wide.is_float16:
        weights[WIDE_TABLE] = weights[WIDE_TABLE].astype(np.float16)  # exact: they are float16 numbers
    return weights


def read_network(
    folder: Path, saved: dict[str, Any], config: ModelConfig, labels: Labels, weights: Weights
) -> tuple[nn.Module | Weights, TextPipeline | ImageInputs]:
    """Build the network of a model folder, in evaluation mode, and its input pipeline; of a sparse branch, no network.

    Args:
        folder: the folder with the tokenizer, also named in error messages.
        saved: the contents of config.json.
        config: the model settings from it.
        labels: the labels from it.
        weights: the weights of the file, by name.

    Raises:
        ArtifactError: the parts do not fit each other.
    """
    try:
        check_claims(saved, weights)
        if saved["modality"] == "text":
            pipeline = _pipeline(folder, saved, config, weights)
            if config.wide == SPARSE:  # it is answered without torch
                return weights, pipeline
            return text_network(config, labels, pipeline, weights), pipeline
        channels, height, width = saved["shape"]
        inputs = ImageInputs((channels, height, width), tuple(saved["mean"]), tuple(saved["std"]))
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        return filled(partial(build_image_classifier, config, inputs.shape, labels), tensors).eval(), inputs
    except ArtifactError:
        raise
    except Exception as err:  # a setting of a wrong type fails wherever it is used
        problem = one_line(err, 1_000)
        raise ArtifactError(f"{folder / WEIGHTS}: the weights do not fit {CONFIG}: {problem}") from err


def _pipeline(folder: Path, saved: dict[str, Any], config: ModelConfig, weights: Weights) -> TextPipeline:
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    for name in ("embedding.word.weight", "embedding.static.word.weight", "embedding.tuned.word.weight"):
        _check_rows(folder, name, weights, len(tokenizer), "types in tokenizer.json")
    wide = WideFeatures(weights[WIDE_KEYS], weights[WIDE_IDF]) if WIDE_KEYS in weights else None
    return TextPipeline(tokenizer, saved["max_length"], build_lexicon(tokenizer, config), wide, tuple(saved["blinded"]))


def _check_rows(folder: Path, name: str, weights: Weights, expected: int, what: str) -> None:
    rows = max(weights[name].shape[:1], default=1) if name in weights else expected
    if rows != expected:
        raise ArtifactError(
            f"{folder}: {WEIGHTS} has {rows:,} rows in {name}, but there are {expected:,} {what}; "
            f"the files are from different models"
        )
