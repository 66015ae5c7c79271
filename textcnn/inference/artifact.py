"""The artifact: one folder that holds all a prediction needs. Safetensors and JSON; loading runs no code from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from textcnn.config import ModelConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.image.batching import ImageInputs
from textcnn.inference.card import model_card
from textcnn.inference.folder import previous_folder, replaced_folder
from textcnn.labels import MULTI_LABEL, SINGLE_LABEL, Labels
from textcnn.models.base import build_image_classifier, build_text_classifier
from textcnn.text.batching import TextInputs
from textcnn.text.tokenizer import Tokenizer

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
TRAINING, TIMING, CARD = "training.json", "timing.json", "README.md"
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
    """

    model: nn.Module
    inputs: TextInputs | ImageInputs
    labels: Labels
    config: ModelConfig
    temperature: float = 1.0
    thresholds: list[float] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)

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
            {"max_length": self.inputs.max_length} if isinstance(self.inputs, TextInputs) else asdict(self.inputs)
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
            "versions": {name: version(name) for name in LIBRARIES},
        }

    def save(self, folder: str | Path) -> Path:
        """Write the folder, whole or not at all; one that was there is replaced.

        Raises:
            ArtifactError: the place cannot be written.
        """
        folder = Path(folder)
        state = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        with replaced_folder(folder) as place:
            safetensors.torch.save_file(state, place / WEIGHTS, metadata={"format": "pt"})
            (place / WEIGHTS).chmod(0o644)
            _write_json(place / CONFIG, self.describe())
            _write_json(place / TRAINING, self.training)
            _write_json(place / TIMING, self.timing)
            if isinstance(self.inputs, TextInputs):
                (place / TOKENIZER).write_text(self.inputs.tokenizer.to_json(), encoding="utf-8")
            (place / CARD).write_text(model_card(self.describe(), self.training), encoding="utf-8")
        return folder


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
    weights = _read_weights(folder / WEIGHTS)
    inputs: TextInputs | ImageInputs
    try:
        if saved["modality"] == "text":
            inputs = TextInputs(Tokenizer.load(folder / TOKENIZER), saved["max_length"])
            _check_rows(folder, "embedding.word.weight", weights, len(inputs.tokenizer), "types in tokenizer.json")
            model: nn.Module = build_text_classifier(config, len(inputs.tokenizer), labels)
        else:
            channels, height, width = saved["shape"]
            inputs = ImageInputs((channels, height, width), tuple(saved["mean"]), tuple(saved["std"]))
            model = build_image_classifier(config, inputs.shape, labels)
        model.load_state_dict(weights, strict=True)
    except (ConfigError, RuntimeError) as err:
        problem = str(err).replace("\n\t", " ").replace("\n", " ")
        raise ArtifactError(f"{folder / WEIGHTS}: the weights do not fit {CONFIG}: {problem}") from err
    training, timing = (_read_json(folder / name) for name in (TRAINING, TIMING))
    return Artifact(
        model.eval(), inputs, labels, config, saved["temperature"], list(saved["thresholds"]), training, timing
    )


def read_config(folder: str | Path) -> dict[str, Any]:
    """Config.json of a model folder, after the checks that need no weights: the folder, its files, its version.

    Raises:
        ArtifactError: as for :func:`load_artifact`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        previous = previous_folder(folder)
        rescue = f"; an interrupted save left the previous model in {str(previous)!r}" if previous.is_dir() else ""
        raise ArtifactError(f"expected a model folder at {str(folder)!r}, found none{rescue}")
    wanted = [CONFIG, WEIGHTS, TRAINING, TIMING]
    saved = _read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if saved.get("modality", "text") == "text":
        wanted.append(TOKENIZER)
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        raise ArtifactError(f"{folder}: the model folder lacks {', '.join(missing)}; it holds {found}")
    if saved.get("format_version") != FORMAT_VERSION:
        raise ArtifactError(
            f"{folder / CONFIG}: expected format_version {FORMAT_VERSION}, found {saved.get('format_version')!r}; "
            f"use the textcnn that wrote it, or train again"
        )
    _check_config(folder / CONFIG, saved)
    return saved


_KINDS: dict[str, type | tuple[type, ...]] = {
    "modality": str,
    "architecture": str,
    "embedding_dim": int,
    "binary_sigmoid": bool,
    "settings": dict,
    "labels": list,
    "problem_type": str,
    "thresholds": list,
    "temperature": (int, float),
}


def _check_config(path: Path, saved: dict[str, Any]) -> None:
    problems = [
        f"{name} is {saved.get(name)!r}" for name, kind in _KINDS.items() if not isinstance(saved.get(name), kind)
    ]
    if not problems:
        if saved["problem_type"] not in (SINGLE_LABEL, MULTI_LABEL):
            problems.append(f"problem_type is {saved['problem_type']!r}")
        if len(saved["thresholds"]) != len(saved["labels"]):
            problems.append(f"{len(saved['thresholds'])} thresholds for {len(saved['labels'])} labels")
        own = ("max_length",) if saved["modality"] == "text" else ("shape", "mean", "std")
        problems += [f"{name} is absent" for name in own if name not in saved]
    if problems:
        raise ArtifactError(f"{path}: damaged or written by something else: {'; '.join(problems)}")


def _check_rows(folder: Path, name: str, weights: dict[str, torch.Tensor], expected: int, what: str) -> None:
    if name in weights and len(weights[name]) != expected:
        raise ArtifactError(
            f"{folder}: {WEIGHTS} has {len(weights[name]):,} rows in {name}, but there are {expected:,} {what}; "
            f"the files are from different models"
        )


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
        raise ArtifactError(f"{path}: expected safetensors weights, but the file is damaged: {err}") from err


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise ArtifactError(f"{path}: expected a JSON object, but the file is damaged: {err}") from err
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: expected a JSON object, found {type(found).__name__}")
    return found


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
