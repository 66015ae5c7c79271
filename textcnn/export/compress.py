"""Compresses a model to a given size: reduces precision, and prunes words, n-grams and filters until it fits."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import Floats
from textcnn.export.error_bound import Bound, bound_of
from textcnn.export.onnx_graph import composed
from textcnn.folder.tensors import rounded
from textcnn.models.base import TextClassifier, build_text_classifier
from textcnn.models.kim import KimEncoder
from textcnn.nn.heads import WideBranch
from textcnn.nn.ngram_weights import num_bytes
from textcnn.prediction.artifact import Artifact
from textcnn.runtime.lookup import LookupModel
from textcnn.runtime.one_layer import refusal
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer

WINDOWS = 20  # windows of the typical text for which a pruned filter's expected feature is computed
_NORMAL_MAXIMUM = 1.867  # expected maximum of 20 standard normal numbers
_ZIPF = 10  # a word of rank r has a frequency proportional to 1 / (r + _ZIPF)


def with_storage(artifact: Artifact, storage: str) -> Artifact:
    """Return the artifact with weights rounded to a storage type, and the wide branch in float16."""
    model = copy.deepcopy(_model(artifact))
    state = {name: value.contiguous().numpy() for name, value in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in rounded(state, storage).items()})
    if model.wide is not None:
        model.wide = model.wide.held_to(num_bytes(*model.wide.table.weight.shape, float16=True))
    return _replaced(artifact, model, artifact.text_inputs(), storage=storage)


def without_ngrams(artifact: Artifact) -> Artifact:
    """Return the artifact without character n-grams: known words keep their vectors, all others become ``[UNK]``.

    The branch of characters goes with them.
    """
    inputs = artifact.text_inputs()
    config = replace(artifact.config, subwords=False, character_scale=None)
    model = _built(artifact, config=config)
    gone = (".ngram.", "characters.")
    state = {name: value for name, value in _model(artifact).state_dict().items() if not any(map(name.count, gone))}
    vectors = composed(_model(artifact), inputs)
    tuned = "embedding.tuned.word.weight" if "embedding.tuned.word.weight" in state else "embedding.word.weight"
    state[tuned] = vectors[:, -config.dim :]
    model.load_state_dict(state)
    return _replaced(artifact, model, replace(inputs, lexicon=None), config=config)


def with_words(artifact: Artifact, num_types: int, num_features: int) -> Artifact:
    """Return the artifact with the most frequent types of the vocabulary and the word n-grams of the largest weights.

    The model must have whole words and no character n-grams. N-grams that contain a removed word are removed too.
    """
    inputs, model = artifact.text_inputs(), _model(artifact)
    tokenizer = _first_types(inputs.tokenizer, num_types)
    wide = model.wide
    if wide is not None:
        within = ((wide.keys >> 32) - 1 < num_types) & (wide.keys & 0xFFFFFFFF < num_types)
        wide = _rows_of(wide, within).held_to(num_bytes(num_features, wide.table.embedding_dim, float16=True))
    small = _built(artifact, num_types=num_types, wide=wide)
    state = {
        name: value[:num_types] if name.endswith("word.weight") else value
        for name, value in model.state_dict().items()
        if not name.startswith("wide.")
    }
    small.load_state_dict(
        state | {f"wide.{name}": value for name, value in (wide.state_dict() if wide else {}).items()}
    )
    features = None if wide is None else wide.features
    return _replaced(artifact, small, replace(inputs, tokenizer=tokenizer, wide=features))


def with_filters(artifact: Artifact, number: int) -> tuple[Artifact, tuple[int, ...], npt.NDArray[np.float64]]:
    """Return the artifact with only the ``number`` filters of each width that move the logits most.

    The expected contribution of the others is added to the bias. Nested widths share filters, which are ranked by all
    their features together.

    Returns:
        The artifact, the indices of the filters that it keeps, and the expected features of the others.
    """
    model = _model(artifact)
    usual, spread = _usual_features(artifact)
    head = model.head.weight.detach()
    moved = head[:, : len(usual)] - (0 if head.shape[0] == 1 else head[:, : len(usual)].mean(0))
    counts = (moved.norm(dim=0).numpy() * spread).reshape(len(_encoder(model).sizes), -1)
    nested = _encoder(model).nested
    if nested:  # a filter is removed from all widths or from none
        counts = np.broadcast_to(counts.sum(axis=0), counts.shape)
    best = np.sort(np.argsort(-counts, axis=1, kind="stable")[:, :number], axis=1)
    kept = (best + np.arange(len(best))[:, None] * counts.shape[1]).ravel()
    gone = np.setdiff1d(np.arange(len(usual)), kept)
    config = replace(artifact.config, settings={**artifact.config.settings, "num_filters": number})
    state = dict(model.state_dict())
    for group, rows in enumerate(torch.from_numpy(best)):
        for name in () if nested else (f"encoder.convs.{group}.weight", f"encoder.convs.{group}.bias"):
            state[name] = state[name][rows]
    if nested:
        state["encoder.bank.weight"] = state["encoder.bank.weight"][best[0]]
        state["encoder.bias"] = state["encoder.bias"][:, best[0]]
    state["head.weight"] = torch.cat([head[:, kept], head[:, len(usual) :]], 1)
    state["head.bias"] = state["head.bias"] + head[:, gone] @ torch.from_numpy(usual[gone])
    small = _built(artifact, config=config)
    small.load_state_dict(state)
    smaller = _replaced(artifact, small, artifact.text_inputs(), config=config)
    return smaller, tuple(kept.tolist()), usual[gone].astype(np.float64)


def _usual_features(artifact: Artifact) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return for each filter its expected feature in a typical text, and the standard deviation of its score.

    A window's score is a sum over words, so its mean and variance follow from those of the words' products, with words
    drawn by a Zipf distribution; the maximum of :data:`WINDOWS` scores is approximated by that of normal numbers.
    """
    model = _model(artifact)
    vectors = composed(model, artifact.text_inputs())
    share = 1.0 / (torch.arange(len(vectors)) + _ZIPF)
    share /= share.sum()
    center = share @ vectors
    spreads = (vectors - center) * share.sqrt()[:, None]
    covariance = spreads.T @ spreads  # (D, D)
    usual, spread = [], []
    for weight, bias in _encoder(model).filters():  # (F, D, h), (F,)
        weight, bias = weight.detach(), bias.detach()
        mean = torch.einsum("d,fdh->f", center, weight) + bias
        deviation = torch.einsum("fdh,de,feh->f", weight, covariance, weight).clamp(min=0).sqrt()
        usual.append(_encoder(model).activation(mean + _NORMAL_MAXIMUM * deviation))
        spread.append(deviation)
    return torch.cat(usual).numpy(), torch.cat(spread).numpy()


