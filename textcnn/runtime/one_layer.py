"""Reads the weights and the tokenizer of a one-layer text model from its folder, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textcnn.config import ModelConfig
from textcnn.config_types import SPARSE
from textcnn.core.many_labels_numpy import SparseTable
from textcnn.core.numeric import ExactProduct
from textcnn.core.units import UNIT
from textcnn.errors import ArtifactError
from textcnn.folder.config_json import read_config, weights_of_today
from textcnn.folder.model_folder import CONFIG, TOKENIZER, WEIGHTS
from textcnn.folder.tensors import mapped_tensors
from textcnn.labels import Labels
from textcnn.models.weights import (
    CHARACTER_BIAS,
    CHARACTER_TABLE,
    SPARSE_LABELS,
    SPARSE_OFFSETS,
    SPARSE_WEIGHTS,
    num_outputs,
)
from textcnn.reading.table import shown
from textcnn.runtime.cache import BLOCK, TypeVectors
from textcnn.runtime.filters import FilterWeights, steps_of
from textcnn.tokenization.lexicon import Lexicon, Unseen, build_lexicon
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

Array = npt.NDArray[Any]

ARCHITECTURES = ("kim", "bag")
POOLINGS = ("max+mean", "max")  # of kim; the first is the default
KERNEL_SIZES = (3, 4, 5)  # the default of kim
MOST_TAPS = 10_000  # limit on the sum of nested widths: a small file must not make the tables arbitrarily large
ACTIVATION = "relu"  # the default of kim
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "identity")
_MARGIN = 1 + 1e-5  # bound on the rounding of float32's products
SCALED_TYPES = 20_000  # the most frequent types, whose products determine the quantization steps of int8


def refusal(saved: Mapping[str, Any], *, allows_sparse: bool = False) -> str:
    """Return why the look-up runtime cannot run the model of this config.json; an empty string if it can.

    With ``allows_sparse``, why no runtime without torch can.
    """
    if saved["modality"] != "text":
        return "it classifies images, look-up is for texts"
    if saved["architecture"] not in ARCHITECTURES:
        return (
            f"architecture {saved['architecture']!r} is not one layer; look-up is for {' and '.join(ARCHITECTURES)}, "
            f"whose scores are sums over words"
        )
    pooling = saved["settings"].get("pooling", POOLINGS[0])
    if pooling not in POOLINGS:
        return f"pooling {pooling!r} needs every window; look-up keeps the largest, for {' and '.join(POOLINGS)}"
    if saved["settings"].get("word_ngrams", 1) != 1:
        return "its word n-grams have vectors of their own; look-up is for bags of words alone"
    if saved.get("wide") == SPARSE and not allows_sparse:
        return "its n-gram branch is sparse, for very many labels; look-up has a number for each label and word"
    return ""


def serves_many_labels(saved: Mapping[str, Any]) -> bool:
    """Return whether the model of this config.json is for :class:`textcnn.runtime.many_labels.ManyLabelModel`."""
    return saved.get("wide") == SPARSE and not refusal(saved, allows_sparse=True)


@dataclass(frozen=True)
class OneLayer:
    """The weights of a one-layer model: ``logits = activation(maxima) @ head + mean @ means + bias + scale * wide``.

    Attributes:
        vectors: the vectors of types.
        filters: the weights of the filters; zero filters for ``bag``.
        means: ``(C, D)`` float32, the head's weights of the mean of the vectors; none: no mean pooling.
        bias: ``(C,)`` int64, the head's bias in units of ``UNIT``.
        table: ``(features, C)`` float32, the weights of the wide branch; none: no wide branch.
        features: the n-gram of each row of the table.
        scale: the factor of the wide branch.
        sparse: its weights in the place of the table, where labels are very many.
    """

    vectors: TypeVectors
    filters: FilterWeights
    means: Array | None
    bias: npt.NDArray[np.int64]
    table: Array | None
    features: WideFeatures | None
    scale: float
    sparse: SparseTable | None = None

    @property
    def num_labels(self) -> int:
        """C, the number of labels."""
        return len(self.bias)

    def product(self) -> ExactProduct:
        """Return the product of vectors with all taps, followed by the head's weights of the mean."""
        means = np.zeros((0, self.filters.taps.shape[1]), np.float32) if self.means is None else self.means
        return ExactProduct(np.concatenate([self.filters.taps, means]))

    def steps(self, num_types: int) -> list[float]:
        """Return the int8 quantization step of every filter, from the products of the most frequent types.

        Float32 products are enough, since steps are computed once and stored in the model's folder; the margin keeps
        the largest exact product from being clipped.
        """
        taps = self.filters.taps
        top = np.zeros((1, len(taps)))
        for start in range(0, min(num_types, SCALED_TYPES), BLOCK):
            types = np.arange(start, min(start + BLOCK, num_types, SCALED_TYPES))
            products = np.abs(self.vectors(types, Unseen()) @ taps.T)
            top = np.maximum(top, products.max(axis=0, initial=0) * _MARGIN)
        return [float(step) for step in steps_of(top, self.filters)] if len(taps) else []


