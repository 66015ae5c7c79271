"""Statistics of a corpus: lengths, vocabulary, duplicates and near-duplicates."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.core.word_form import WordForm
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.words import Words, as_lists, slices, utf8, word_numbers

QUANTILES = 20  # steps between the shortest text and the longest


def text_statistics(inputs: TextPipeline, encoded: EncodedTexts) -> dict[str, Any]:
    """Return counts of rows, tokens and types, quantiles of the lengths, and what the model cannot see.

    Returns:
        rows, tokens, types (distinct tokens), unknown (tokens that the vocabulary does not have), cut (rows longer than
        ``max_length``), empty (rows without a token), and lengths: those at 0, 5, ... 100 % of the rows in their order.
    """
    sizes = encoded.lengths
    at = np.linspace(0, 1, QUANTILES + 1)
    return {
        "rows": len(encoded),
        "tokens": len(encoded.ids),
        "types": int(np.count_nonzero(np.bincount(encoded.ids))) if len(encoded.ids) else 0,
        "unknown": int(inputs.is_unknown(encoded).sum()),
        "cut": int(inputs.cut_rows(encoded).sum()),
        "empty": int((sizes == 0).sum()),
        "lengths": np.quantile(sizes, at, method="inverted_cdf").tolist() if len(sizes) else [],
    }


def expected_unknown(inputs: TextPipeline, encoded: Ragged, *, known: int = 0) -> float | None:
    """Estimate the share of unknown tokens in further texts like those the vocabulary was built on.

    It is what leaving out one text at a time would find: the tokens of types that no other text has, and those that the
    vocabulary leaves out as it is. (A word whose ``min_frequency`` hangs on that text is not counted.)

    Args:
        inputs: the model's.
        encoded: its training texts.
        known: types that the vocabulary would have without these texts: its first ones.

    Returns:
        None where no estimate is possible: without tokens, and for sub-word tokenizers, whose pieces cover any word.
    """
    if not len(encoded.ids) or not inputs.tokenizer.has_whole_words:
        return None
    num_types = len(inputs.tokenizer)
    first, last = np.full(num_types, -1, np.int64), np.full(num_types, -1, np.int64)
    counts, unknown, row = np.zeros(num_types, np.int64), 0, 0
    for block in encoded.blocks(500_000):  # several arrays of a block's size are made of it
        outside = inputs.is_unknown(block)
        rows = np.repeat(np.arange(row, row + len(block)), block.lengths)[~outside]
        ids = block.ids[~outside]
        last[ids] = rows  # of the same place written twice, the later value stays
        begun = first[ids[::-1]] < 0
        first[ids[::-1][begun]] = rows[::-1][begun]
        counts += np.bincount(ids, minlength=num_types)
        unknown, row = unknown + int(outside.sum()), row + len(block)
    alone = first == last
    alone[:known] = False
    return (unknown + int(counts[alone].sum())) / len(encoded.ids)


def frequent_unknown(inputs: TextPipeline, encoded: EncodedTexts, most: int) -> list[tuple[str, int]]:
    """Return the most frequent out-of-vocabulary words with their counts.

    Words that are all one ``[UNK]`` to the model are not among them: those without a sub-word that was trained, and all
    of a model without sub-words.
    """
    names = encoded.unseen.names
    if not names:
        return []
    num_types = len(inputs.tokenizer)
    counts = np.bincount(encoded.ids[encoded.ids >= num_types] - num_types, minlength=len(names))
    order = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    return [(names[k], int(counts[k])) for k in order[:most] if counts[k]]


Fingerprints = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


def fingerprints(texts: Iterable[str]) -> Fingerprints:
    """Return a hash for each text, ``(N,)``, equal for texts equal up to case and blanks."""
    hashes = [core.twin("chunks").hash_texts(*utf8(map(_folded, part))) for part in slices(texts)]
    return np.concatenate([np.zeros(0, np.uint64), *hashes])


def _folded(text: str) -> str:
    """Normalize case and blanks of a non-ASCII text; ASCII texts are returned as they are, the hash folds them."""
    return text if text.isascii() else " ".join(text.split()).casefold()


def repeated_rows(texts: Fingerprints) -> Integers:
    """Return the rows whose text an earlier row has, ascending."""
    return np.setdiff1d(np.arange(len(texts)), np.unique(texts, return_index=True)[1], assume_unique=True)


def conflicting_rows(texts: Fingerprints, labels: Sequence[tuple[str, ...] | None]) -> Integers:
    """Return the first row of each text that occurs with more than one set of labels; none of a row do not count."""
    code: dict[frozenset[str], int] = {}
    codes = np.fromiter(
        (-1 if row is None else code.setdefault(frozenset(row), len(code)) for row in labels), np.int64, len(labels)
    )
    order = np.lexsort((codes, texts))
    same_text, codes = texts[order][1:] == texts[order][:-1], codes[order]
    conflicting = texts[order][1:][same_text & (codes[1:] != codes[:-1]) & (codes[:-1] >= 0)]
    distinct, first = np.unique(texts, return_index=True)
    return np.sort(first[np.isin(distinct, conflicting)])


def count_shared(texts: Fingerprints, others: Fingerprints) -> int:
    """Count how many of ``others`` are among ``texts``."""
    return int(np.isin(others, texts).sum())


def digest(texts: Iterable[str], labels: Iterable[tuple[str, ...]], *numbers: npt.NDArray[np.floating] | None) -> str:
    """Return the SHA-256 of these rows in this order, by which a model's training rows are recognized.

    Args:
        texts: the texts.
        labels: the labels of each.
        numbers: weights and other arrays that belong to the rows, or none.
    """
    found = hashlib.sha256()
    for text, names in zip(texts, labels, strict=True):
        found.update("\x1f".join([text, *names]).encode("utf-8", "surrogatepass") + b"\x1e")
    for array in numbers:
        if array is not None:
            found.update(array.tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class NearDuplicate:
    """A test text and its most similar row, by index."""

    row: int
    test_row: int
    similarity: float


def near_duplicates(rows: Iterable[str], test: Iterable[str], threshold: float = 0.8) -> list[NearDuplicate]:
    """Find for every test text its nearest text among ``rows``, if similar enough; most similar pairs first.

    Words are those of the default tokenizer, so case, blanks and the forms of one character do not count; an empty text
    is like no other.

    Args:
        rows: texts, e.g. of training.
        test: others.
        threshold: the least similarity, in (0, 1].
    """
    words = Words(WordForm())
    row_pairs, test_pairs = (_pairs(texts, words) for texts in (rows, test))
    pairs, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *row_pairs]), return_counts=True)
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for row, own in enumerate(row_pairs):
        for pair in _rarest(own, pairs, counts, threshold):
            holders[pair].append(row)
    found = []
    for number, own in enumerate(test_pairs):
        candidates = {row for pair in _rarest(own, pairs, counts, threshold) for row in holders.get(pair, ())}
        best = max(((_jaccard(row_pairs[row], own), -row) for row in candidates), default=(0.0, 0))
        if best[0] >= threshold:
            found.append(NearDuplicate(-best[1], number, best[0]))
    return sorted(found, key=lambda pair: (-pair.similarity, pair.test_row))


def similarity(one: str, other: str) -> float:
    """The similarity of two texts by its definition: the share of their pairs of neighbouring words that both have."""
    words = Words(WordForm())
    (first,), (second,) = _pairs([one], words), _pairs([other], words)
    return _jaccard(first, second)


def _pairs(texts: Iterable[str], words: Words) -> list[Integers]:
    """A number for each distinct pair of neighbours of each text, ascending; both ends of a text count as a word."""
    return [_pairs_of(row) for row in as_lists(word_numbers(texts, words))]


def _pairs_of(numbers: list[int]) -> Integers:
    ids = np.array([0, *(number + 1 for number in numbers), 0] if numbers else [], np.int64)
    return np.unique(ids[:-1] << 32 | ids[1:])


def _jaccard(one: Integers, other: Integers) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(len(one) + len(other) - shared, 1)


def _rarest(own: Integers, pairs: Integers, counts: Integers, threshold: float) -> list[int]:
    """Return the rarest bigrams of a text, as many as guarantee that similar texts share one (prefix filtering)."""
    if not len(own) or not len(pairs):
        return []
    place = np.minimum(np.searchsorted(pairs, own), len(pairs) - 1)
    frequency = np.where(pairs[place] == own, counts[place], 0)
    kept = len(own) - math.ceil(threshold * len(own) - 1e-9) + 1
    ordered: list[int] = own[np.lexsort((own, frequency))][:kept].tolist()
    return ordered
