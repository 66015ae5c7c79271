"""A smaller model of the same kind: less exact numbers, fewer words, n-grams and filters. Nothing is trained."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from textcnn.config import ModelConfig
from textcnn.export.onnx_graph import composed
from textcnn.inference.artifact import Artifact
from textcnn.inference.storage import rounded
from textcnn.models.base import TextClassifier, build_text_classifier
from textcnn.models.kim import KimEncoder
from textcnn.nn.wide import WideBranch
from textcnn.nn.wide_size import num_bytes
from textcnn.text.pipeline import TextPipeline
from textcnn.text.tokenizer import Tokenizer

WINDOWS = 20  # of a text that a pruned filter's usual feature is made for
_NORMAL_MAXIMUM = 1.867  # expected largest of so many standard normal numbers
_ZIPF = 10  # a word of rank r counts 1 / (r + this)


def with_storage(artifact: Artifact, storage: str) -> Artifact:
    """The same with weights in smaller numbers; the wide branch in float16."""
    model = copy.deepcopy(_model(artifact))
    state = {name: value.contiguous().numpy() for name, value in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in rounded(state, storage).items()})
    if model.wide is not None:
        model.wide = model.wide.held_to(num_bytes(*model.wide.table.weight.shape, float16=True))
    return _replaced(artifact, model, artifact.text_inputs(), storage=storage)


def without_ngrams(artifact: Artifact) -> Artifact:
    """The same without character n-grams: known words keep their vectors, all others are ``[UNK]``."""
    inputs = artifact.text_inputs()
    config = replace(artifact.config, subwords=False)
    model = _built(artifact, config=config)
    state = {name: value for name, value in _model(artifact).state_dict().items() if ".ngram." not in name}
    vectors = composed(_model(artifact), inputs)
    tuned = "embedding.tuned.word.weight" if "embedding.tuned.word.weight" in state else "embedding.word.weight"
    state[tuned] = vectors[:, -config.dim :]
    model.load_state_dict(state)
    return _replaced(artifact, model, replace(inputs, lexicon=None), config=config)


def with_words(artifact: Artifact, num_types: int, num_features: int) -> Artifact:
    """The same with the first types of the vocabulary, the most frequent, and the n-grams of words of most weight.

    The model has whole words and no character n-grams. N-grams with a word that is gone are gone too.
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
    """The same with the ``number`` filters of each width that move the logits most; the others' usual share is bias.

    Of nested widths the filters are those that move the logits most by their features of all widths together.

    Returns:
        The artifact, the numbers of the filters that it has, and of the others the feature that went into the bias.
    """
    model = _model(artifact)
    usual, spread = _usual_features(artifact)
    head = model.head.weight.detach()
    moved = head[:, : len(usual)] - (0 if head.shape[0] == 1 else head[:, : len(usual)].mean(0))
    counts = (moved.norm(dim=0).numpy() * spread).reshape(len(_encoder(model).sizes), -1)
    nested = _encoder(model).nested
    if nested:  # a filter goes from all widths, or from none
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
    """For each filter, its feature in a text of usual words, and how much its score varies from window to window.

    A window's score is a sum over words, so its mean and variance follow from those of the words' products, words
    drawn by their rank (Zipf); the largest of :data:`WINDOWS` scores is taken as that of normal numbers.
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
    """A model of that size, whose weights are still to be set."""
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
