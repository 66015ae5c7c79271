"""Evidence of an answer: the training rows that hold what decided it, and whether there are any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.errors import ArtifactError
from textcnn.explain.evidence_index import OUTSIDE, known_shares, pairs_of
from textcnn.explain.winners import winning_ngrams
from textcnn.inference.evidence import EvidenceIndex
from textcnn.inference.folder import EVIDENCE
from textcnn.inference.lookup import LookupModel

Integers = npt.NDArray[np.int64]

MOST_CITED = 3  # pairs that an answer names
CHUNK = 512  # answers in memory at once
NO_EVIDENCE = "no_evidence"


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
    """The known pairs of a text whose n-grams add most to the label."""
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
