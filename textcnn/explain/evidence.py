"""Evidence: the training rows that hold what decided, and whether there are any.

What decides is the n-grams that win the filters. A whole n-gram of three to five words is rarely seen twice, so
evidence is of the pairs of neighbouring words in it (an end of the text counts as a word). A text's share of known
pairs is of all pairs in its winning n-grams those that some training row has in its own. The threshold is chosen
without any other data: it is the share that 1 % of the training rows fall short of, each compared with all rows but
itself.
"""

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
from textcnn.explain.winners import OUTSIDE, Winners, find_winners
from textcnn.inference.evidence import EvidenceIndex
from textcnn.inference.folder import EVIDENCE
from textcnn.inference.lookup import LookupModel
from textcnn.text.pipeline import EncodedTexts
from textcnn.text.ragged import Ragged

Integers = npt.NDArray[np.int64]

MOST_PAIRS, MOST_ROWS = 2**18, 3  # of an index, and of each pair: at most 8 MB
FLAGGED = 0.01  # share of the training rows that would be without evidence
MOST_CITED = 3  # pairs that an answer names
CHUNK = 512  # answers in memory at once
NO_EVIDENCE = "no_evidence"


def pair_key(first: Any, second: Any) -> Any:
    """One number for two types; :data:`textcnn.explain.winners.OUTSIDE` stands for an end of the text."""
    return (np.asarray(first, np.int64) + 2) << 32 | (np.asarray(second, np.int64) + 1)


@dataclass(frozen=True)
class _Pairs:
    """The distinct pairs of each text, in the order of texts and keys.

    Attributes:
        texts: ``(M,)``.
        keys: ``(M,)``.
        window: ``(M,)``, the winning window that holds the pair and counts most.
    """

    texts: Integers
    keys: Integers
    window: Integers


def _pairs_of(won: Winners, weight: npt.NDArray[np.floating]) -> _Pairs:
    """The pairs in winning windows, each once a text, with the window of the largest weight ``(M,)``."""
    first, second = won.windows[:, :-1], won.windows[:, 1:]
    window, place = np.nonzero((first >= OUTSIDE) & (second >= OUTSIDE) & ((first >= 0) | (second >= 0)))
    keys, texts = pair_key(first[window, place], second[window, place]), won.texts[window]
    order = np.lexsort((-weight[window], keys, texts))
    keys, texts, window = keys[order], texts[order], window[order]
    kept = np.ones(len(keys), np.bool_)
    kept[1:] = (keys[1:] != keys[:-1]) | (texts[1:] != texts[:-1])
    return _Pairs(texts[kept], keys[kept], window[kept])


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
    won = find_winners(model, encoded)
    strength = np.abs(won.contributions).max(axis=1, initial=0)
    pairs = _pairs_of(won, strength)
    said = np.flatnonzero(_sayable(model, pairs.keys))
    keys, index, counts = np.unique(pairs.keys[said], return_inverse=True, return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:most_pairs])
    order = np.lexsort((-strength[pairs.window[said]], index))
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
    shares = _shares(found, pairs, len(encoded), leave_out=1)
    found.threshold[0] = np.quantile(shares, FLAGGED) if len(shares) else 0.0
    return found


def _shares(index: EvidenceIndex, pairs: _Pairs, num_texts: int, *, leave_out: int = 0) -> npt.NDArray[np.float64]:
    """The share of known pairs of each text, ``(N,)``; a pair is known if more rows than ``leave_out`` have it."""
    known = np.zeros(len(pairs.keys), np.bool_)
    if len(index.keys):
        place = np.minimum(np.searchsorted(index.keys, pairs.keys), len(index.keys) - 1)
        known = (index.keys[place] == pairs.keys) & (index.counts[place] > leave_out)
    every = np.bincount(pairs.texts, minlength=num_texts)
    return np.asarray(np.bincount(pairs.texts, known, minlength=num_texts) / np.maximum(every, 1))


@dataclass(frozen=True)
class Evidence:
    """What training says of one text's answer.

    Attributes:
        share: of the pairs in its winning n-grams, those that are known.
        enough: whether that reaches the threshold.
        cited: the pairs that speak most for the label: ``{ngram, contribution, count, rows: [{row, labels}]}``.
    """

    share: float
    enough: bool
    cited: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"share": self.share, "cited": self.cited}


def find_evidence(
    model: LookupModel, index: EvidenceIndex, texts: Sequence[str], labels: Sequence[str]
) -> list[Evidence]:
    """For each text and the label it was given: which training rows hold what speaks for that label.

    Args:
        model: in float32.
        index: of its training rows.
        texts: N texts.
        labels: ``N`` of the model's labels, e.g. those it gives.
    """
    encoded = model.inputs.encode(texts)
    won = find_winners(model, encoded)
    column = np.array([model.labels.names.index(name) for name in labels], np.int64)
    shares = won.contributions[np.arange(len(won.texts)), column[won.texts]]
    pairs = _pairs_of(won, shares)
    known = _shares(index, pairs, len(texts))
    bounds = np.searchsorted(pairs.texts, np.arange(len(texts) + 1))
    types = model.inputs.tokenizer.types()
    found = []
    for text in range(len(texts)):
        own = slice(bounds[text], bounds[text + 1])
        cited = _cited(index, pairs.keys[own], shares[pairs.window[own]], model, types)
        enough = bool(known[text] > 0 and known[text] >= index.threshold[0])
        found.append(Evidence(float(known[text]), enough, cited))
    return found


def _cited(
    index: EvidenceIndex, keys: Integers, shares: npt.NDArray[np.float32], model: LookupModel, types: list[str]
) -> list[dict[str, Any]]:
    """The known pairs of a text whose windows add most to the label."""
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
    """What :func:`with_evidence` needs of a model folder.

    Raises:
        ArtifactError: it is not whole, or has no evidence.
    """
    path = Path(folder) / EVIDENCE
    model = LookupModel.load(folder)
    if not path.is_file():
        raise ArtifactError(f"expected {EVIDENCE} in {str(folder)!r}, found none; train the model with --evidence")
    return model, EvidenceIndex.read(path, len(model.labels))


def with_evidence(
    model: LookupModel, index: EvidenceIndex, answers: Iterable[dict[str, Any]], *, abstain: str | None = None
) -> Iterator[dict[str, Any]]:
    """Answers of :func:`textcnn.inference.answers.classify_rows` with ``evidence``, and the flag ``no_evidence``.

    Args:
        model: in float32.
        index: of its training rows.
        answers: have ``text``, ``label`` and ``flags``.
        abstain: the label of answers without evidence; what it would have been is ``label_without_evidence``.
    """
    stream = iter(answers)
    while chunk := list(islice(stream, CHUNK)):
        texts, labels = [answer["text"] for answer in chunk], [answer["label"] for answer in chunk]
        for answer, evidence in zip(chunk, find_evidence(model, index, texts, labels), strict=True):
            told = {**answer, "evidence": evidence.to_dict()}
            if not evidence.enough:
                told["flags"] = [*answer["flags"], NO_EVIDENCE]
                if abstain is not None:
                    told |= {"label": abstain, "label_without_evidence": answer["label"]}
                    told |= {"labels": []} if "labels" in answer else {}
            yield told
