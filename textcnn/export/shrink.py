"""A model folder of at most a given size: what costs least is given up first, until it fits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from textcnn.errors import ConfigError
from textcnn.evaluation.probabilities import Floats
from textcnn.export.loss import Bound, bound_of
from textcnn.export.parts import with_filters, with_storage, with_words, without_ngrams
from textcnn.inference.artifact import Artifact
from textcnn.inference.lookup import LookupModel
from textcnn.inference.one_layer import refusal

STEPS = 64  # words and n-grams are kept in parts of this
_ENOUGH = STEPS // 4  # filters are pruned only where less than a fourth of the words would stay
_PARTS_OF_FILTERS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Smaller:
    """A smaller model.

    Attributes:
        artifact: the model.
        steps: what was given up, in words.
        kept: numbers of the filters that it still has.
        usual: of the others, the feature that is in its bias now.
    """

    artifact: Artifact
    steps: tuple[str, ...]
    kept: tuple[int, ...]
    usual: Floats

    def bound(self, before: Artifact) -> Bound:
        """How far its logits can be from those of the model it was made of, in texts that hold nothing dropped."""
        return bound_of(before.lookup(), self.lookup(), self.kept, self.usual)

    def lookup(self) -> LookupModel:
        """The smaller model in the look-up runtime."""
        return self.artifact.lookup()


def shrunk(artifact: Artifact, most: int) -> Smaller:
    """The model with the least given up whose folder has at most ``most`` bytes.

    Raises:
        ConfigError: the model is not of one layer, or cannot be made so small; then, how small it can be made.
    """
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
    """What the files of a model folder have together."""
    with tempfile.TemporaryDirectory() as place:
        folder = artifact.save(Path(place) / "model")
        return sum(path.stat().st_size for path in folder.iterdir())


def _candidates(artifact: Artifact, most: int) -> Iterator[Smaller]:
    """Models that are smaller and smaller, the smallest last."""
    every = tuple(range(_num_filters(artifact)))
    plain = replace(artifact, folds=None, evidence=None)
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
    """The most words and n-grams that fit, with all filters or fewer; at last, the smallest there is."""
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
    """Of :data:`STEPS` parts, how many of the words and n-grams can stay; 0: none."""
    low, high = 0, STEPS
    while low < high:
        middle = (low + high + 1) // 2
        if folder_bytes(_cut(artifact, middle, ())[0]) <= most:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(artifact: Artifact, share: int, steps: tuple[str, ...]) -> tuple[Artifact, tuple[str, ...]]:
    """The artifact with so many parts of its words and n-grams, and the steps with that one."""
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
    """Filters of each width."""
    model = artifact.one_layer()
    assert model is not None
    return model.filters.num_filters
