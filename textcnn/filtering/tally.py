"""Counts what became of the documents of a shard, and draws samples of them for the report."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.filtering.documents import NO_TEXT, NO_TOKEN, Documents
from textcnn.filtering.rule import Floats

BINS = 20  # of a histogram of probabilities, over 0 to 1
SAMPLES = 12  # kept documents, and dropped ones, that a shard gives to the report
SAMPLE_CHARACTERS = 4_000


@dataclass(frozen=True)
class Sample:
    """A document for the report.

    Attributes:
        draw: a hash of its shard and number, by which samples are drawn, so that they are always the same ones.
        shard: the name of its shard.
        number: its line or row there, from 1.
        text: its text, or the start of it.
        is_cut: whether the text goes on.
        label: the label that decided.
        probability: the probability of that label, or the number of that target.
        kept: whether it was kept.
    """

    draw: int
    shard: str
    number: int
    text: str
    is_cut: bool
    label: str
    probability: float
    kept: bool


@dataclass(frozen=True)
class Result:
    """What became of one shard.

    Attributes:
        name: the name of the shard.
        documents: the number of documents, rejected ones included.
        kept: the number of documents written, by label.
        dropped: the number of documents that the rule leaves out.
        rejected: the number of documents without a score, by reason.
        histogram: the number of documents in each of :data:`BINS` bins of the probability, or of the number.
        samples: samples (:class:`Sample`) as dictionaries.
        problem: the reason why nothing is written; none: the shard is finished.
    """

    name: str
    documents: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    histogram: tuple[int, ...] = ()
    samples: tuple[dict[str, Any], ...] = ()
    problem: str | None = None


class Tally:
    """Counts the documents of a shard block by block.

    Args:
        name: the name of the shard.
        labels: the labels that documents are kept under: one, or for a route all.
        range: the ends of the histogram; scores beyond them are counted in its last bins.
    """

    def __init__(self, name: str, labels: Sequence[str], range: tuple[float, float] = (0.0, 1.0)) -> None:
        self._name, self._labels, self._range = name, labels, range
        self._seed = np.uint64(zlib.crc32(name.encode("utf-8", "surrogateescape")) << 32)
        self._documents = self._dropped = 0
        self._kept = np.zeros(len(labels), np.int64)
        self._histogram = np.zeros(BINS, np.int64)
        self._rejected: Counter[str] = Counter()
        self._samples: dict[bool, list[Sample]] = {True: [], False: []}

    def add(
        self, documents: Documents, values: Floats, kept: npt.NDArray[np.bool_], best: npt.NDArray[np.int64] | None
    ) -> None:
        """Count the documents of a block; arguments as in ``textcnn.filtering.job``."""
        scored = ~np.isnan(values)
        codes = np.zeros(len(values), np.int64) if best is None else best
        self._documents += len(values)
        self._kept += np.bincount(codes[kept], minlength=len(self._labels))
        self._dropped += int(np.count_nonzero(scored & ~kept))
        low, high = self._range
        bins = np.clip((values[scored] - low) / (high - low) * BINS, 0, BINS - 1).astype(np.int64)
        self._histogram += np.bincount(bins, minlength=BINS)
        self._rejected.update(reason_of(documents, place) for place in np.flatnonzero(~scored).tolist())
        draws = _mixed(self._seed + documents.numbers.astype(np.uint64))
        for is_kept, places in ((True, np.flatnonzero(kept)), (False, np.flatnonzero(scored & ~kept))):
            samples = self._samples[is_kept]
            places = places[np.argsort(draws[places], kind="stable")[:SAMPLES]]
            for place in places.tolist():
                if len(samples) == SAMPLES and int(draws[place]) >= samples[-1].draw:
                    break
                text = documents.texts[place]
                samples.append(
                    Sample(
                        *(int(draws[place]), self._name, int(documents.numbers[place]), text[:SAMPLE_CHARACTERS]),
                        len(text) > SAMPLE_CHARACTERS,
                        *(self._labels[codes[place]], float(values[place]), is_kept),
                    )
                )
                samples.sort(key=lambda sample: sample.draw)
                del samples[SAMPLES:]

    def result(self) -> Result:
        """Return the counts and samples so far."""
        kept = {label: count for label, count in zip(self._labels, self._kept.tolist(), strict=True) if count}
        samples = tuple(vars(sample) for is_kept in (True, False) for sample in self._samples[is_kept])
        rejected = dict(sorted(self._rejected.items()))
        counts = tuple(self._histogram.tolist())
        return Result(self._name, self._documents, kept, self._dropped, rejected, counts, samples)


def reason_of(documents: Documents, place: int) -> str:
    """Return why a document has no score."""
    return documents.reasons.get(place) or (NO_TOKEN if documents.texts[place].strip() else NO_TEXT)


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return a hash of each value: equal values have equal hashes, neighbouring ones have unlike ones."""
    # Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": the mixing of SplitMix64.
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
