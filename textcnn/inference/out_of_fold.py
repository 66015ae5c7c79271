"""What cross validation said of every training row, by the model that had not seen it: ``folds.safetensors``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textcnn.errors import ArtifactError
from textcnn.inference.arrays import load_arrays, save_arrays

_ARRAYS = {"probabilities": (np.float32, 2), "fold": (np.int32, 1)}


@dataclass(frozen=True)
class OutOfFold:
    """Answers to N training rows, in the order they were read (rows without a label are not among them).

    Attributes:
        probabilities: ``(N, C)`` float32, columns as the labels of the artifact; a label that the fold's own model did
            not know has 0.
        fold: ``(N,)`` int32, the fold a row was held out in, from 0.
    """

    probabilities: npt.NDArray[np.float32]
    fold: npt.NDArray[np.int32]

    def write(self, path: Path) -> None:
        """Write both as tensors of these names.

        Raises:
            ArtifactError: the place cannot be written.
        """
        save_arrays(path, {"probabilities": self.probabilities, "fold": self.fold})

    @classmethod
    def read(cls, path: Path, num_labels: int) -> OutOfFold:
        """Read what :meth:`write` wrote.

        Raises:
            ArtifactError: the file is damaged, or is not of a model with ``num_labels`` labels.
        """
        found = load_arrays(path, _ARRAYS, "probabilities and folds")
        probabilities, fold = found["probabilities"], found["fold"]
        if probabilities.shape != (len(fold), num_labels):
            raise ArtifactError(
                f"{path}: expected probabilities of shape ({len(fold)}, {num_labels}), found {probabilities.shape}"
            )
        return cls(probabilities, fold)
