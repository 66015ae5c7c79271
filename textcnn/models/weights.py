"""Weights of ``kim`` as named arrays without torch: their initialization, and the merging of ensembles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models.kim_settings import KimSettings

Weights = dict[str, npt.NDArray[Any]]

WIDE_TABLE, WIDE_KEYS, WIDE_IDF = "wide.table.weight", "wide.keys", "wide.idf"
SPARSE_OFFSETS, SPARSE_LABELS, SPARSE_WEIGHTS = "wide.offsets", "wide.labels", "wide.weights"
CHARACTER_TABLE, CHARACTER_BIAS = "characters.weight", "characters.bias"
WORD_RANGE = 0.25  # word rows start uniform in +-WORD_RANGE
_BLOCK = 2**18  # numbers that are drawn from one stream
_THREADS = 2

Floats = npt.NDArray[np.float32]
if TYPE_CHECKING:  # numpy imports its generators when they are first named, which classifying does without
    Draw = Callable[[np.random.Generator, Floats], None]


def initial_weights(
    config: ModelConfig, num_types: int, num_ngrams: int, num_features: int | None, labels: Labels, seed: int
) -> Weights:
    """Return the initial weights of ``kim``, a pure function of the arguments for any number of threads.

    Args:
        config: config of the model.
        num_types: V, rows of the word table.
        num_ngrams: rows of the n-gram table; 0: no sub-words.
        num_features: rows of the n-gram branch, which start at 0; none: no such branch.
        labels: names of the logits' columns.
        seed: decides the numbers.

    Raises:
        ConfigError: a setting that ``kim`` does not have, or a value that it cannot use.
    """
    weights: Weights = {}
    jobs: list[tuple[Floats, Draw, list[int]]] = []
    for number, (name, shape, draw) in enumerate(_drawn(config, num_types, num_ngrams, labels)):
        weights[name] = np.zeros(shape, np.float32)  # its pages are first touched by the threads below
        if draw is not None:
            flat = weights[name].reshape(-1)
            starts = range(0, len(flat), _BLOCK)
            jobs += [(flat[start : start + _BLOCK], draw, [seed, number, start // _BLOCK]) for start in starts]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda job: job[1](np.random.Generator(np.random.SFC64(job[2])), job[0]), jobs))
    if "encoder.bias" in weights:
        dim = weights["encoder.bank.weight"].shape[1]
        bounds = np.array([_bound(dim * width) for width in KimSettings.of(config).widths], np.float32)
        weights["encoder.bias"] *= bounds[:, None]
    if num_features is not None:
        weights[WIDE_TABLE] = np.zeros((num_features, len(labels)), np.float32)
        weights[WIDE_KEYS] = np.zeros(num_features, np.int64)
        weights[WIDE_IDF] = np.zeros(num_features, np.float32)
    return weights


def _drawn(
    config: ModelConfig, num_types: int, num_ngrams: int, labels: Labels
) -> Iterator[tuple[str, tuple[int, ...], Draw | None]]:
    """Yield name, shape and distribution of every tensor of the network itself; no distribution means zeros."""
    multichannel = config.embedding_channels == "multichannel"
    adds = multichannel or config.vectors is not None  # n-gram rows are added to the word's, and start at nothing
    for place in ("static.", "tuned.") if multichannel else ("",):
        yield f"embedding.{place}word.weight", (num_types, config.dim), _uniform(WORD_RANGE)
    if num_ngrams:
        place = "tuned." if multichannel else ""
        spread = WORD_RANGE / 3**0.5  # the standard deviation of the word rows
        yield f"embedding.{place}ngram.weight", (num_ngrams, config.dim), None if adds else _normal(spread)
    dim = config.dim * (2 if multichannel else 1)
    settings = KimSettings.of(config)
    filters, widths = settings.num_filters, settings.widths
    if settings.nested:
        yield "encoder.bank.weight", (filters, dim, widths[-1]), _uniform(_bound(dim * widths[-1]))
        yield "encoder.bias", (len(widths), filters), _uniform(1.0)  # and then scaled, each row by its width
    else:
        for group, width in enumerate(widths):
            yield f"encoder.convs.{group}.weight", (filters, dim, width), _uniform(_bound(dim * width))
            yield f"encoder.convs.{group}.bias", (filters,), _uniform(_bound(dim * width))
    features, outputs = settings.out_features(dim), num_outputs(config, labels)
    yield "head.weight", (outputs, features), _uniform(_bound(features))
    yield "head.bias", (outputs,), _uniform(_bound(features))


def num_outputs(config: ModelConfig, labels: Labels) -> int:
    """Return the rows of the head: one per label, or a single one for two labels through a sigmoid."""
    is_pair = len(labels) == 2 and not labels.multi_label and not labels.targets
    return 1 if config.binary_sigmoid and is_pair else len(labels)


def num_parameters(weights: Weights, config: ModelConfig) -> int:
    """Return the number of trainable parameters: all but n-gram keys and frozen word rows."""
    fixed = {WIDE_KEYS, WIDE_IDF, SPARSE_OFFSETS, SPARSE_LABELS, "embedding.static.word.weight"}
    if config.embedding_channels == "static":
        fixed.add("embedding.word.weight")
    return sum(weight.size for name, weight in weights.items() if name not in fixed)


def set_word_rows(weights: Weights, rows: npt.NDArray[np.floating]) -> None:
    """Replace the word rows, in both channels if there are two, by ``rows (V, D)``."""
    for name, weight in weights.items():
        if name.startswith("embedding.") and name.endswith("word.weight"):
            weight[:] = rows


def _bound(fan_in: int) -> float:
    """Return the uniform bound of a layer with that fan-in (torch's default: He et al. 2015 with slope sqrt(5))."""
    return 1 / fan_in**0.5 if fan_in else 0.0


def _uniform(bound: float) -> Draw:
    def draw(random: np.random.Generator, out: Floats) -> None:
        random.random(dtype=np.float32, out=out)
        out *= np.float32(2 * bound)
        out -= np.float32(bound)

    return draw


def _normal(spread: float) -> Draw:
    def draw(random: np.random.Generator, out: Floats) -> None:
        random.standard_normal(dtype=np.float32, out=out)
        out *= np.float32(spread)

    return draw


Array = npt.NDArray[Any]


def merged_config(config: ModelConfig, num_members: int) -> ModelConfig:
    """Return the config of a merged ensemble: ``num_members`` times the dimensions and filters of one member.

    Raises:
        ConfigError: networks of this kind cannot stand side by side.
    """
    if config.architecture != "kim" or config.embedding_channels == "multichannel":
        raise ConfigError(
            f"ensemble is for the architecture 'kim' with one channel, got {config.architecture!r} with "
            f"embedding_channels {config.embedding_channels!r}"
        )
    settings = {**config.settings, "num_filters": num_members * KimSettings.of(config).num_filters}
    return replace(config, embedding_dim=num_members * config.dim, settings=settings)


def merged_weights(members: Sequence[Weights], config: ModelConfig) -> Weights:
    """Merge an ensemble into weights whose logits are the mean of the members' logits, up to rounding.

    A word's vector is the members' vectors side by side; a filter sees its own member's part, through zeros elsewhere.

    Args:
        members: weights of ``kim`` models of one config, over the same types, n-grams and wide features.
        config: config of each member; :func:`merged_config` returns that of the merged model.
    """
    settings, found = KimSettings.of(config), {}
    for name in members[0]:
        each = [weights[name] for weights in members]
        if name.startswith("embedding."):
            found[name] = np.concatenate(each, 1)  # (V, M D)
        elif name.startswith("encoder."):
            found[name] = np.concatenate(each, -1) if name.endswith("bias") else _side_by_side(each)
        elif name == "head.weight":
            found[name] = _wide_head(each, settings.num_maxima, len(settings.widths))
        elif name.startswith("wide.") and name != WIDE_TABLE:
            found[name] = each[0]
        else:
            found[name] = np.mean(each, 0)
    return found


def _side_by_side(filters: Sequence[Array]) -> Array:
    """Arrange ``(F, D, h)`` filters of M members block-diagonally in ``(M F, M D, h)``."""
    count, dim, size = filters[0].shape
    joined = np.zeros((len(filters), count, len(filters), dim, size), filters[0].dtype)
    for number, own in enumerate(filters):
        joined[number, :, number] = own
    return joined.reshape(len(filters) * count, len(filters) * dim, size)


def _wide_head(heads: Sequence[Array], num_maxima: int, num_sizes: int) -> Array:
    """Return the members' head weights over M, in feature order: (width, member, filter), then (member, dimension)."""
    maxima = np.stack([head[:, :num_maxima].reshape(len(head), num_sizes, -1) for head in heads], 2)  # (C, h, M, F)
    means = np.stack([head[:, num_maxima:] for head in heads], 1)  # (C, M, D)
    flat = [part.reshape(len(part), -1) for part in (maxima, means)]
    return np.concatenate(flat, 1) / np.float32(len(heads))
