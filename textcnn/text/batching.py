"""Batches of texts: ragged ids, their unique types, and the padded view for networks that need one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from textcnn import core
from textcnn.kernels.padding import padded_index
from textcnn.text.pipeline import EncodedTexts, TextPipeline
from textcnn.text.ragged import Ragged


@dataclass(frozen=True)
class Batch:
    """B texts of N tokens in all, with U unique types.

    Attributes:
        offsets: ``(B + 1,)`` int64; text b holds tokens ``offsets[b]`` to ``offsets[b + 1]``.
        unique: ``(U,)`` int64 type ids, ascending: a word vector is made once for each.
        inverse: ``(N,)`` int64; token n is of type ``unique[inverse[n]]``.
        labels: ``(B,)`` int64, or ``(B, C)`` float32 of 0 and 1 (multi-label), or none.
        bag_rows: ``(M,)`` int64 n-gram rows of the unique types, for models with sub-words.
        bag_offsets: ``(U + 1,)`` int64, where the rows of each type begin.
        wide_rows: ``(K,)`` int64 features of the texts, for models with a wide branch.
        wide_weights: ``(K,)`` float32.
        wide_offsets: ``(B + 1,)`` int64, where the features of each text begin.
        weights: ``(B,)`` float32, how much each text counts in the loss, or none.
    """

    offsets: Tensor
    unique: Tensor
    inverse: Tensor
    labels: Tensor | None = None
    bag_rows: Tensor | None = None
    bag_offsets: Tensor | None = None
    wide_rows: Tensor | None = None
    wide_weights: Tensor | None = None
    wide_offsets: Tensor | None = None
    weights: Tensor | None = None

    @property
    def num_rows(self) -> int:
        """B, the number of texts."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """Tokens of each text, ``(B,)``."""
        return torch.diff(self.offsets)

    @property
    def num_tokens(self) -> int:
        """N, the tokens of all texts."""
        return len(self.inverse)

    def padded(self) -> Tensor:
        """Rows of the embedded types for a ``(B, T)`` view, T the longest length; padding points at row U."""
        return padded_index(self.inverse, self.offsets, len(self.unique))

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in tensors.items() if value is not None})


@dataclass(frozen=True)
class WordDropout:
    """Replaces training tokens by ``[UNK]`` at random, so that its vector is trained; rare words more often.

    Attributes:
        rates: ``(V,)`` float32, the probability for each type: the larger of a constant and ``a / (a + count)``, the
            rule of Kiperwasser & Goldberg 2016 (arXiv 1603.04351).
        unknown_id: what takes a token's place.
        seed: with it, an epoch, a row and a position decide; batch mates do not.
    """

    rates: npt.NDArray[np.float32]
    unknown_id: int
    seed: int

    @classmethod
    def fit(
        cls, tokens: Ragged, num_types: int, unknown_id: int, *, constant: float, rare: float, seed: int
    ) -> WordDropout:
        """Take the counts of the rule from the training tokens."""
        # Unseen words have temporary ids behind the vocabulary.
        size = max(num_types, 1 + max((int(block.ids.max(initial=-1)) for block in tokens.blocks()), default=-1))
        counts = np.zeros(size, np.int64)
        for block in tokens.blocks():
            counts += np.bincount(block.ids, minlength=size)
        rates = rare / np.maximum(rare + counts.astype(np.float32), 1e-9)
        return cls(np.maximum(rates, constant).astype(np.float32), unknown_id, seed)

    def __call__(self, tokens: Ragged, rows: npt.NDArray[np.int64], epoch: int) -> Ragged:
        """Texts numbered ``rows`` in the training set, with some of their tokens replaced."""
        state = _state(self.seed, epoch)
        ids = core.twin("features").drop_words(tokens.ids, tokens.offsets, rows, self.rates, self.unknown_id, state)
        return Ragged(ids, tokens.offsets)


def uniform(seed: int, epoch: int, *places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """A number in [0, 1) for each place, a fixed function of its arguments (splitmix64, Steele et al. 2014)."""
    state = np.uint64(_state(seed, epoch))
    with np.errstate(over="ignore"):
        mixed = np.array([state])  # grows with the places: the first of them may be of fewer axes or rows
        for place in places:
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + place.astype(np.uint64)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _state(seed: int, epoch: int) -> int:
    return (seed * 1_000_003 + epoch + 0x9E3779B97F4A7C15) % 2**64  # not 0, which mixing leaves at 0


def unique_types(ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The types among ``ids (N,)``, ascending, and which of them each token is ``(N,)``."""
    unique, inverse = core.twin("features").unique_types(ids)
    return unique, inverse


class TextInputs(TextPipeline):
    """From strings to batches."""

    def batch(
        self,
        tokens: Ragged,
        rows: npt.NDArray[np.int64],
        *,
        labels: npt.NDArray[np.int64] | npt.NDArray[np.float32] | None = None,
        weights: npt.NDArray[np.float32] | None = None,
        dropout: WordDropout | None = None,
        epoch: int = 0,
    ) -> Batch:
        """The texts numbered ``rows`` as a batch, cut to ``max_length``; labels and weights are those of all texts."""
        taken = tokens.take(rows, longest=self.max_length)
        if dropout is not None:
            taken = dropout(taken, rows, epoch)
        unique, inverse = unique_types(taken.ids)
        return Batch(
            offsets=torch.from_numpy(taken.offsets),
            unique=torch.from_numpy(unique),
            inverse=torch.from_numpy(inverse),
            labels=None if labels is None else torch.from_numpy(labels[rows]),
            weights=None if weights is None else torch.from_numpy(weights[rows]),
            **self._parts(tokens, rows, unique),
        )

    def _parts(self, tokens: Ragged, rows: npt.NDArray[np.int64], unique: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        """What the optional parts of a model need: n-gram rows of the types, features of the texts."""
        parts: dict[str, npt.NDArray[np.int64 | np.float32]] = {}
        if not isinstance(tokens, EncodedTexts):
            return {}
        if self.lexicon is not None:
            bags = self.lexicon.bags(unique, tokens.unseen)
            parts.update(bag_rows=bags.ids.astype(np.int64), bag_offsets=bags.offsets)
        if tokens.wide is not None:
            wide = tokens.wide.take(rows)
            parts.update(wide_rows=wide.rows.astype(np.int64), wide_weights=wide.weights, wide_offsets=wide.offsets)
        return {name: torch.from_numpy(value) for name, value in parts.items()}