def _first_types(tokenizer: Tokenizer, number: int) -> Tokenizer:
    document = json.loads(tokenizer.to_json())
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = {name: place for name, place in vocabulary.items() if place < number}
    return Tokenizer.from_json(json.dumps(document))


def _rows_of(wide: WideBranch, rows: Tensor) -> WideBranch:
    small = WideBranch(int(rows.sum()), wide.table.embedding_dim)
    small.is_float16 = wide.is_float16
    small.load_state_dict({name: value[rows] for name, value in wide.state_dict().items()})
    return small


def _model(artifact: Artifact) -> TextClassifier:
    assert isinstance(artifact.model, TextClassifier)
    return artifact.model


def _encoder(model: TextClassifier) -> KimEncoder:
    assert isinstance(model.encoder, KimEncoder)
    return model.encoder


def _built(
    artifact: Artifact,
    *,
    config: ModelConfig | None = None,
    num_types: int | None = None,
    wide: WideBranch | None = None,
) -> TextClassifier:
    """Build a model of these sizes, whose weights the caller has to set."""
    inputs, config = artifact.text_inputs(), config or artifact.config
    wide = wide or _model(artifact).wide
    model = build_text_classifier(
        config,
        num_types or len(inputs.tokenizer),
        artifact.labels,
        num_ngrams=inputs.lexicon.num_ngrams if config.subwords and inputs.lexicon is not None else 0,
        num_features=None if wide is None else len(wide.keys),
    )
    if model.wide is not None and wide is not None:
        model.wide.is_float16 = wide.is_float16
    return model


def _replaced(artifact: Artifact, model: nn.Module, inputs: TextPipeline, **changes: Any) -> Artifact:
    return replace(artifact, network=model.eval(), inputs=inputs, **changes)


STEPS = 64  # the number of words and n-grams is reduced in steps of one part in this many
_ENOUGH = STEPS // 4  # filters are pruned only if less than a fourth of the words would remain otherwise
_PARTS_OF_FILTERS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Smaller:
    """A compressed model.

    Attributes:
        artifact: the model.
        steps: descriptions of what was reduced.
        kept: the indices of the filters that it keeps.
        usual: the expected features of the removed filters, which its bias contains.
    """

    artifact: Artifact
    steps: tuple[str, ...]
    kept: tuple[int, ...]
    usual: Floats

    def bound(self, before: Artifact) -> Bound:
        """Return the bound on how far its logits are from those of ``before``, for texts without removed words."""
        return bound_of(before.lookup(), self.lookup(), self.kept, self.usual)

    def lookup(self) -> LookupModel:
        """Return the compressed model in the look-up runtime."""
        return self.artifact.lookup()


