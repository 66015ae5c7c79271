"""Checks scikit-learn's ``y`` and ``sample_weight``, and converts them to label names and row weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from textcnn.reading.soft_labels import TOLERANCE, SoftLabels
from textcnn.reading.table import is_missing

Array = npt.NDArray[Any]


def read_weights(sample_weight: Any, num_rows: int) -> npt.NDArray[np.float64] | None:
    """Check the sample weights and return them as ``(N,)`` float64, or none if none are given.

    Raises:
        ValueError: there is not one finite number of 0 or more for each row, or all are zero.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as err:
        raise ValueError(f"expected numbers in sample_weight, found {sample_weight!r:.60}") from err
    if weights.shape != (num_rows,):
        raise ValueError(f"expected sample_weight of shape ({num_rows},), found {weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))[0])
        raise ValueError(f"expected finite weights of 0 or more, found {weights[bad]} in row {bad}")
    if not weights.any():
        raise ValueError("expected a weight above zero in sample_weight, found none")
    return weights


def is_multi_label(y: Any) -> bool:
    """Whether ``y`` is an indicator matrix rather than a column of classes.

    Raises:
        ValueError: ``y`` has missing or infinite values, or cannot be interpreted as classes.
    """
    kind = getattr(getattr(y, "dtype", None), "kind", "")
    # Checked before a list is converted to an array, in which nan would become the class "nan".
    for row, label in enumerate(y if isinstance(y, (list, tuple)) or kind == "O" else ()):
        if is_missing(label):
            raise ValueError(f"expected a class in each row of y, found {label!r} in row {row}; leave the row out")
    if kind == "f":
        assert_all_finite(y, input_name="y")
    return bool(type_of_target(y, input_name="y") == "multilabel-indicator")


def read_classes(y: Any, weights: npt.NDArray[np.float64] | None) -> tuple[Array, list[str]]:
    """Return the sorted classes of ``y (N,)``, and the name of each row's class.

    Classes whose rows all have weight 0 are not among them.

    Raises:
        ValueError: ``y`` is not a column of classes, has fewer than two, or has one with an empty name.
    """
    column = column_or_1d(y, warn=True)
    check_classification_targets(column)
    classes = np.unique(column if weights is None else column[weights > 0])
    if len(classes) < 2:
        found = "1 class" if len(classes) else "no class"
        weighed = "" if weights is None else " with a weight above 0"
        raise ValueError(f"expected rows of at least two classes{weighed}, found {found}: {classes.tolist()}")
    if blank := [name for name in classes.tolist() if not str(name).strip()]:
        raise ValueError(f"expected classes with a name, found {blank[0]!r}; call it something")
    return classes, [str(label) for label in column.tolist()]


def read_indicators(y: Any) -> tuple[Array, list[list[str]]]:
    """Return the classes of an indicator matrix ``y (N, C)``, which are its columns, and the names of each row's.

    Raises:
        ValueError: no row has a class.
    """
    classes = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(np.shape(y)[1])
    matrix = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    if not matrix.any():
        raise ValueError("expected rows of at least one class, found only 0 in y")
    names = [str(name) for name in classes.tolist()]
    return classes, [[names[i] for i in np.flatnonzero(row)] for row in matrix]


def arranged(values: npt.NDArray[np.float64], places: list[int], *, absent: float) -> npt.NDArray[np.float64]:
    """Return the columns of ``values (N, L)`` in the order of ``places``, filled with ``absent`` where that is -1."""
    found = np.full((len(values), len(places)), absent)
    known = [i for i, place in enumerate(places) if place >= 0]
    found[:, known] = values[:, [places[i] for i in known]]
    return found


def are_probabilities(y: Any) -> bool:
    """Whether ``y`` is a matrix of numbers from 0 to 1, of which some are neither."""
    matrix = y.to_numpy() if hasattr(y, "to_numpy") else y
    if getattr(matrix, "ndim", 0) != 2 and not (isinstance(matrix, list) and matrix and isinstance(matrix[0], list)):
        return False
    try:
        numbers = np.asarray(matrix, np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.ndim == 2 and numbers.shape[1] > 1 and bool(((numbers > 0) & (numbers < 1)).any())


def read_probabilities(y: Any) -> tuple[Array, SoftLabels, bool]:
    """Return the classes of a matrix of probabilities ``(N, C)``, its rows, and whether they are multi-label.

    They are single-label if at least one half of the rows sum to 1; then all have to.

    Raises:
        ValueError: a number is not in [0, 1], or a row does not sum to 1.
    """
    classes = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(np.shape(y)[1])
    shares = np.asarray(y, np.float64)
    sums = shares.sum(axis=1)
    is_one = np.abs(sums - 1) <= TOLERANCE
    multi_label = 2 * int(is_one.sum()) < len(shares)
    inside = ((shares >= 0) & (shares <= 1)).all(axis=1)
    if not inside.all():
        row = int(np.flatnonzero(~inside)[0])
        raise ValueError(f"expected probabilities between 0 and 1 in y, found {shares[row].tolist()} in row {row}")
    if not multi_label:
        if not is_one.all():
            row = int(np.flatnonzero(~is_one)[0])
            raise ValueError(f"expected probabilities that sum to 1 in y, found a sum of {sums[row]:.3g} in row {row}")
        shares = shares / sums[:, None]
    names = tuple(str(name) for name in classes.tolist())
    return classes, SoftLabels(names, shares.astype(np.float32), np.zeros(len(shares), bool)), multi_label
