"""Word vectors made by a sentence encoder: each word as a sentence, reduced to the dimension of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from textcnn.progress import Reporter
from textcnn.teacher.cache import AnswerCache
from textcnn.teacher.encoder import encoder_teacher
from textcnn.vectors.pretrained import Vectors

DEVIATION = 0.5  # of all numbers


def encoder_vectors(name: str, words: Sequence[str], dim: int, reporter: Reporter) -> Vectors:
    """Return vectors ``(N, dim)`` of words: the principal components of those of a sentence encoder.

    Args:
        name: as for :func:`textcnn.teacher.encoder.encoder_teacher`.
        words: the N words.
        dim: number of components.
        reporter: receives progress.
    """
    encoder = encoder_teacher(name)
    found = AnswerCache(encoder.key).answers(words, encoder.measure, encoder.name, reporter)
    return Vectors(tuple(words), principal_components(found, dim), len(words), 0)


def principal_components(rows: npt.NDArray[np.float32], dim: int) -> npt.NDArray[np.float32]:
    """Return the first components ``(N, dim)`` of rows ``(N, W)``, with a standard deviation of 1/2 in all.

    Where there are fewer components, the others are 0.
    """
    centred = rows - rows.mean(axis=0)
    covariance = centred.T.astype(np.float64) @ centred
    directions = np.linalg.eigh(covariance)[1][:, ::-1][:, :dim]
    # An eigenvector may point either way; the largest number decides, so that machines agree.
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1.0, 1.0)
    found = np.zeros((len(rows), dim))
    found[:, : directions.shape[1]] = centred @ directions
    return (found * (DEVIATION / max(float(found.std()), 1e-12))).astype(np.float32)
