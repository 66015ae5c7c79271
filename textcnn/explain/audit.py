"""Audits labelled texts: finds suspected label errors, n-grams that give labels away, and near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textcnn.explain.linear_ensemble import with_second_opinion
from textcnn.explain.shortcuts import Shortcut, find_shortcuts
from textcnn.folder.config_json import read_json
from textcnn.folder.model_folder import FOLDS, TRAINING
from textcnn.folder.training_rows import OutOfFold
from textcnn.labels import Labels
from textcnn.prediction.predictor import Predictor
from textcnn.reading.rows import Examples
from textcnn.reading.statistics import NearDuplicate, conflicting_rows, digest, fingerprints, near_duplicates


@dataclass(frozen=True)
class Suspect:
    """A training row, and the out-of-fold probability that its label is right.

    Attributes:
        row: the number of the row, from 0, in the order the rows were read.
        given: its label, or labels.
        suggested: the label that is more probable than the given one; for a multi-label row, the label that is most
            probably missing or superfluous. None: the given label is the most probable one.
        probability: the out-of-fold probability that the given label is right.
    """

    row: int
    given: tuple[str, ...]
    suggested: str | None
    probability: float


def rank_rows(folds: OutOfFold, labels: Labels, truth: Sequence[tuple[str, ...]]) -> list[Suspect]:
    """Return all rows, ranked by the probability of their given label (self-confidence, Northcutt et al. 2021).

    The least probable row comes first. The probability of a multi-label row is that of the least probable of its C
    decisions. A label that the artifact lacks has probability 0.

    Args:
        folds: the out-of-fold probabilities of the rows.
        labels: the labels of the artifact.
        truth: the labels of each row.
    """
    probs = folds.probabilities.astype(np.float64)
    if labels.multi_label:
        given = np.array([[name in row for name in labels.names] for row in truth], np.bool_).reshape(probs.shape)
        right = np.where(given, probs, 1 - probs)
        own, other = right.min(axis=1), right.argmin(axis=1)
        doubtful = own < 0.5
    else:
        number = {name: k for k, name in enumerate(labels.names)}
        column = np.array([number.get(row[0], -1) for row in truth], np.int64)  # -1: a label that the model lacks
        own = np.where(column >= 0, probs[np.arange(len(probs)), column], 0)
        other = probs.argmax(axis=1)
        doubtful = other != column
    return [
        Suspect(row, truth[row], labels.names[other[row]] if doubtful[row] else None, float(own[row]))
        for row in _ascending(own).tolist()
    ]


def _ascending(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.argsort(values, kind="stable")


@dataclass(frozen=True)
class Audit:
    """The findings of an audit of N labelled texts.

    Attributes:
        rows: N, the number of rows.
        suspects: all rows, those with the least probable labels first; none: no out-of-fold probabilities exist.
        reason: the reason why there are no suspects.
        second_opinion: whether linear models contributed to the ranking (:mod:`textcnn.explain.linear_ensemble`).
        conflicts: the number of distinct texts that occur with more than one label.
        shortcuts: the n-grams that decide a label alone.
        test_rows: the number of test texts that were compared with the rows; none: no test texts were given.
        near_duplicates: the test texts that occur among the rows, exactly or nearly.
    """

    rows: int
    suspects: list[Suspect] | None
    reason: str
    second_opinion: bool
    conflicts: int
    shortcuts: list[Shortcut]
    test_rows: int | None = None
    near_duplicates: list[NearDuplicate] = field(default_factory=list)

    def to_dict(self, texts: Sequence[str], top: int) -> dict[str, Any]:
        """Return the findings as JSON values, with the first ``top`` entries of each list."""
        suspects = [suspect for suspect in self.suspects or () if suspect.suggested is not None]
        return {
            "rows": self.rows,
            "label_errors": {
                "ranked": self.suspects is not None,
                "reason": self.reason or None,
                "second_opinion": self.second_opinion,
                "suspects": len(suspects),
                "top": [{**asdict(suspect), "text": texts[suspect.row]} for suspect in suspects[:top]],
            },
            "conflicts": self.conflicts,
            "shortcuts": {"found": len(self.shortcuts), "top": [asdict(shortcut) for shortcut in self.shortcuts[:top]]},
            "near_duplicates": {
                "test_rows": self.test_rows,
                "found": len(self.near_duplicates),
                "top": [{**asdict(pair), "text": texts[pair.row]} for pair in self.near_duplicates[:top]],
            },
        }


def audit(
    folder: str | Path, examples: Examples, test: Sequence[str] | None = None, *, similarity: float = 0.8, **limits: Any
) -> Audit:
    """Audit the training rows of a text model for label errors, conflicting labels, shortcuts and near-duplicates.

    Args:
        folder: the model folder; label errors are ranked if it was trained with ``train --folds K``.
        examples: the rows; label errors are ranked only if these are the model's training rows.
        test: test texts, which should not occur among the rows.
        similarity: the similarity from which two texts count as near-duplicates (:mod:`textcnn.reading.statistics`).
        limits: the thresholds of :func:`textcnn.explain.shortcuts.find_shortcuts`.

    Raises:
        ArtifactError: the folder is incomplete, or its model is for images.
    """
    predictor = Predictor.load(folder)
    predictor.text_inputs()
    labels = predictor.labels
    folds, reason = _folds_of(Path(folder), examples, len(labels))
    both = None if folds is None else with_second_opinion(folds, examples.texts, examples.labels, labels)
    return Audit(
        len(examples),
        None if folds is None else rank_rows(both or folds, labels, examples.labels),
        reason,
        both is not None,
        len(conflicting_rows(fingerprints(examples.texts), examples.labels)),
        find_shortcuts(predictor, examples.texts, examples.labels, **limits),
        None if test is None else len(test),
        [] if test is None else near_duplicates(examples.texts, test, similarity),
    )


def _folds_of(folder: Path, examples: Examples, num_labels: int) -> tuple[OutOfFold | None, str]:
    """Return the out-of-fold probabilities of these rows, or none and the reason why there are none."""
    if not (folder / FOLDS).is_file():
        return (
            None,
            "the model was trained without --folds K: no model has answered these rows unseen",
        )
    trained = read_json(folder / TRAINING).get("data", {}).get("fingerprint")
    if trained != digest(examples.texts, examples.labels, examples.weights):
        return None, "these are not the rows that the model was trained on"
    return OutOfFold.read(folder / FOLDS, num_labels), ""
