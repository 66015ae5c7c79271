"""Collects what is compared of training and of later texts: counts of words and n-grams, labels, and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textcnn import core
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import probabilities
from textcnn.evaluation.strangers import WEIGHTS, statistics
from textcnn.evaluation.two_samples import Comparison, Sample, compare
from textcnn.folder.config_json import read_json
from textcnn.folder.model_folder import DRIFT, TRAINING
from textcnn.folder.training_rows import NgramCounts
from textcnn.labels import label_counts
from textcnn.tokenization.pipeline import EncodedTexts, TextPipeline
from textcnn.tokenization.ragged import Ragged

if TYPE_CHECKING:
    from textcnn.evaluation.promises import HeldOutAnswers
    from textcnn.prediction.predictor import Predictor

MOST_WORDS, MOST_PAIRS = 10_000, 15_000  # 300 kB
MOST_TOKENS = 1_000_000  # of training texts that are counted
COMPARED = ("largest", "network", "n-grams", "length", "known words", "known n-grams")  # of the statistics of a text


def count_training_ngrams(inputs: TextPipeline, tokens: Ragged, *, has_features: bool) -> NgramCounts:
    """Count the n-grams of training texts, of which evenly spaced ones do if they are many.

    Args:
        inputs: the pipeline.
        tokens: the texts.
        has_features: whether the pipeline's n-gram features were collected from these texts. Then the counts follow
            from the inverse document frequencies.
    """
    if has_features and inputs.wide is not None:
        idf = inputs.wide.idf.astype(np.float64)
        rows_with = np.rint((1 + len(tokens)) / np.exp(idf - 1) - 1).astype(np.int64)
        return _most_frequent(inputs, inputs.wide.keys, rows_with, len(tokens))
    step = max(-(-len(tokens.ids) // MOST_TOKENS), 1)
    return count_ngrams(inputs, tokens if step == 1 else tokens.take(np.arange(0, len(tokens), step)))


def count_ngrams(inputs: TextPipeline, tokens: Ragged) -> NgramCounts:
    """Count the texts that hold each word and pair of words of the vocabulary; the most frequent ones are returned."""
    keys, rows_with = core.twin("features").count_ngrams(tokens.ids, tokens.offsets, len(inputs.tokenizer))
    return _most_frequent(inputs, keys, rows_with, len(tokens))


def _most_frequent(
    inputs: TextPipeline, keys: npt.NDArray[np.int64], rows_with: npt.NDArray[np.int64], num_texts: int
) -> NgramCounts:
    unknown = inputs.tokenizer.unknown_id
    if unknown is not None:
        first, second = (keys >> 32) - 1, keys & 0xFFFFFFFF
        known = (first != unknown) & (second != unknown)
        keys, rows_with = keys[known], rows_with[known]
    parts, bound = [], 0
    for part, most in ((np.flatnonzero(keys < 1 << 32), MOST_WORDS), (np.flatnonzero(keys >= 1 << 32), MOST_PAIRS)):
        order = np.argpartition(-rows_with[part], most - 1) if len(part) > most else np.arange(len(part))
        parts.append(part[order[:most]])
        bound = max(bound, int(rows_with[part[order[most:]]].max(initial=0)))
    kept = np.sort(np.concatenate(parts))
    return NgramCounts(keys[kept], rows_with[kept].astype(np.int32), np.array([num_texts, bound], np.int64))


def names_of(inputs: TextPipeline, keys: npt.NDArray[np.int64]) -> list[str]:
    """Return the words and pairs of words of these keys."""
    types = inputs.tokenizer.types()
    return [
        types[key] if key < 1 << 32 else f"{types[(key >> 32) - 1]} {types[key & 0xFFFFFFFF]}" for key in keys.tolist()
    ]


@dataclass(frozen=True)
class Drift:
    """The comparison of a model's training with later texts, and the most frequent words that the model lacks."""

    comparison: Comparison
    unknown_words: list[tuple[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        unknown = [{"word": word, "count": count} for word, count in self.unknown_words]
        return {**self.comparison.to_dict(), "unknown_words": unknown}


def sample_of(predictor: Predictor, encoded: EncodedTexts, labels: Sequence[Sequence[str]] | None) -> Sample:
    """Return the sample of texts that the model answers."""
    inputs = predictor.text_inputs()
    counted = count_ngrams(inputs, encoded)
    given, values = None, {}
    if predictor.labels.targets:
        labels = None  # numbers have no counts
    elif not predictor.labels.multi_label:
        branches = predictor.branches(encoded)
        probs = probabilities(np.add.reduce(branches), predictor.labels)
        given = _named(probs.argmax(axis=1), predictor.labels.names)
        values = _values(probs.max(axis=1), statistics(branches, inputs.counts(encoded)))
    return Sample(
        len(encoded),
        len(encoded),
        counted.keys,
        counted.rows_with.astype(np.int64),
        int(counted.sizes[1]),
        None if labels is None else label_counts(labels),
        given,
        values,
    )


def training_sample(folder: Path, predictor: Predictor) -> Sample:
    """Return the sample that training has left in the model folder.

    Raises:
        ConfigError: it has left none.
        ArtifactError: a file is damaged.
    """
    if not (folder / DRIFT).is_file():
        raise ConfigError(
            f"{str(folder)!r} has no {DRIFT}, which `textcnn train` writes: train it again, or compare with a file of "
            f"its training texts by --against FILE"
        )
    counted, held_out = NgramCounts.read(folder / DRIFT, len(predictor.text_inputs().tokenizer)), predictor.held_out
    training = read_json(folder / TRAINING)
    labels = training.get("data", {}).get("labels")
    given, values = None, {}
    if held_out is not None and held_out.statistics is not None:
        values = _values(held_out.confidence, held_out.statistics)
        given = _given(held_out, predictor)
    sizes = counted.sizes.tolist()
    return Sample(
        sizes[0],
        training.get("examples", {}).get("train", sizes[0]),
        counted.keys,
        counted.rows_with.astype(np.int64),
        sizes[1],
        labels if isinstance(labels, dict) else None,
        given,
        values,
        is_held_out=True,
    )


def _given(held_out: HeldOutAnswers, predictor: Predictor) -> dict[str, int] | None:
    return None if held_out.given is None else _named(held_out.given, predictor.labels.names)


def _named(columns: npt.NDArray[Any], names: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(names[k] for k in columns.tolist()).items()))


def _values(confidence: npt.NDArray[Any], found: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    places = {name: list(WEIGHTS).index(name) for name in COMPARED}
    return {"confidence": confidence, **{name: found[:, place] for name, place in places.items()}}


def measure_drift(
    folder: Path,
    predictor: Predictor,
    texts: Sequence[str],
    labels: Sequence[Sequence[str]] | None,
    *,
    against: tuple[Sequence[str], Sequence[Sequence[str]] | None] | None = None,
    error: float = 0.05,
) -> Drift:
    """Compare texts with those that a model was trained on.

    Args:
        folder: the model folder.
        predictor: its predictor.
        texts: the later texts.
        labels: their labels; none: not known.
        against: texts and labels to compare with in the place of what training has left; none: that.
        error: the probability that anything is called moved where nothing is.

    Raises:
        ConfigError: the folder has nothing to compare with, or the error is not between 0 and 1.
        ArtifactError: a file is damaged, or the model is for images.
    """
    from textcnn.reading.statistics import frequent_unknown

    if not 0 < error < 1:
        raise ConfigError(f"the error must be between 0 and 1, got {error:g}")
    inputs = predictor.text_inputs()
    before = (
        training_sample(folder, predictor)
        if against is None
        else sample_of(predictor, inputs.encode(against[0]), against[1])
    )
    encoded = inputs.encode(texts)
    found = compare(before, sample_of(predictor, encoded, labels), lambda keys: names_of(inputs, keys), error=error)
    return Drift(found, frequent_unknown(inputs, encoded, 10))