def one_layer(
    tensors: Mapping[str, Array],
    saved: Mapping[str, Any],
    num_types: int,
    lexicon: Lexicon | None,
    folder: Path,
) -> OneLayer:
    """Build the one-layer model from the tensors of a model folder, and check their names and shapes.

    Raises:
        ArtifactError: tensors are missing, left over, or of another shape than config.json implies.
    """
    config = ModelConfig(**{name: saved[name] for name in asdict(ModelConfig())})
    labels = Labels.of(saved)
    rest = dict(tensors)
    found = _Taker(rest, folder)
    two = config.embedding_channels == "multichannel"
    names = ("embedding.static.", "embedding.tuned.") if two else ("embedding.",)
    for name in names:
        found.take(f"{name}word.weight", num_types, config.dim)
    if lexicon is not None and lexicon.num_ngrams:
        found.take(f"{names[-1]}ngram.weight", lexicon.num_ngrams, config.dim)
    dim = config.dim * len(names)
    is_kim, has_bank = config.architecture == "kim", bool(config.settings.get("nested", True))
    convs = []
    if is_kim:
        convs = _nested(found, dim, config, folder) if has_bank else _filters(found, dim)
    num_maxima = sum(len(bias) for _, bias in convs)
    outputs = num_outputs(config, labels)
    averages = config.settings.get("pooling", POOLINGS[0]) == POOLINGS[0] or config.architecture == "bag"
    head = found.take("head.weight", outputs, num_maxima + averages * dim)
    bias = found.take("head.bias", outputs).astype(np.float64)
    if outputs < len(labels):  # one output through a sigmoid: logits (0, z)
        head, bias = np.concatenate([0 * head, head]), np.concatenate([0 * bias, bias])
    table, features, scale, sparse = None, None, config.scale, None
    if "wide.keys" in rest:
        size = found.num_rows("wide.keys")
        features = WideFeatures(found.take("wide.keys", size, kinds=(np.int64,)), found.take("wide.idf", size))
        if config.wide == SPARSE:
            sparse = _sparse_table(found, size, len(labels))
        else:
            table = found.take("wide.table.weight", size, len(labels), kinds=(np.float32, np.float16))
            table = np.asarray(table, np.float32)  # float16 where it was large
    if config.character_scale is not None:
        num_ngrams = 0 if lexicon is None else lexicon.num_ngrams
        found.take(CHARACTER_TABLE, num_ngrams, len(labels))
        bias = bias + config.character_scale * found.take(CHARACTER_BIAS, len(labels)).astype(np.float64)
        if not averages:
            raise ArtifactError(f"{folder / CONFIG}: expected pooling 'max+mean' with a branch of characters")
    found.check_all_taken()
    activation = config.settings.get("activation", ACTIVATION)
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ArtifactError(f"{folder / CONFIG}: expected an activation of {known}, found {shown(activation)}")
    sizes, is_nested = np.array([weight.shape[2] for weight, _ in convs], np.int64), is_kim and has_bank
    stored = convs[-1:] if is_nested else convs  # the widest has the taps of all
    taps = [weight.transpose(2, 0, 1).reshape(-1, dim) for weight, _ in stored]  # (h * F, D)
    filters = FilterWeights(
        sizes,
        np.concatenate([np.zeros((0, dim), np.float32), *taps]),
        np.concatenate([np.zeros(0, np.float32), *(bias for _, bias in convs)]),
        np.ascontiguousarray(head[:, :num_maxima].T),
        activation,
        is_nested,
    )
    return OneLayer(
        TypeVectors(tensors, lexicon, adds=config.vectors is not None, score_scale=config.character_scale),
        filters,
        head[:, num_maxima:] if averages else None,
        np.rint(bias / UNIT).astype(np.int64),
        table,
        features,
        scale,
        sparse,
    )


def _sparse_table(found: _Taker, num_features: int, num_labels: int) -> SparseTable:
    """Return the sparse weights of the n-gram branch; their numbers are checked by the runtime."""
    offsets = found.take(SPARSE_OFFSETS, num_features + 1, kinds=(np.int64,))
    size = found.num_rows(SPARSE_WEIGHTS) if SPARSE_WEIGHTS in found.tensors else 0
    labels = found.take(SPARSE_LABELS, size, kinds=(np.int32,))
    return SparseTable(offsets, labels, found.take(SPARSE_WEIGHTS, size), num_labels)


