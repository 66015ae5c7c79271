"""Stores what a model folder keeps about rows: an index of evidence, out-of-fold probabilities, held-out answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textcnn.errors import ArtifactError
from textcnn.evaluation.promises import HeldOutAnswers
from textcnn.evaluation.strangers import WEIGHTS
from textcnn.folder.tensors import load_arrays, save_arrays

Integers = npt.NDArray[np.int64]
_ARRAYS = {
    "keys": (np.int64, 1),
    "counts": (np.int32, 1),
    "rows": (np.int32, 2),
    "numbers": (np.int64, 1),
    "label_offsets": (np.int64, 1),
    "label_ids": (np.int32, 1),
    "threshold": (np.float64, 1),
}


@dataclass(frozen=True)
class EvidenceIndex:
    """An index from P word pairs of winning n-grams to the training rows (Q in all) that contain them.

    Attributes:
        keys: ``(P,)`` int64, ascending (:func:`textcnn.explain.evidence.pair_key`).
        counts: ``(P,)`` int32, the number of training rows whose winning n-grams contain the pair.
        rows: ``(P, R)`` int32, the rows where the pair counts most, as indices from 0 to Q - 1; -1 where fewer than R.
        numbers: ``(Q,)`` int64, the numbers of the cited rows, from 0, in the order the training data were read.
        label_offsets: ``(Q + 1,)`` int64, the offset of each cited row's labels in ``label_ids``.
        label_ids: int32, the labels of all cited rows, one row after the other.
        threshold: ``(1,)`` float64, the share of known pairs below which a text counts as having no evidence.
    """

    keys: Integers
    counts: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    numbers: Integers
    label_offsets: Integers
    label_ids: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float64]

    def write(self, path: Path) -> None:
        """Write the arrays as tensors named like the attributes.

        Raises:
            ArtifactError: the path cannot be written.
        """
        save_arrays(path, {entry.name: getattr(self, entry.name) for entry in fields(self)})

    @classmethod
    def read(cls, path: Path, num_labels: int) -> EvidenceIndex:
        """Read an index from a file that :meth:`write` wrote, and check it.

        Raises:
            ArtifactError: the file is damaged, or does not belong to a model with ``num_labels`` labels.
        """
        index = cls(**load_arrays(path, _ARRAYS, "an index of evidence"))
        if problem := index._problem(num_labels):
            raise ArtifactError(f"{path}: expected an index of evidence, but {problem}; train again with --evidence")
        return index

    def _problem(self, num_labels: int) -> str:
        """Return a description of whatever would make a search fail or cite a wrong row; an empty string if nothing."""
        num_pairs, num_rows = len(self.keys), len(self.numbers)
        if self.counts.shape != (num_pairs,) or len(self.rows) != num_pairs:
            return f"it has {num_pairs} pairs, counts of shape {self.counts.shape} and rows of shape {self.rows.shape}"
        if self.rows.max(initial=-1) >= num_rows or self.rows.min(initial=0) < -1:
            return f"it cites rows that are not among its {num_rows}"
        offsets = self.label_offsets
        if offsets.shape != (num_rows + 1,) or offsets[0] or (np.diff(offsets) < 0).any():
            return f"its labels are not those of {num_rows} rows"
        if offsets[-1] != len(self.label_ids):
            return f"its labels are not those of {num_rows} rows"
        if self.label_ids.max(initial=-1) >= num_labels or self.label_ids.min(initial=0) < 0:
            return f"it has labels that are not among the {num_labels} of the model"
        return "" if self.threshold.shape == (1,) else f"it has {self.threshold.size} thresholds"


_FOLD_ARRAYS = {"probabilities": (np.float32, 2), "fold": (np.int32, 1)}


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold probabilities of the N labelled training rows, in the order they were read.

    Attributes:
        probabilities: ``(N, C)`` float32, columns in the order of the artifact's labels; 0 for a label that does not
            occur in the training rows of the fold's model.
        fold: ``(N,)`` int32, the number, from 0, of the fold that each row was left out of training in.
    """

    probabilities: npt.NDArray[np.float32]
    fold: npt.NDArray[np.int32]

    def write(self, path: Path) -> None:
        """Write both arrays as tensors named like the attributes.

        Raises:
            ArtifactError: the path cannot be written.
        """
        save_arrays(path, {"probabilities": self.probabilities, "fold": self.fold})

    @classmethod
    def read(cls, path: Path, num_labels: int) -> OutOfFold:
        """Read the probabilities from a file that :meth:`write` wrote, and check their shape.

        Raises:
            ArtifactError: the file is damaged, or does not belong to a model with ``num_labels`` labels.
        """
        found = load_arrays(path, _FOLD_ARRAYS, "probabilities and folds")
        probabilities, fold = found["probabilities"], found["fold"]
        if probabilities.shape != (len(fold), num_labels):
            raise ArtifactError(
                f"{path}: expected probabilities of shape ({len(fold)}, {num_labels}), found {probabilities.shape}"
            )
        return cls(probabilities, fold)


_COUNT_ARRAYS = {"keys": (np.int64, 1), "rows_with": (np.int32, 1), "sizes": (np.int64, 1)}


