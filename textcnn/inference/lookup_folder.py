"""What the look-up runtime needs of a model folder, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from textcnn.config import ModelConfig
from textcnn.errors import ArtifactError
from textcnn.inference.earlier import weights_of_today
from textcnn.inference.folder import TOKENIZER, WEIGHTS
from textcnn.inference.manifest import read_config
from textcnn.inference.mapped import mapped_tensors
from textcnn.inference.one_layer import OneLayer, one_layer, refusal
from textcnn.text.lexicon import build_lexicon
from textcnn.text.pipeline import TextPipeline
from textcnn.text.tokenizer import Tokenizer


class LookupFolder(NamedTuple):
    """A folder as it was read.

    Attributes:
        model: the weights, mapped from the file.
        pipeline: from strings to ids.
        saved: config.json.
    """

    model: OneLayer
    pipeline: TextPipeline
    saved: dict[str, Any]


def read_lookup_folder(folder: Path) -> LookupFolder:
    """Read a folder that ``train`` wrote.

    Raises:
        ArtifactError: there is no such folder, it is damaged, or its model is not of one layer.
    """
    saved = read_config(folder)
    if reason := refusal(saved):
        raise ArtifactError(f"{folder}: this model has no look-up runtime: {reason}; use the torch runtime")
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    config = ModelConfig(**{name: saved[name] for name in ModelConfig.__dataclass_fields__})
    lexicon = build_lexicon(tokenizer, config)
    tensors = weights_of_today(mapped_tensors(folder / WEIGHTS), saved, folder / WEIGHTS)
    model = one_layer(tensors, saved, len(tokenizer), lexicon, folder)
    pipeline = TextPipeline(tokenizer, saved["max_length"], lexicon, model.features, tuple(saved["blinded"]))
    return LookupFolder(model, pipeline, saved)