def shrunk(artifact: Artifact, most: int) -> Smaller:
    """Compress a model as little as needed for its folder to have at most ``most`` bytes.

    Raises:
        ConfigError: the model has more than one layer, or cannot be made so small; the message says how small it can.
    """
    artifact.labels.require_labels("max-size")
    if reason := refusal(artifact.describe()):
        raise ConfigError(f"max-size is for one-layer models, whose loss can be bounded, but {reason}")
    sizes = []
    for smaller in _candidates(artifact, most):
        sizes.append(folder_bytes(smaller.artifact))
        if sizes[-1] <= most:
            return smaller
    raise ConfigError(
        f"this model cannot be made as small as {most:,} bytes; the smallest folder that this makes of it has "
        f"{min(sizes):,} bytes"
    )


def folder_bytes(artifact: Artifact) -> int:
    """Return the total size of the files of the model's folder."""
    with tempfile.TemporaryDirectory() as place:
        folder = artifact.save(Path(place) / "model")
        return sum(path.stat().st_size for path in folder.iterdir())


def _candidates(artifact: Artifact, most: int) -> Iterator[Smaller]:
    """Yield compressed models of decreasing size."""
    every = tuple(range(_num_filters(artifact)))
    plain = replace(artifact, folds=None, evidence=None, ngrams=None)  # prediction does not need them
    nothing = np.zeros(0)
    yield Smaller(plain, (), every, nothing)
    yield Smaller(with_storage(plain, "float16"), ("weights in float16",), every, nothing)
    yield Smaller(with_storage(plain, "int8"), ("weights in int8",), every, nothing)
    steps: tuple[str, ...] = ("weights in int8",)
    if plain.config.subwords and plain.text_inputs().lexicon is not None:
        plain, steps = without_ngrams(plain), (*steps, "no character n-grams: unseen words are [UNK]")
        yield Smaller(with_storage(plain, "int8"), steps, every, nothing)
    if plain.text_inputs().tokenizer.has_whole_words and plain.text_inputs().lexicon is None:
        yield from _with_fewer_words(plain, steps, most)


def _with_fewer_words(plain: Artifact, steps: tuple[str, ...], most: int) -> Iterator[Smaller]:
    """Yield the model with the most words and n-grams that fit, with all or fewer filters, then the smallest model."""
    found: list[tuple[int, Smaller]] = []
    parts = _PARTS_OF_FILTERS if _num_filters(plain) else (1,)
    for part in parts:
        base, own, kept, usual = plain, steps, tuple(range(_num_filters(plain))), np.zeros(0)
        if part > 1:
            number = max(_filters_of_a_width(plain) // part, 1)
            base, kept, usual = with_filters(plain, number)
            own = (*steps, f"{number} of {_filters_of_a_width(plain)} filters of each width")
        base = with_storage(base, "int8")
        share = _largest_share(base, most)
        found.append((share, Smaller(*_cut(base, max(share, 1), own), kept, usual)))
        if share >= _ENOUGH:
            break
    yield max(found, key=lambda pair: pair[0])[1]
    yield found[-1][1]


def _largest_share(artifact: Artifact, most: int) -> int:
    """Return how many of :data:`STEPS` parts of the words and n-grams fit, found by bisection; 0 if none do."""
    low, high = 0, STEPS
    while low < high:
        middle = (low + high + 1) // 2
        if folder_bytes(_cut(artifact, middle, ())[0]) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(artifact: Artifact, share: int, steps: tuple[str, ...]) -> tuple[Artifact, tuple[str, ...]]:
    """Return the artifact with ``share`` of :data:`STEPS` parts of its words and n-grams, and the extended steps."""
    inputs = artifact.text_inputs()
    types, features = len(inputs.tokenizer), 0 if inputs.wide is None else len(inputs.wide.keys)
    least = 2 + (inputs.tokenizer.unknown_id or 0)
    num_types, num_features = max(types * share // STEPS, min(least, types)), features * share // STEPS
    small = with_words(artifact, num_types, num_features)
    left = 0 if small.text_inputs().wide is None else len(small.text_inputs().wide.keys)  # type: ignore[union-attr]
    said = f"{num_types:,} of {types:,} words"
    return small, (*steps, said if not features else f"{said}, {left:,} of {features:,} word n-grams")


def _num_filters(artifact: Artifact) -> int:
    model = artifact.one_layer()
    assert model is not None
    return len(model.filters.bias)


def _filters_of_a_width(artifact: Artifact) -> int:
    """Return the number of filters of each width."""
    model = artifact.one_layer()
    assert model is not None
    return model.filters.num_filters
