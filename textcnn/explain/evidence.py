"""Finds evidence for an answer: the training rows that contain the word pairs which decided it, by an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.config import ModelConfig
from textcnn.errors import ArtifactError, ConfigError
from textcnn.explain.attribution import WinningNgrams, winning_ngrams
from textcnn.folder.model_folder import EVIDENCE
from textcnn.folder.training_rows import EvidenceIndex
from textcnn.runtime.lookup import LookupModel
from textcnn.tokenization.pipeline import EncodedTexts
from textcnn.tokenization.ragged import Ragged

Integers = npt.NDArray[np.int64]

MOST_PAIRS, MOST_ROWS = 2**18, 3  # pairs in an index, and rows cited for each: the file has at most 8 MB
FLAGGED = 0.01  # the threshold is set so that this share of the training rows would have no evidence
OUTSIDE = -1  # stands in the place of a type for an end of the text


def pair_key(first: Any, second: Any) -> Any:
    """Combine two types into one integer key; :data:`OUTSIDE` stands for an end of the text."""
    return (np.asarray(first, np.int64) + 2) << 32 | (np.asarray(second, np.int64) + 1)


@dataclass(frozen=True)
class Pairs:
    """The distinct word pairs of each text, sorted by text and key.

    Attributes:
        texts: ``(M,)``, the number of the pair's text.
        keys: ``(M,)``, the key of the pair.
        ngram: ``(M,)``, the index of the winning n-gram with the largest weight that contains the pair.
    """

    texts: Integers
    keys: Integers
    ngram: Integers


def pairs_of(won: WinningNgrams, encoded: EncodedTexts, weight: npt.NDArray[np.floating]) -> Pairs:
    """Return the distinct pairs in the winning n-grams of each text, with the n-gram of the largest weight ``(M,)``.

    An n-gram whose window reached over an end of the text also gives a pair of a word and that end.
    """
    lengths, keys, ngram = won.last - won.first, [], []
    for i in range(-1, int(lengths.max(initial=0))):  # pairs of the words i and i + 1
        have = np.flatnonzero(((i >= 0) | won.over_start) & ((i + 1 < lengths) | (won.over_end & (i + 1 == lengths))))
        token = won.first[have] + i
        first = np.full(len(have), OUTSIDE) if i < 0 else encoded.ids[token]
        inside = i + 1 < lengths[have]
        second = np.where(inside, encoded.ids[np.where(inside, token + 1, 0)], OUTSIDE)
        keys.append(pair_key(first, second))
        ngram.append(have)
    return _each_once(won.texts, np.concatenate(keys), np.concatenate(ngram), weight)


def _each_once(of_ngram: Integers, keys: Integers, ngram: Integers, weight: npt.NDArray[np.floating]) -> Pairs:
    texts = of_ngram[ngram]
    order = np.lexsort((-weight[ngram], keys, texts))
    keys, texts, ngram = keys[order], texts[order], ngram[order]
    kept = np.ones(len(keys), np.bool_)
    kept[1:] = (keys[1:] != keys[:-1]) | (texts[1:] != texts[:-1])
    return Pairs(texts[kept], keys[kept], ngram[kept])


def _sayable(model: LookupModel, keys: Integers) -> npt.NDArray[np.bool_]:
    """Return which pairs consist of words of the vocabulary: not unseen, unknown or blinded words."""
    first, second = (keys >> 32) - 2, (keys & 0xFFFFFFFF) - 1
    unknown, size = model.inputs.tokenizer.unknown_id, len(model.inputs.tokenizer)
    return np.asarray((first < size) & (second < size) & (first != unknown) & (second != unknown))


def check_architecture(config: ModelConfig) -> None:
    """Check, before training, that a model of these settings can have evidence.

    Raises:
        ConfigError: the model has no max-pooled filters over two words or more.
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
    """Build the index of evidence of a model's training rows.

    Args:
        model: a model of precision float32.
        encoded: the N training rows.
        truth: the labels of the rows.
        numbers: ``(N,)``, the numbers of the rows in the data.
        most_pairs: the largest number of pairs to keep; those in the most rows are kept.
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
    # Every pair of a training row is known by that row itself: leave it out, or no row would ever lack evidence.
    shares = known_shares(found, pairs, len(encoded), leave_out=1)
    found.threshold[0] = np.quantile(shares, FLAGGED) if len(shares) else 0.0
    return found


def known_shares(index: EvidenceIndex, pairs: Pairs, num_texts: int, *, leave_out: int = 0) -> npt.NDArray[np.float64]:
    """Return the share of known pairs of each text, ``(N,)``; a known pair is in more than ``leave_out`` rows."""
    known = np.zeros(len(pairs.keys), np.bool_)
    if len(index.keys):
        place = np.minimum(np.searchsorted(index.keys, pairs.keys), len(index.keys) - 1)
        known = (index.keys[place] == pairs.keys) & (index.counts[place] > leave_out)
    every = np.bincount(pairs.texts, minlength=num_texts)
    return np.asarray(np.bincount(pairs.texts, known, minlength=num_texts) / np.maximum(every, 1))


MOST_CITED = 3  # pairs cited for an answer
CHUNK = 512  # answers in memory at once
NO_EVIDENCE = "no_evidence"


@dataclass(frozen=True)
class Evidence:
    """The evidence in the training rows for the answer to one text.

    Attributes:
        share: the share of the pairs in its winning n-grams that occur in training.
        enough: whether that share reaches the threshold.
        cited: the pairs that add most to the label's logit: ``{ngram, contribution, count, rows: [{row, labels}]}``.
    """

    share: float
    enough: bool
    cited: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the share and the cited pairs as JSON values."""
        return {"share": self.share, "cited": self.cited}


