"""NumPy definition of :mod:`textcnn.core.features`, used without the core."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_BLOCK = 4_000_000  # tokens whose n-grams are counted at a time
_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)


def count_ngrams(ids: Ids, offsets: Integers, num_types: int) -> tuple[Integers, Integers]:
    """NumPy version of :func:`textcnn.core.features.count_ngrams`."""
    _check(ids, offsets)
    keys, frequency = np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.searchsorted(offsets, np.arange(offsets[0] + _BLOCK, offsets[-1], _BLOCK))
    bounds = np.unique([0, *ends, len(offsets) - 1])
    for start, end in pairwise(bounds.tolist()):
        found, texts = occurrences(ids, offsets[start : end + 1])
        further, index = np.unique(found, return_inverse=True)
        distinct = np.unique(texts * max(len(further), 1) + index) % max(len(further), 1)
        keys, frequency = _merged(keys, frequency, further, np.bincount(distinct, minlength=len(further)))
    within = ((keys >> 32) - 1 < num_types) & (keys & 0xFFFFFFFF < num_types)
    return keys[within], frequency[within]


def occurrences(ids: Ids, offsets: Integers) -> tuple[Integers, Integers]:
    """Return the keys of all words and all bigrams, and the number of the text that each occurs in."""
    here = ids[offsets[0] : offsets[-1]].astype(np.int64)
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    together = text[1:] == text[:-1]
    pairs = ((here[:-1] + 1) << 32 | here[1:])[together]
    return np.concatenate([here, pairs]), np.concatenate([text, text[1:][together]])


def _merged(keys: Integers, counts: Integers, further: Integers, also: Integers) -> tuple[Integers, Integers]:
    """Merge two lists of keys and their counts."""
    together, index = np.unique(np.concatenate([keys, further]), return_inverse=True)
    total = np.zeros(len(together), np.int64)
    total[index[: len(keys)]] = counts
    total[index[len(keys) :]] += also
    return together, total


class NgramIndex:
    """NumPy version of :class:`textcnn.core.features.NgramIndex`."""

    def __init__(self, keys: Integers) -> None:
        if keys.min(initial=0) < 0:
            raise ValueError("expected keys of 0 or more")
        self._keys = keys

    def weigh(
        self, ids: Ids, offsets: Integers, idf: Floats, logarithms: npt.NDArray[np.float64]
    ) -> tuple[Ids, Floats, Integers]:
        """NumPy version of :meth:`textcnn.core.features.NgramIndex.weigh`."""
        _check(ids, offsets)
        if len(idf) != len(self._keys):
            raise ValueError(f"expected {len(self._keys)} inverse frequencies, got {len(idf)}")
        keys, texts = occurrences(ids, offsets)
        size, num_texts = len(self._keys), len(offsets) - 1
        if not size:
            return np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(num_texts + 1, np.int64)
        index = np.minimum(np.searchsorted(self._keys, keys), size - 1)
        seen = self._keys[index] == keys
        codes = np.sort(texts[seen] * size + index[seen])
        first = np.flatnonzero(np.concatenate([np.ones(min(len(codes), 1), np.bool_), codes[1:] != codes[:-1]]))
        counts = np.concatenate([first[1:], [len(codes)]])[: len(first)] - first
        if counts.max(initial=0) > len(logarithms):
            raise ValueError(f"expected {counts.max()} logarithms, got {len(logarithms)}")
        text, row = np.divmod(codes[first], size)
        weights = logarithms[counts - 1] * idf[row]
        norms = np.sqrt(np.bincount(text, weights * weights, minlength=num_texts))
        found = np.zeros(num_texts + 1, np.int64)
        np.cumsum(np.bincount(text, minlength=num_texts), out=found[1:])
        return row.astype(np.int32), (weights / norms[text]).astype(np.float32), found

    def weigh_text(self, ids: Ids, idf: Floats, logarithms: npt.NDArray[np.float64]) -> tuple[Integers, Floats] | None:
        """Return what :meth:`weigh` does for a single text; none if a feature occurs more often than there are logs."""
        here = ids.astype(np.int64)
        keys = np.concatenate([here, (here[:-1] + 1) << 32 | here[1:]])
        if not len(self._keys):
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        index = np.minimum(self._keys.searchsorted(keys), len(self._keys) - 1)
        rows, counts = np.unique(index[self._keys[index] == keys], return_counts=True)
        if counts.max(initial=0) > len(logarithms):
            return None
        weights = logarithms[counts - 1] * idf[rows]
        squares = np.add.accumulate(weights * weights)  # one after another, as `weigh` adds them
        return rows, (weights / np.sqrt(squares[-1:])).astype(np.float32)


def largest_count(ids: Ids, offsets: Integers) -> int:
    """NumPy version of :func:`textcnn.core.features.largest_count`."""
    _check(ids, offsets)
    here = ids[offsets[0] : offsets[-1]].astype(np.int64)
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    counts = np.unique(text << 32 | here, return_counts=True)[1]
    return int(counts.max(initial=0))


def count_labels(
    rows: Ids, offsets: Integers, targets: Integers, num_features: int, num_labels: int
) -> npt.NDArray[np.int32]:
    """NumPy version of :func:`textcnn.core.features.count_labels`."""
    label = np.repeat(targets, np.diff(offsets))
    here = rows[offsets[0] : offsets[-1]]
    if len(here) and not (
        0 <= here.min() <= here.max() < num_features and 0 <= label.min() <= label.max() < num_labels
    ):
        raise ValueError("expected rows of features and labels within their bounds")
    code = here.astype(np.int64) * num_labels + label
    return np.bincount(code, minlength=num_features * num_labels).reshape(num_features, num_labels).astype(np.int32)


def ngram_buckets(
    data: npt.NDArray[np.uint8], ends: Integers, shortest: int, longest: int, num_buckets: int, most: int | None = None
) -> tuple[Integers, Integers]:
    """NumPy version of :func:`textcnn.core.features.ngram_buckets`."""
    if len(ends) and (np.diff(ends, prepend=0).min() < 0 or ends[-1] > len(data)):
        raise ValueError("expected ends that ascend within the data")
    if most is not None and most < 0:
        raise ValueError(f"expected 0 n-grams of a word or more, got {most}")
    data, bounds = _marked(data, ends)
    starts = np.flatnonzero((data & 0xC0) != 0x80)  # first byte of every character
    stops = np.append(starts[1:], len(data))
    word_of = np.searchsorted(bounds, starts, side="right")
    hashes, words_of = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
    for n in range(shortest, min(longest, int(np.bincount(word_of).max(initial=0))) + 1):
        first = np.arange(len(starts) - n + 1)
        first = first[word_of[first] == word_of[first + n - 1]]  # an n-gram stays within its word
        hashes.append(_fnv1a(data, starts[first], stops[first + n - 1]))
        words_of.append(word_of[first])
    flat, owner = np.concatenate(hashes), np.concatenate(words_of)
    sorted_by_word = np.argsort(owner, kind="stable")
    offsets = np.zeros(len(ends) + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=len(ends)), out=offsets[1:])
    buckets = (flat[sorted_by_word] % np.uint32(num_buckets)).astype(np.int64)
    if most is None:
        return buckets, offsets
    inside = np.arange(len(buckets)) - np.repeat(offsets[:-1], np.diff(offsets)) < most
    return buckets[inside], np.concatenate([[0], np.cumsum(np.minimum(np.diff(offsets), most))]).astype(np.int64)


def _marked(data: npt.NDArray[np.uint8], ends: Integers) -> tuple[npt.NDArray[np.uint8], Integers]:
    """Return the words as ``<word>``, concatenated, and their end offsets."""
    begins = np.concatenate([[0], ends])[:-1].astype(np.int64)
    places = np.stack([begins, ends], axis=1).reshape(-1).astype(np.int64)
    signs = np.tile(np.frombuffer(b"<>", np.uint8), len(ends))
    return np.insert(data[: ends[-1] if len(ends) else 0], places, signs), ends + 2 * np.arange(1, len(ends) + 1)


def _fnv1a(data: npt.NDArray[np.uint8], starts: Integers, ends: Integers) -> npt.NDArray[np.uint32]:
    """Hash ``data[start:end]`` for many slices at once, one pass per byte position."""
    hashes = np.full(len(starts), _BASIS, np.uint32)
    lengths = ends - starts
    with np.errstate(over="ignore"):
        for place in range(int(lengths.max(initial=0))):
            inside = lengths > place
            hashes[inside] = (hashes[inside] ^ data[starts[inside] + place]) * _PRIME
    return hashes


def drop_words(ids: Ids, offsets: Integers, rows: Integers, rates: Floats, unknown: int, state: int) -> Ids:
    """NumPy version of :func:`textcnn.core.features.drop_words`."""
    _check(ids, offsets)
    if ids.max(initial=-1) >= len(rates):
        raise ValueError(f"expected a rate for each id, found id {ids.max()} with {len(rates)} rates")
    lengths = np.diff(offsets)
    within = np.arange(len(ids)) - np.repeat(offsets[:-1], lengths)
    with np.errstate(over="ignore"):
        mixed = _mixed(_mixed(np.full(len(ids), state, np.uint64), np.repeat(rows, lengths)), within)
    chance = (mixed >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return np.where(chance < rates[ids], np.int32(unknown), ids)


def _mixed(state: npt.NDArray[np.uint64], place: Integers) -> npt.NDArray[np.uint64]:
    """Apply one step of splitmix64 (Steele et al. 2014)."""
    state = state * np.uint64(0x9E3779B97F4A7C15) + place.astype(np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def unique_types(ids: Ids) -> tuple[Integers, Integers]:
    """NumPy version of :func:`textcnn.core.features.unique_types`."""
    if ids.min(initial=0) < 0:
        raise ValueError("expected ids of 0 or more")
    return np.unique(ids.astype(np.int64), return_inverse=True)


def _check(ids: Ids, offsets: Integers) -> None:
    if offsets[0] < 0 or offsets[-1] > len(ids) or np.diff(offsets).min(initial=0) < 0 or ids.min(initial=0) < 0:
        raise ValueError("expected ids of 0 or more, and offsets that ascend within them")
