"""Random shifts and mirror images of training images, the same for a seed, an epoch and an image whatever its batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from textcnn.text.masking import uniform


@dataclass(frozen=True)
class RandomShift:
    """Moves and mirrors images at random, as crops of a padded image do (Krizhevsky et al. 2012; He et al. 2016).

    What a shift uncovers is filled with the image's edge, so it has no frame that the network could see.

    Attributes:
        shift: most pixels an image moves, up or down and to a side.
        flip: whether every other image is mirrored left to right.
        seed: with it, an epoch and a row decide.
    """

    shift: int
    flip: bool
    seed: int

    def __call__(self, pixels: Tensor, rows: npt.NDArray[np.int64], epoch: int) -> Tensor:
        """The images ``(B, C, H, W)`` numbered ``rows`` in the training set, moved and mirrored."""
        height, width = pixels.shape[2:]
        down, right, mirrored = (
            torch.from_numpy(uniform(self.seed, epoch, rows, np.full_like(rows, choice))) for choice in range(3)
        )
        places = 2 * self.shift + 1
        top, left = ((chance * places).long() - self.shift for chance in (down, right))  # each of 2 * shift + 1
        vertical = (torch.arange(height) + top[:, None]).clamp(0, height - 1)  # (B, H)
        horizontal = (torch.arange(width) + left[:, None]).clamp(0, width - 1)  # (B, W)
        if self.flip:
            horizontal = torch.where(mirrored[:, None] < 0.5, horizontal.flip(1), horizontal)
        images = torch.arange(len(pixels))[:, None, None]
        return pixels[images, :, vertical[:, :, None], horizontal[:, None, :]].permute(0, 3, 1, 2).contiguous()