def find_evidence(
    model: LookupModel, index: EvidenceIndex, texts: Sequence[str], labels: Sequence[str]
) -> list[Evidence]:
    """Find the training rows that support a label of each text.

    Args:
        model: a model of precision float32.
        index: the index of its training rows.
        texts: N texts.
        labels: a label of the model for each text, such as the predicted one.
    """
    encoded = model.inputs.encode(texts)
    won = winning_ngrams(model, encoded)
    column = np.array([model.labels.names.index(name) for name in labels], np.int64)
    shares = won.contributions[np.arange(len(won.texts)), column[won.texts]]
    pairs = pairs_of(won, encoded, shares)
    known = known_shares(index, pairs, len(texts))
    bounds = np.searchsorted(pairs.texts, np.arange(len(texts) + 1))
    types = model.inputs.tokenizer.types()
    found = []
    for text in range(len(texts)):
        own = slice(bounds[text], bounds[text + 1])
        cited = _cited(index, pairs.keys[own], shares[pairs.ngram[own]], model, types)
        enough = bool(known[text] > 0 and known[text] >= index.threshold[0])
        found.append(Evidence(float(known[text]), enough, cited))
    return found


def _cited(
    index: EvidenceIndex, keys: Integers, shares: npt.NDArray[np.float32], model: LookupModel, types: list[str]
) -> list[dict[str, Any]]:
    """Return the known pairs of a text whose n-grams contribute most to the label."""
    cited: list[dict[str, Any]] = []
    place = np.searchsorted(index.keys, keys)
    for k in np.argsort(-shares, kind="stable").tolist():
        if len(cited) == MOST_CITED or shares[k] <= 0:
            break
        if place[k] == len(index.keys) or index.keys[place[k]] != keys[k]:
            continue
        pair = int(place[k])
        both = int(keys[k] >> 32) - 2, int(keys[k] & 0xFFFFFFFF) - 1
        cited.append(
            {
                "ngram": " ".join(types[i] for i in both if i != OUTSIDE),
                **({"at": "start" if both[0] == OUTSIDE else "end"} if OUTSIDE in both else {}),
                "contribution": float(shares[k]),
                "count": int(index.counts[pair]),
                "rows": [_row(index, row, model) for row in index.rows[pair].tolist() if row >= 0],
            }
        )
    return cited


def _row(index: EvidenceIndex, row: int, model: LookupModel) -> dict[str, Any]:
    ids = index.label_ids[index.label_offsets[row] : index.label_offsets[row + 1]].tolist()
    return {"row": int(index.numbers[row]), "labels": [model.labels.names[k] for k in ids]}


def load_evidence(folder: str | Path) -> tuple[LookupModel, EvidenceIndex]:
    """Load a model and its index of evidence from a model folder.

    Raises:
        ArtifactError: the folder is incomplete, or has no evidence.
    """
    path = Path(folder) / EVIDENCE
    model = LookupModel.load(folder)
    if not path.is_file():
        raise ArtifactError(f"expected {EVIDENCE} in {str(folder)!r}, found none; train the model with --evidence")
    return model, EvidenceIndex.read(path, len(model.labels))


def with_evidence(
    model: LookupModel, index: EvidenceIndex, answers: Iterable[dict[str, Any]], *, abstain: str | None = None
) -> Iterator[dict[str, Any]]:
    """Add ``evidence``, and the flag ``no_evidence`` where there is too little, to a stream of answers.

    Args:
        model: a model of precision float32.
        index: the index of its training rows.
        answers: the answers of :func:`textcnn.prediction.answers.classify_rows`.
        abstain: the label to put on answers without evidence; the predicted one becomes ``label_without_evidence``.
    """
    stream = iter(answers)
    while chunk := list(islice(stream, CHUNK)):
        texts = [answer["text"] for answer in chunk]
        labels = [answer.get("nearest_label", answer["label"]) for answer in chunk]
        for answer, evidence in zip(chunk, find_evidence(model, index, texts, labels), strict=True):
            found = {**answer, "evidence": evidence.to_dict()}
            if not evidence.enough:
                found["flags"] = [*answer["flags"], NO_EVIDENCE]
                if abstain is not None:
                    found |= {"label": abstain, "label_without_evidence": answer["label"]}
                    found |= {"labels": []} if "labels" in answer else {}
            yield found
