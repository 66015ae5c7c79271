"""The index of evidence: which training rows hold the word pairs that decide.

What decides is the n-grams that win the filters. A whole n-gram of three to five words is rarely seen twice, so
evidence is of the pairs of neighbouring words in it (an end of the text counts as a word). A text's share of known
pairs is of all pairs in its winning n-grams those that some training row has in its own. The threshold is chosen
without any other data: it is the share that 1 % of the training rows fall short of, each compared with all rows but
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.explain.winners import WinningNgrams, winning_ngrams
from textcnn.inference.evidence import EvidenceIndex
from textcnn.inference.lookup import LookupModel
from textcnn.text.pipeline import EncodedTexts
from textcnn.text.ragged import Ragged

Integers = npt.NDArray[np.int64]

MOST_PAIRS, MOST_ROWS = 2**18, 3  # of an index, and of each pair: at most 8 MB
FLAGGED = 0.01  # share of the training rows that would be without evidence
OUTSIDE = -1  # in the place of a type: an end of the text


def pair_key(first: Any, second: Any) -> Any:
    """One number for two types; :data:`OUTSIDE` stands for an end of the text."""
    return (np.asarray(first, np.int64) + 2) << 32 | (np.asarray(second, np.int64) + 1)


@dataclass(frozen=True)
class Pairs:
    """The distinct pairs of each text, in the order of texts and keys.

    Attributes:
        texts: ``(M,)``.
        keys: ``(M,)``.
        ngram: ``(M,)``, the winning n-gram that holds the pair and counts most.
    """

    texts: Integers
    keys: Integers
    ngram: Integers


def pairs_of(won: WinningNgrams, encoded: EncodedTexts, weight: npt.NDArray[np.floating]) -> Pairs:
    """The pairs in winning n-grams, each once a text, with the n-gram of the largest weight ``(M,)``.

    An n-gram has a pair with an end of its text where a window of it reached over that end.
    """
    lengths, keys, ngram = won.last - won.first, [], []
    for i in range(-1, int(lengths.max(initial=0))):  # pairs of the words i and i + 1
        held = np.flatnonzero(((i >= 0) | won.over_start) & ((i + 1 < lengths) | (won.over_end & (i + 1 == lengths))))
        token = won.first[held] + i
        first = np.full(len(held), OUTSIDE) if i < 0 else encoded.ids[token]
        inside = i + 1 < lengths[held]
        second = np.where(inside, encoded.ids[np.where(inside, token + 1, 0)], OUTSIDE)
        keys.append(pair_key(first, second))
        ngram.append(held)
    return _each_once(won.texts, np.concatenate(keys), np.concatenate(ngram), weight)


def _each_once(of_ngram: Integers, keys: Integers, ngram: Integers, weight: npt.NDArray[np.floating]) -> Pairs:
    texts = of_ngram[ngram]
    order = np.lexsort((-weight[ngram], keys, texts))
    keys, texts, ngram = keys[order], texts[order], ngram[order]
    kept = np.ones(len(keys), np.bool_)
    kept[1:] = (keys[1:] != keys[:-1]) | (texts[1:] != texts[:-1])
    return Pairs(texts[kept], keys[kept], ngram[kept])


def _sayable(model: LookupModel, keys: Integers) -> npt.NDArray[np.bool_]:
    """Which pairs are of words that the model knows: not temporary, and neither unknown nor blinded."""
    first, second = (keys >> 32) - 2, (keys & 0xFFFFFFFF) - 1
    unknown, size = model.inputs.tokenizer.unknown_id, len(model.inputs.tokenizer)
    return np.asarray((first < size) & (second < size) & (first != unknown) & (second != unknown))


def check_architecture(config: ModelConfig) -> None:
    """Whether a model of these settings may have evidence: what is known before it is trained.

    Raises:
        ConfigError: its features are not n-grams of two words or more that win filters.
    """
    sizes = config.settings.get("kernel_sizes", (2,))
    if config.architecture != "kim" or max(sizes) < 2:
        raise ConfigError(
            f"evidence is of word pairs that win filters: architecture must be 'kim' with a kernel size above 1, got "
            f"{config.architecture!r} with {config.settings}"
        )


def build_evidence(
    model: LookupModel,
    encoded: EncodedTexts,
    truth: Sequence[tuple[str, ...]],
    numbers: Integers,
    *,
    most_pairs: int = MOST_PAIRS,
) -> EvidenceIndex:
    """The index of a model's training rows.

    Args:
        model: in float32.
        encoded: N training rows.
        truth: their labels.
        numbers: ``(N,)``, their numbers in the data.
        most_pairs: kept at most; pairs of more rows go first.
    """
    won = winning_ngrams(model, encoded)
    strength = np.abs(won.contributions).max(axis=1, initial=0)
    pairs = pairs_of(won, encoded, strength)
    said = np.flatnonzero(_sayable(model, pairs.keys))
    keys, index, counts = np.unique(pairs.keys[said], return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:most_pairs])
    order = np.lexsort((-strength[pairs.ngram[said]], index))
    starts = np.cumsum(counts) - counts
    place = starts[kept, None] + np.arange(MOST_ROWS)
    there = np.arange(MOST_ROWS) < counts[kept, None]
    cited = np.where(there, pairs.texts[said][order][np.minimum(place, len(order) - 1)], -1)
    rows = np.unique(cited[cited >= 0])
    ids = {name: k for k, name in enumerate(model.labels.names)}
    labels = Ragged.from_lists([[ids[name] for name in truth[row] if name in ids] for row in rows.tolist()])
    found = EvidenceIndex(
        keys[kept],
        counts[kept].astype(np.int32),
        np.where(there, np.searchsorted(rows, cited), -1).astype(np.int32),
        numbers[rows],
        labels.offsets,
        labels.ids,
        np.zeros(1),
    )
    shares = known_shares(found, pairs, len(encoded), leave_out=1)
    found.threshold[0] = np.quantile(shares, FLAGGED) if len(shares) else 0.0
    return found


def known_shares(index: EvidenceIndex, pairs: Pairs, num_texts: int, *, leave_out: int = 0) -> npt.NDArray[np.float64]:
    """The share of known pairs of each text, ``(N,)``; a pair is known if more rows than ``leave_out`` have it."""
    known = np.zeros(len(pairs.keys), np.bool_)
    if len(index.keys):
        place = np.minimum(np.searchsorted(index.keys, pairs.keys), len(index.keys) - 1)
        known = (index.keys[place] == pairs.keys) & (index.counts[place] > leave_out)
    every = np.bincount(pairs.texts, minlength=num_texts)
    return np.asarray(np.bincount(pairs.texts, known, minlength=num_texts) / np.maximum(every, 1))