def _nested(found: _Taker, dim: int, config: ModelConfig, folder: Path) -> list[tuple[Array, Array]]:
    """Return weights ``(F, D, h)`` and biases ``(F,)`` of every width: views of the first taps of the shared bank."""
    sizes = config.settings.get("kernel_sizes", KERNEL_SIZES)
    if not isinstance(sizes, list | tuple) or not all(type(size) is int and size > 0 for size in sizes):
        raise ArtifactError(f"{folder / CONFIG}: expected kernel_sizes from 1 up, found {shown(sizes)}")
    sizes = sorted(set(sizes))
    if not sizes or sum(sizes) > MOST_TAPS:
        raise ArtifactError(
            f"{folder / CONFIG}: expected kernel_sizes of 1 to {MOST_TAPS:,} words in all, found {sum(sizes):,}"
        )
    name = "encoder.bank.weight"
    num_filters = found.num_rows(name) if name in found.tensors else 0
    bank = found.take(name, num_filters, dim, sizes[-1])
    if not num_filters:
        raise ArtifactError(f"{found.where}: expected filters in {name!r}, found none")
    biases = found.take("encoder.bias", len(sizes), num_filters)
    return [(bank[:, :, :size], bias) for size, bias in zip(sizes, biases, strict=True)]


def _filters(found: _Taker, dim: int) -> list[tuple[Array, Array]]:
    convs: list[tuple[Array, Array]] = []
    while (name := f"encoder.convs.{len(convs)}.") + "weight" in found.tensors:
        num_filters = len(convs[0][1]) if convs else found.num_rows(f"{name}weight")
        width = max(found.tensors[f"{name}weight"].shape[-1:], default=0)
        if not num_filters or not width:  # an empty tensor fits any width, so its shape says nothing
            raise ArtifactError(f"{found.where}: expected filters in '{name}weight', found none")
        convs.append((found.take(f"{name}weight", num_filters, dim, width), found.take(f"{name}bias", num_filters)))
    return convs


class _Taker:
    """Takes tensors by name, checks their shapes and types, and keeps track of those not taken."""

    def __init__(self, tensors: dict[str, Array], folder: Path) -> None:
        self.tensors, self.where = tensors, folder / WEIGHTS

    def num_rows(self, name: str) -> int:
        """Return the number of rows of a tensor."""
        if not self.tensors[name].ndim:  # len() of a scalar would raise a TypeError
            raise ArtifactError(f"{self.where}: expected rows in {name!r}, found a single number")
        return len(self.tensors[name])

    def take(self, name: str, *shape: int, kinds: tuple[type, ...] = (np.float32,)) -> Array:
        """Remove a tensor and return it, after checking its shape and data type."""
        if name not in self.tensors:
            raise ArtifactError(f"{self.where}: expected a tensor {name!r} of shape {shape}, found none")
        tensor = self.tensors.pop(name)
        if tensor.shape != shape:
            raise ArtifactError(f"{self.where}: expected {name!r} of shape {shape}, found {tensor.shape}")
        if tensor.dtype not in kinds:
            expected = " or ".join(str(np.dtype(kind)) for kind in kinds)
            raise ArtifactError(f"{self.where}: expected {name!r} of {expected}, found {tensor.dtype}")
        return tensor

    def check_all_taken(self) -> None:
        """Raise an error if a tensor is left over: the file would be of another architecture."""
        if self.tensors:
            names = ", ".join(sorted(self.tensors))
            raise ArtifactError(f"{self.where}: expected no further tensors, found {names}")


class LookupFolder(NamedTuple):
    """The parts of a model folder that the look-up runtime needs.

    Attributes:
        model: the weights, memory-mapped from the file.
        pipeline: the pipeline from strings to token ids.
        saved: the contents of config.json.
    """

    model: OneLayer
    pipeline: TextPipeline
    saved: dict[str, Any]


def read_lookup_folder(folder: Path, saved: dict[str, Any] | None = None) -> LookupFolder:
    """Read a model folder for the look-up runtime.

    Args:
        folder: the model folder.
        saved: the contents of its config.json, if the caller has read it.

    Raises:
        ArtifactError: there is no such folder, it is damaged, or its model has more than one layer.
    """
    saved = read_config(folder) if saved is None else saved
    if reason := refusal(saved, allows_sparse=True):
        raise ArtifactError(f"{folder}: this model has no look-up runtime: {reason}; use the torch runtime")
    tokenizer = Tokenizer.load(folder / TOKENIZER)
    config = ModelConfig(**{name: saved[name] for name in ModelConfig.__dataclass_fields__})
    lexicon = build_lexicon(tokenizer, config)
    tensors = weights_of_today(mapped_tensors(folder / WEIGHTS), saved, folder / WEIGHTS)
    model = one_layer(tensors, saved, len(tokenizer), lexicon, folder)
    pipeline = TextPipeline(tokenizer, saved["max_length"], lexicon, model.features, tuple(saved["blinded"]))
    return LookupFolder(model, pipeline, saved)
