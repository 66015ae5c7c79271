"""The artifact: one folder that holds all a prediction needs. Safetensors and JSON; loading runs no code from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn

from textcnn.config import ModelConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.image.batching import ImageInputs
from textcnn.inference.card import model_card
from textcnn.inference.earlier import FORMAT_VERSION, weights_of_today
from textcnn.inference.evidence import EvidenceIndex
from textcnn.inference.folder import (
    CARD,
    CONFIG,
    EVIDENCE,
    FOLDS,
    TIMING,
    TOKENIZER,
    TRAINING,
    WEIGHTS,
    replaced_folder,
)
from textcnn.inference.lookup import LookupModel
from textcnn.inference.manifest import read_config, read_json
from textcnn.inference.one_layer import OneLayer, one_layer, refusal
from textcnn.inference.out_of_fold import OutOfFold
from textcnn.inference.plausible import check_claims, filled
from textcnn.inference.storage import packed
from textcnn.labels import MULTI_LABEL, Labels
from textcnn.models.base import TextClassifier, build_image_classifier, build_text_classifier
from textcnn.text.batching import TextInputs
from textcnn.text.lexicon import build_lexicon
from textcnn.text.read_table import one_line
from textcnn.text.tokenizer import Tokenizer

WIDE_TABLE = "wide.table.weight"
LIBRARIES = ("textcnn", "torch", "tokenizers", "numpy", "safetensors")


@dataclass
class Artifact:
    """A trained model and all it needs to answer.

    Attributes:
        model: the network, on the CPU, in evaluation mode.
        inputs: from raw rows to batches; its type is the modality.
        labels: names of the logits' columns.
        config: architecture and its settings.
        temperature: logits are divided by it.
        thresholds: ``(C,)``, from which probability a label is given (multi-label).
        training: settings, seed, fingerprint of the data, history and metrics of the run.
        timing: wall times, kept apart because they differ from run to run.
        folds: what cross validation said of every training row, if there was one.
        evidence: which training rows hold which winning word pairs, if that was asked for.
        storage: how the weights stand in the file; one of :data:`textcnn.inference.storage.STORAGES`.
    """

    model: nn.Module
    inputs: TextInputs | ImageInputs
    labels: Labels
    config: ModelConfig
    temperature: float = 1.0
    thresholds: list[float] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    folds: OutOfFold | None = None
    evidence: EvidenceIndex | None = None
    storage: str = "float32"

    @property
    def modality(self) -> str:
        """``text`` or ``image``."""
        return "text" if isinstance(self.inputs, TextInputs) else "image"

    def text_inputs(self) -> TextInputs:
        """The inputs of a text model.

        Raises:
            ArtifactError: this is an image model.
        """
        if not isinstance(self.inputs, TextInputs):
            raise ArtifactError("expected a text model, got an image model; use `textcnn image` for it")
        return self.inputs

    def image_inputs(self) -> ImageInputs:
        """The inputs of an image model.

        Raises:
            ArtifactError: this is a text model.
        """
        if not isinstance(self.inputs, ImageInputs):
            raise ArtifactError("expected an image model, got a text model; use `textcnn` without `image` for it")
        return self.inputs

    def describe(self) -> dict[str, Any]:
        """What config.json holds."""
        own: dict[str, Any] = (
            {"max_length": self.inputs.max_length, "blinded": list(self.inputs.blinded)}
            if isinstance(self.inputs, TextInputs)
            else asdict(self.inputs)
        )
        return {
            "format_version": FORMAT_VERSION,
            "modality": self.modality,
            **asdict(self.config),
            "labels": list(self.labels.names),
            "problem_type": self.labels.problem_type,
            "thresholds": self.thresholds,
            "temperature": self.temperature,
            **own,
            "storage": self.storage,
            "versions": {name: version(name) for name in LIBRARIES},
        }

    def save(self, folder: str | Path) -> Path:
        """Write the folder, whole or not at all; one that was there is replaced.

        Raises:
            ArtifactError: the place cannot be written.
        """
        folder = Path(folder)
        state = {name: value.contiguous().numpy() for name, value in self.model.state_dict().items()}
        if isinstance(self.model, TextClassifier) and self.model.wide is not None and self.model.wide.is_float16:
            state[WIDE_TABLE] = state[WIDE_TABLE].astype(np.float16)  # exact: they are float16 numbers
        with replaced_folder(folder) as place:
            try:
                safetensors.numpy.save_file(packed(state, self.storage), place / WEIGHTS, metadata={"format": "pt"})
            except safetensors.SafetensorError as err:  # a full disk, for one
                raise ArtifactError(f"cannot write a model to {str(folder)!r}: {err}") from err
            if self.folds is not None:
                self.folds.write(place / FOLDS)
            if self.evidence is not None:
                self.evidence.write(place / EVIDENCE)
            (place / WEIGHTS).chmod(0o644)
            _write_json(place / CONFIG, {**self.describe(), "scales": self._scales(folder)})
            _write_json(place / TRAINING, self.training)
            _write_json(place / TIMING, self.timing)
            if isinstance(self.inputs, TextInputs):
                _write(place / TOKENIZER, self.inputs.tokenizer.to_json())
            _write(place / CARD, model_card(self.describe(), self.training))
        return folder

    def one_layer(self, folder: Path = Path("model")) -> OneLayer | None:
        """The weights for the look-up runtime; none where the model is not one that it can answer.

        Args:
            folder: named in errors.
        """
        if refusal(self.describe()):
            return None
        inputs = self.text_inputs()
        tensors = {name: value.detach().cpu().numpy() for name, value in self.model.state_dict().items()}
        return one_layer(tensors, self.describe(), len(inputs.tokenizer), inputs.lexicon, folder)

    def _scales(self, folder: Path) -> list[float] | None:
        """Steps of the filters for ``precision="int8"``."""
        model = self.one_layer(folder)
        return None if model is None else model.steps(len(self.text_inputs().tokenizer))

    def lookup(self) -> LookupModel:
        """The same model in the look-up runtime.

        Raises:
            ConfigError: it has none, and why.
        """
        model = self.one_layer()
        if model is None:
            raise ConfigError(f"expected a model with a look-up runtime, but {refusal(self.describe())}")
        return LookupModel(model, self.text_inputs(), self.describe())


def load_artifact(folder: str | Path) -> Artifact:
    """Read a folder that :meth:`Artifact.save` wrote.

    Raises:
        ArtifactError: there is no such folder, files are missing or damaged, the format is of another version, or the
            parts do not fit each other.
    """
    folder = Path(folder)
    saved = read_config(folder)
    labels = Labels(tuple(saved["labels"]), saved["problem_type"] == MULTI_LABEL)
    config = ModelConfig(**{name: saved[name] for name in asdict(ModelConfig())})
    weights = weights_of_today(_read_weights(folder / WEIGHTS), saved, folder / WEIGHTS)
    model: nn.Module
    inputs: TextInputs | ImageInputs
    try:
        check_claims(saved, weights)
        if saved["modality"] == "text":
            model, inputs = _text_model(folder, saved, config, labels, weights)
        else:
            channels, height, width = saved["shape"]
            inputs = ImageInputs((channels, height, width), tuple(saved["mean"]), tuple(saved["std"]))
            model = filled(partial(build_image_classifier, config, inputs.shape, labels), weights)
    except ArtifactError:
        raise
    except Exception as err:  # a setting of a wrong type fails wherever it is used
        problem = one_line(err, 1_000)
        raise ArtifactError(f"{folder / WEIGHTS}: the weights do not fit {CONFIG}: {problem}") from err
    training, timing = (read_json(folder / name) for name in (TRAINING, TIMING))
    folds = OutOfFold.read(folder / FOLDS, len(labels)) if (folder / FOLDS).is_file() else None
    evidence = EvidenceIndex.read(folder / EVIDENCE, len(labels)) if (folder / EVIDENCE).is_file() else None
    return Artifact(
        model.eval(),
        inputs,
        labels,
        config,
        saved["temperature"],
        list(saved["thresholds"]),
        training,
        timing,
        folds,
        evidence,
        saved["storage"],
    )


def _text_model(
    folder: Path, saved: dict[str, Any], config: ModelConfig, labels: Labels, weights: dict[str, torch.Tensor]
) -> tuple[nn.Module, TextInputs]:
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    for name in ("embedding.word.weight", "embedding.static.word.weight", "embedding.tuned.word.weight"):
        _check_rows(folder, name, weights, len(tokenizer), "types in tokenizer.json")
    lexicon = build_lexicon(tokenizer, config)
    build = partial(
        build_text_classifier,
        config,
        len(tokenizer),
        labels,
        num_ngrams=0 if lexicon is None else lexicon.num_ngrams,
        num_features=len(weights["wide.keys"]) if "wide.keys" in weights else None,
    )
    model = filled(build, weights)
    if model.wide is not None:
        model.wide.is_float16 = weights[WIDE_TABLE].dtype == torch.float16
    wide = None if model.wide is None else model.wide.features
    return model, TextInputs(tokenizer, saved["max_length"], lexicon, wide, tuple(saved["blinded"]))


def _check_rows(folder: Path, name: str, weights: dict[str, torch.Tensor], expected: int, what: str) -> None:
    rows = max(weights[name].shape[:1], default=1) if name in weights else expected
    if rows != expected:
        raise ArtifactError(
            f"{folder}: {WEIGHTS} has {rows:,} rows in {name}, but there are {expected:,} {what}; "
            f"the files are from different models"
        )


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
        raise ArtifactError(f"{path}: expected safetensors weights, but the file is damaged: {err}") from err


def _write_json(path: Path, document: dict[str, Any]) -> None:
    _write(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """UTF-8; of a path that is not, Python has lone surrogates, and a backslash escape of one is JSON's escape too."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