@dataclass(frozen=True)
class NgramCounts:
    """The most frequent words and pairs of words of N texts.

    Attributes:
        keys: ``(K,)``, ascending: the id of a word, ``(first + 1) << 32 | second`` of a pair.
        rows_with: ``(K,)``, the number of texts that hold each.
        sizes: N, and the number of texts that hold any of those that are left out, at most.
    """

    keys: Integers
    rows_with: npt.NDArray[np.int32]
    sizes: Integers

    def write(self, path: Path) -> None:
        """Write the arrays as tensors named like the attributes.

        Raises:
            ArtifactError: the path cannot be written.
        """
        save_arrays(path, {entry.name: getattr(self, entry.name) for entry in fields(self)})

    @classmethod
    def read(cls, path: Path, num_types: int) -> NgramCounts:
        """Read counts that :meth:`write` wrote, and check them.

        Raises:
            ArtifactError: the file is damaged, or does not belong to a vocabulary of ``num_types`` words.
        """
        found = cls(**load_arrays(path, _COUNT_ARRAYS, "counts of n-grams"))
        keys, second = found.keys, found.keys & 0xFFFFFFFF
        is_sound = found.sizes.shape == (2,) and len(keys) == len(found.rows_with) and (found.sizes >= 0).all()
        is_sound = is_sound and (np.diff(keys) > 0).all() and keys.min(initial=0) >= 0
        is_sound = is_sound and max(((keys >> 32) - 1).max(initial=-1), second.max(initial=-1)) < num_types
        if not is_sound or not 0 <= found.rows_with.min(initial=0) <= found.rows_with.max(initial=0) <= found.sizes[0]:
            raise ArtifactError(f"{path}: expected counts of n-grams of {num_types:,} words, found others")
        return found


_HELD_OUT_ARRAYS = {
    "truth": (np.int32, 1),
    "confidence": (np.float32, 1),
    "correct": (np.bool_, 1),
    "score": (np.float32, 1),
}
# What models of before lack, and models without outliers.
_IF_KNOWN: dict[str, tuple[type, int]] = {
    "given": (np.int32, 1),
    "statistics": (np.float32, 2),
    "outliers": (np.float32, 2),
    "surest": (np.float32, 1),
    "first_wrong": (np.float32, 1),
    "likeness": (np.float32, 2),
}


def write_held_out(answers: HeldOutAnswers, path: Path) -> None:
    """Write the arrays as tensors named like the attributes.

    Raises:
        ArtifactError: the path cannot be written.
    """
    arrays = {name: getattr(answers, name) for name in {**_HELD_OUT_ARRAYS, **_IF_KNOWN}}
    save_arrays(path, {name: array for name, array in arrays.items() if array is not None})


def write_residuals(residuals: npt.NDArray[np.float64], path: Path) -> None:
    """Write how far predicted numbers ``(M, K)`` were from those of held-out rows.

    Raises:
        ArtifactError: the path cannot be written.
    """
    save_arrays(path, {"residuals": residuals})


def read_residuals(path: Path, num_targets: int) -> npt.NDArray[np.float64]:
    """Read what :func:`write_residuals` wrote, and check it.

    Raises:
        ArtifactError: the file is damaged, or does not belong to a model with ``num_targets`` targets.
    """
    found: npt.NDArray[np.float64] = load_arrays(path, {"residuals": (np.float64, 2)}, "residuals")["residuals"]
    if found.shape[1] != num_targets or not np.isfinite(found).all() or (found < 0).any():
        raise ArtifactError(f"{path}: expected sizes of errors of {num_targets} targets, found others")
    return found


def read_held_out(path: Path, num_labels: int, *, in_tree: bool = False) -> HeldOutAnswers:
    """Read answers that :func:`write_held_out` wrote, and check them; ``in_tree``: those of nodes must be there.

    Raises:
        ArtifactError: the file is damaged, or does not belong to a model with ``num_labels`` labels.
    """
    what = "answers to held-out rows"
    found = HeldOutAnswers(**load_arrays(path, _HELD_OUT_ARRAYS, what, _IF_KNOWN))
    sizes = {len(getattr(found, name)) for name in _HELD_OUT_ARRAYS}
    of_rows = (found.given, found.statistics, found.surest, found.first_wrong)
    sizes |= {len(array) for array in of_rows if array is not None}
    columns = np.concatenate([found.truth, found.truth if found.given is None else found.given])
    if len(sizes) > 1 or columns.min(initial=0) < 0 or columns.max(initial=-1) >= num_labels:
        raise ArtifactError(f"{path}: expected answers to rows of {num_labels} labels, found others")
    if in_tree and (found.surest is None or found.first_wrong is None):
        raise ArtifactError(f"{path}: expected answers by a tree of labels, found those of labels alone")
    for table in (found.statistics, found.outliers):
        if table is not None and not (table.shape[1] == len(WEIGHTS) and np.isfinite(table).all()):
            raise ArtifactError(f"{path}: expected {len(WEIGHTS)} finite statistics of each text, found {table.shape}")
    alike, shape = found.likeness, (num_labels, num_labels)
    if alike is not None and not (alike.shape == shape and (alike >= 0).all() and (alike <= 1).all()):
        raise ArtifactError(f"{path}: expected the likeness of {num_labels} labels, from 0 to 1, found {alike.shape}")
    return found
