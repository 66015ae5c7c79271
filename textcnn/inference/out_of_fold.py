"""What cross validation said of every training row, by the model that had not seen it: ``folds.safetensors``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from textcnn.errors import ArtifactError


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
        try:
            content = {"probabilities": self.probabilities, "fold": self.fold}
            safetensors.numpy.save_file({name: np.ascontiguousarray(value) for name, value in content.items()}, path)
        except safetensors.SafetensorError as err:
            raise ArtifactError(f"cannot write {str(path)!r}: {err}") from err
        path.chmod(0o644)

    @classmethod
    def read(cls, path: Path, num_labels: int) -> OutOfFold:
        """Read what :meth:`write` wrote.

        Raises:
            ArtifactError: the file is damaged, or is not of a model with ``num_labels`` labels.
        """
        try:
            found = safetensors.numpy.load_file(path)
            probabilities, fold = found["probabilities"], found["fold"]
        except Exception as err:  # safetensors has one exception class for every fault, and OSError besides
            raise ArtifactError(f"{path}: expected probabilities and folds, but the file is damaged: {err}") from err
        if fold.ndim != 1 or probabilities.shape != (len(fold), num_labels):
            raise ArtifactError(
                f"{path}: expected probabilities of shape ({len(fold)}, {num_labels}), found {probabilities.shape}"
            )
        return cls(probabilities, fold)
