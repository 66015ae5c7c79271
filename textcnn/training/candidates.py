"""Draws the labels of a sampled softmax, for heads of so many labels that a step must not look at all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from textcnn.config import TrainingConfig
from textcnn.core.training_inputs import Candidates
from textcnn.labels import MANY_LABELS, Labels
from textcnn.training.sampler import Rows

NUM_DRAWN = 512  # labels that a step draws, next to those of its texts


class LabelSampler:
    """Draws the candidates of each step: the labels of the batch, and as many others as :data:`NUM_DRAWN`.

    The sum of powers over all labels is estimated by those over the candidates, each divided by its chance to be one
    (importance sampling; Bengio and Senecal 2008), so that the gradient is that of the softmax over all labels in the
    mean.

    Args:
        targets: ``(N,)``, the label of every training row.
        num_labels: C.
        seed: decides the draws, with the epoch and the step.
    """

    def __init__(self, targets: npt.NDArray[np.int64], num_labels: int, seed: int) -> None:
        self._targets, self._num_labels, self._seed = targets, num_labels, seed
        self._frequency = np.bincount(targets, minlength=num_labels) / max(len(targets), 1)

    def draw(self, rows: Rows, epoch: int, step: int) -> Candidates:
        """Return the candidates of the texts numbered ``rows``, ascending."""
        random = np.random.default_rng([self._seed, epoch, step])
        drawn = random.choice(self._num_labels, NUM_DRAWN, replace=False, shuffle=False)
        labels = np.union1d(drawn, self._targets[rows]).astype(np.int32)
        missed = (1 - self._frequency[labels]) ** len(rows) * (1 - NUM_DRAWN / self._num_labels)
        return Candidates(labels, np.log1p(-missed).astype(np.float32))


def label_sampler(
    training: TrainingConfig, labels: Labels, targets: npt.NDArray[np.int64] | npt.NDArray[np.float32]
) -> LabelSampler | None:
    """Return the sampler of a run; none where every step looks at all labels: few, or a loss that needs them all."""
    is_plain = training.class_weight is None and not training.focal_gamma and training.clip_norm is None
    if labels.multi_label or targets.ndim != 1 or len(labels) <= MANY_LABELS or not is_plain:
        return None
    return LabelSampler(targets.astype(np.int64), len(labels), training.seed)
