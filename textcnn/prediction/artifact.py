"""Saves and loads an artifact: a model with all that prediction needs, as safetensors and JSON, without any code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from textcnn.config import ModelConfig
from textcnn.config_types import SPARSE
from textcnn.errors import ArtifactError, ConfigError
from textcnn.evaluation.promises import HeldOutAnswers
from textcnn.folder.card import model_card
from textcnn.folder.config_json import FORMAT_VERSION, read_config, read_json, weights_of_today
from textcnn.folder.model_folder import (
    CARD,
    CONFIG,
    DRIFT,
    EVIDENCE,
    FOLDS,
    HELD_OUT,
    RESIDUALS,
    TIMING,
    TOKENIZER,
    TRAINING,
    WEIGHTS,
    library_versions,
    replaced_folder,
)
from textcnn.folder.tensors import packed
from textcnn.folder.training_rows import (
    EvidenceIndex,
    NgramCounts,
    OutOfFold,
    read_held_out,
    read_residuals,
    write_held_out,
    write_residuals,
)
from textcnn.labels import Labels
from textcnn.models.weights import CHARACTER_BIAS, CHARACTER_TABLE, Weights, num_parameters
from textcnn.reading.schema import Schema, schema_of
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.many_labels import NO_NETWORK, ManyLabelModel
from textcnn.runtime.one_layer import OneLayer, one_layer, refusal
from textcnn.tokenization.pipeline import TextPipeline

if TYPE_CHECKING:
    from torch import nn

    from textcnn.image.batches import ImageInputs
    from textcnn.training.result import Calibration


@dataclass
class Artifact:
    """A trained model with everything that prediction needs.

    Attributes:
        network: the network, on the CPU, in evaluation mode; or the weights of a text model by name, from which
            :attr:`model` builds the network on first use.
        inputs: the pipeline from raw rows to batches; its type tells the modality.
        labels: the names of the logits' columns.
        config: the architecture and its settings.
        temperature: the temperature that logits are divided by.
        thresholds: ``(C,)``, the probability from which each label is assigned (multi-label).
        training: the settings, seed, data fingerprint, history and metrics of the training run.
        timing: wall times, in a file of their own because they differ from run to run.
        folds: out-of-fold probabilities of the training rows, if there was cross validation.
        evidence: the index from winning word pairs to training rows, if it was requested.
        held_out: the answers that the calibration was fitted to, if it was and the model is single-label.
        residuals: ``(M, K)``, sizes of the errors on the rows that the calibration was fitted to, in regression.
        ngrams: counts of the training texts' words and pairs of words, for comparisons with later texts.
        storage: the storage type of the weights, one of :data:`textcnn.folder.tensors.STORAGES`.
        reading: the columns it was trained on and the way labels were written; none: not known, or an image model.
    """

    network: nn.Module | Weights
    inputs: TextPipeline | ImageInputs
    labels: Labels
    config: ModelConfig
    temperature: float = 1.0
    thresholds: list[float] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, Any] = field(default_factory=dict)
    folds: OutOfFold | None = None
    evidence: EvidenceIndex | None = None
    held_out: HeldOutAnswers | None = None
    ngrams: NgramCounts | None = None
    storage: str = "float32"
    reading: Schema | None = None
    residuals: npt.NDArray[np.float64] | None = None

    @property
    def has_network(self) -> bool:
        """Whether the network exists already, and not only its weights."""
        return not isinstance(self.network, dict)

    @property
    def model(self) -> nn.Module:
        """The network, built from the weights on first use; from then on its parameters are what is saved."""
        if isinstance(self.network, dict):
            if self.config.wide == SPARSE:
                raise ConfigError(f"expected a network of torch, but {NO_NETWORK}")
            from textcnn.prediction.networks import text_network

            self.network = text_network(self.config, self.labels, self.text_inputs(), self.network)
        return self.network

    @property
    def weights(self) -> Weights:
        """Weights and buffers by name, float16 where they are so in the file; the others share the network's memory."""
        if isinstance(self.network, dict):
            return self.network
        from textcnn.prediction.networks import saved_weights

        return saved_weights(self.network)

    def replace_weights(self, weights: Weights) -> None:
        """Replace the weights, also by ones with another number of n-grams; an existing network is rebuilt."""
        had_network, self.network = self.has_network, weights
        if had_network:
            self.network = self.model

    @property
    def lookup_refusal(self) -> str:
        """The reason why the look-up runtime cannot run this model; an empty string if it can."""
        return refusal({"modality": self.modality, **asdict(self.config)})

    @property
    def num_parameters(self) -> int:
        """The number of trainable parameters."""
        if isinstance(self.network, dict):
            return num_parameters(self.network, self.config)
        from textcnn.models.base import num_parameters as of_network

        return of_network(self.network)

    @property
    def branch_weights(self) -> dict[str, float]:
        """The weight of each branch's logits in ``probabilities = softmax(sum of weight * branch)``."""
        weights = {"network": 1 / self.temperature}
        if self.config.wide:
            weights["n-grams"] = self.config.scale / self.temperature
        if self.config.character_scale is not None:
            weights["characters"] = self.config.character_scale / self.temperature
        return weights

    @property
    def modality(self) -> str:
        """The modality, ``text`` or ``image``."""
        return "text" if isinstance(self.inputs, TextPipeline) else "image"

    @property
    def schema(self) -> Schema:
        """The columns of the training data and the way its labels were written, for reading further tables."""
        return schema_of(self.describe())

    def text_inputs(self) -> TextPipeline:
        """Return the text pipeline.

        Raises:
            ArtifactError: this is an image model.
        """
        if not isinstance(self.inputs, TextPipeline):
            raise ArtifactError("expected a text model, got an image model; use `textcnn image` for it")
        return self.inputs

    def image_inputs(self) -> ImageInputs:
        """Return the inputs of an image model.

        Raises:
            ArtifactError: this is a text model.
        """
        if isinstance(self.inputs, TextPipeline):
            raise ArtifactError("expected an image model, got a text model; use `textcnn` without `image` for it")
        return self.inputs

    def describe(self) -> dict[str, Any]:
        """Return the contents of config.json."""
        own: dict[str, Any] = (
            {"max_length": self.inputs.max_length, "blinded": list(self.inputs.blinded)}
            if isinstance(self.inputs, TextPipeline)
            else asdict(self.inputs)
        )
        return {
            "format_version": FORMAT_VERSION,
            "modality": self.modality,
            **asdict(self.config),
            "labels": list(self.labels.names),
            "problem_type": self.labels.problem_type,
            **({"targets": [asdict(target) for target in self.labels.targets]} if self.labels.targets else {}),
            **({"grades": asdict(self.labels.grades)} if self.labels.grades is not None else {}),
            "thresholds": self.thresholds,
            "temperature": self.temperature,
            **own,
            "storage": self.storage,
            "reading": None if self.reading is None else self.reading.to_json(),
            **({} if self.labels.tree is None else {"hierarchy": self.labels.tree.to_json()}),
            "versions": dict(library_versions()),
        }

    def save(self, folder: str | Path) -> Path:
        """Write the model folder atomically, replacing an existing one.

        Raises:
            ArtifactError: the folder cannot be written.
        """
        folder = Path(folder)
        state = {name: np.asarray(value, order="C") for name, value in packed(self.weights, self.storage).items()}
        with replaced_folder(folder) as place:
            try:
                # transformers and others refuse safetensors files without this entry.
                safetensors.numpy.save_file(state, place / WEIGHTS, metadata={"format": "pt"})
            except safetensors.SafetensorError as err:  # a full disk, for one
                raise ArtifactError(f"cannot write a model to {str(folder)!r}: {err}") from err
            if self.folds is not None:
                self.folds.write(place / FOLDS)
            if self.evidence is not None:
                self.evidence.write(place / EVIDENCE)
            if self.held_out is not None:
                write_held_out(self.held_out, place / HELD_OUT)
            if self.residuals is not None:
                write_residuals(self.residuals, place / RESIDUALS)
            if self.ngrams is not None:
                self.ngrams.write(place / DRIFT)
            (place / WEIGHTS).chmod(0o644)
            _write_json(place / CONFIG, {**self.describe(), "scales": self._scales(folder)})
            _write_json(place / TRAINING, self.training)
            _write_json(place / TIMING, self.timing)
            if isinstance(self.inputs, TextPipeline):
                _write(place / TOKENIZER, self.inputs.tokenizer.to_json())
            _write(place / CARD, model_card(self.describe(), self.training))
        return folder

    def one_layer(self, folder: Path = Path("model")) -> OneLayer | None:
        """Return the weights for the look-up runtime; none if that cannot run the model.

        Args:
            folder: the name of the folder in error messages.
        """
        if self.lookup_refusal:
            return None
        inputs = self.text_inputs()
        return one_layer(self.weights, self.describe(), len(inputs.tokenizer), inputs.lexicon, folder)

    def _scales(self, folder: Path) -> list[float] | None:
        """Return the quantization steps of the filters for ``precision="int8"``; none without a look-up runtime."""
        model = self.one_layer(folder)
        return None if model is None else model.steps(len(self.text_inputs().tokenizer))

    def lookup(self) -> LookupModel:
        """Return this model in the look-up runtime.

        Raises:
            ConfigError: the look-up runtime cannot run the model; the message says why.
        """
        model = self.one_layer()
        if model is None:
            raise ConfigError(f"expected a model with a look-up runtime, but {self.lookup_refusal}")
        return LookupModel(model, self.text_inputs(), self.describe())

    def many_labels(self) -> ManyLabelModel:
        """Return this model, whose n-gram branch is sparse, in the runtime of very many labels."""
        inputs, saved = self.text_inputs(), self.describe()
        model = one_layer(self.weights, saved, len(inputs.tokenizer), inputs.lexicon, Path("model"))
        return ManyLabelModel(model, inputs, saved)

    def logits_function(self) -> Callable[[Any], npt.NDArray[np.floating]]:
        """Return a function from encoded rows to their logits ``(N, C)``.

        It uses the look-up runtime if that can run the model and no network has been built, and the network otherwise.
        """
        if self.config.wide == SPARSE:
            return self.many_labels().logits
        if not self.has_network and not self.lookup_refusal:
            return self.lookup().logits
        from textcnn.models.base import logits_of

        model, columns = self.model, len(self.labels)
        return lambda encoded: logits_of(model, self.inputs, encoded).reshape(-1, columns)

    def branches_function(self) -> Callable[[Any], list[npt.NDArray[np.floating]]]:
        """Return a function from encoded rows to the logits ``(N, C)`` of each branch, by the same runtime."""
        if self.config.wide == SPARSE:
            plain = replace(self, temperature=1.0, config=replace(self.config, wide_scale=1.0))
            return plain.many_labels().branches
        if not self.has_network and not self.lookup_refusal:
            has_wide, has_characters = self.text_inputs().wide is not None, self.config.character_scale is not None
            scales = [(0.0, 0.0), *[(1.0, 0.0)] * has_wide, *[(0.0, 1.0)] * has_characters]
            sums = [self._scaled(wide, characters if has_characters else None) for wide, characters in scales]

            def branches(encoded: Any) -> list[npt.NDArray[np.floating]]:
                network, *both = (logits(encoded) for logits in sums)
                return [network, *(together - network for together in both)]

            return branches
        from textcnn.models.base import branch_logits_of

        model, columns = self.model, len(self.labels)
        return lambda encoded: [
            logits.reshape(-1, columns) for logits in branch_logits_of(model, self.inputs, encoded).values()
        ]

    def _scaled(self, wide: float, characters: float | None) -> Callable[[Any], npt.NDArray[np.floating]]:
        """Return the function to logits with these factors of the branches."""
        config = replace(self.config, wide_scale=wide, character_scale=characters)
        return replace(self, config=config).lookup().logits

    def add_characters(self, table: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> None:
        """Add a branch of characters with these weights, which does not count before :meth:`calibrate`."""
        weights = {**self.weights, CHARACTER_TABLE: table, CHARACTER_BIAS: bias}
        self.config = replace(self.config, character_scale=self.config.character_scale or 0.0)
        self.replace_weights(weights)

    def calibrate(self, calibration: Calibration) -> None:
        """Set temperature, factors of the branches, thresholds, and the answers that they were fitted to.

        A branch of characters that the calibration gives no factor is removed.
        """
        self.held_out, self.residuals = calibration.held_out, calibration.residuals
        self.labels = replace(self.labels, grades=calibration.grades or self.labels.grades)
        self.temperature, self.thresholds = calibration.temperature, calibration.thresholds
        if self.modality == "image":
            return
        had_characters = self.config.character_scale is not None
        self.config = replace(self.config, wide_scale=calibration.scale, character_scale=calibration.character_scale)
        if had_characters and calibration.character_scale is None:
            names = CHARACTER_TABLE, CHARACTER_BIAS
            self.replace_weights({name: value for name, value in self.weights.items() if name not in names})
        if self.has_network:
            self.network.wide_scale = calibration.scale  # type: ignore[union-attr]
            self.network.character_scale = calibration.character_scale or 0.0  # type: ignore[union-attr]


def load_artifact(folder: str | Path) -> Artifact:
    """Load a folder that :meth:`Artifact.save` wrote, and build its network.

    Raises:
        ArtifactError: there is no such folder, files are missing or damaged, the format version is unknown, or the
            parts do not fit each other.
    """
    from textcnn.prediction.networks import read_network

    folder = Path(folder)
    saved = read_config(folder)
    labels = Labels.of(saved)
    config = ModelConfig(**{name: saved[name] for name in asdict(ModelConfig())})
    weights = weights_of_today(_read_weights(folder / WEIGHTS), saved, folder / WEIGHTS)
    network, inputs = read_network(folder, saved, config, labels, weights)
    training, timing = (read_json(folder / name) for name in (TRAINING, TIMING))
    folds = OutOfFold.read(folder / FOLDS, len(labels)) if (folder / FOLDS).is_file() else None
    evidence = EvidenceIndex.read(folder / EVIDENCE, len(labels)) if (folder / EVIDENCE).is_file() else None
    return Artifact(
        network,
        inputs,
        labels,
        config,
        saved["temperature"],
        list(saved["thresholds"]),
        training,
        timing,
        folds,
        evidence,
        read_held_out(folder / HELD_OUT, len(labels)) if (folder / HELD_OUT).is_file() else None,
        _ngram_counts(folder, inputs),
        saved["storage"],
        None if saved["reading"] is None else schema_of(saved),
        read_residuals(folder / RESIDUALS, len(labels)) if (folder / RESIDUALS).is_file() else None,
    )


def _ngram_counts(folder: Path, inputs: TextPipeline | ImageInputs) -> NgramCounts | None:
    path = folder / DRIFT
    if not isinstance(inputs, TextPipeline) or not path.is_file():
        return None
    return NgramCounts.read(path, len(inputs.tokenizer))


def _read_weights(path: Path) -> Weights:
    try:
        return safetensors.numpy.load_file(path)
    except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
        raise ArtifactError(f"{path}: expected safetensors weights, but the file is damaged: {err}") from err


def _write_json(path: Path, document: dict[str, Any]) -> None:
    _write(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    """Write the text as UTF-8, with lone surrogates as backslash escapes."""
    # Python represents undecodable bytes of a path as lone surrogates; their backslash escapes are valid JSON escapes.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
