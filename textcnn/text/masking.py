"""Which training tokens are hidden, as a function of seed, epoch and row; and the types that a batch holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.config import TrainingConfig
from textcnn.text.ragged import Ragged

if TYPE_CHECKING:
    from textcnn.text.pipeline import TextPipeline


# Masks of the k-th layer are those of the epoch that is k times so far: they are not those of words.
FEATURE_MASKS = 1 << 20


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
    def of(cls, inputs: TextPipeline, tokens: Ragged, config: TrainingConfig) -> WordDropout | None:
        """That of the settings; none where the tokenizer has no unknown word."""
        if inputs.tokenizer.unknown_id is None:
            return None
        constant, rare, seed = config.word_dropout, config.rare_dropout, config.seed
        return cls.fit(
            tokens, len(inputs.tokenizer), inputs.tokenizer.unknown_id, constant=constant, rare=rare, seed=seed
        )

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
        state = random_state(self.seed, epoch)
        ids = core.twin("features").drop_words(tokens.ids, tokens.offsets, rows, self.rates, self.unknown_id, state)
        return Ragged(ids, tokens.offsets)


def uniform(seed: int, epoch: int, *places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """A number in [0, 1) for each place, a fixed function of its arguments (splitmix64, Steele et al. 2014)."""
    mixed = np.array([np.uint64(random_state(seed, epoch))])  # grows with the places: the first may be of fewer axes
    for place in places:
        mixed = _mixed(mixed, place)
    return (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def uniform_rows(seed: int, epoch: int, rows: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.float32]:
    """Numbers in [0, 1), ``(B, size)``, a fixed function of seed, epoch, row and place.

    A row's number is mixed as in :func:`uniform`, a place with it in 32 bits, which vector instructions multiply.
    """
    mixed = _mixed(np.array([np.uint64(random_state(seed, epoch))]), rows)
    state = (mixed ^ (mixed >> np.uint64(32))).astype(np.uint32)
    with np.errstate(over="ignore"):
        x = state[:, None] + np.arange(size, dtype=np.uint32) * np.uint32(0x9E3779B9)
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    found: npt.NDArray[np.float32] = ((x ^ (x >> np.uint32(16))) >> np.uint32(8)).astype(np.float32)
    return found / np.float32(2**24)


def _mixed(state: npt.NDArray[np.uint64], place: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = state * np.uint64(0x9E3779B97F4A7C15) + place.astype(np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def random_state(seed: int, epoch: int) -> int:
    """What the numbers of :func:`uniform` begin with."""
    return (seed * 1_000_003 + epoch + 0x9E3779B97F4A7C15) % 2**64  # not 0, which mixing leaves at 0


def unique_types(ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The types among ``ids (N,)``, ascending, and which of them each token is ``(N,)``."""
    unique, inverse = core.twin("features").unique_types(ids)
    return unique, inverse
