"""Batches of images: normalized, channels first, randomly shifted and mirrored in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from textcnn.errors import DataError
from textcnn.tokenization.masking import uniform


@dataclass(frozen=True)
class RandomShift:
    """Shifts and mirrors images at random, like crops of a padded image (Krizhevsky et al. 2012; He et al. 2016).

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
        """Return the training images ``(B, C, H, W)`` numbered ``rows``, shifted and mirrored."""
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


@dataclass(frozen=True)
class ImageBatch:
    """A batch of B images.

    Attributes:
        pixels: ``(B, C, H, W)`` float32, normalized.
        labels: ``(B,)`` int64, or ``(B, C)`` float32 of 0 and 1 (multi-label), or none.
        weights: none, for images all count the same.
    """

    pixels: Tensor
    labels: Tensor | None = None
    weights: None = None

    @property
    def num_rows(self) -> int:
        """B, the number of images."""
        return len(self.pixels)

    @property
    def num_tokens(self) -> int:
        """Number of pixels, H * W per image, in which speed is counted."""
        return len(self.pixels) * self.pixels.shape[2] * self.pixels.shape[3]

    def to(self, device: torch.device) -> ImageBatch:
        """Copy the batch to another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, pixels=self.pixels.to(device), labels=labels)


@dataclass(frozen=True)
class ImageInputs:
    """Turns arrays into batches; shared by training and the predictor.

    Attributes:
        shape: (C, H, W) of every image.
        mean: of each channel over the training images, in the units of the raw pixels.
        std: standard deviation of each channel, likewise.
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, pixels: npt.NDArray[Any]) -> ImageInputs:
        """Compute shape, mean and standard deviation of the training images ``(N, C, H, W)``."""
        mean = pixels.mean((0, 2, 3), dtype=np.float64)
        std = np.maximum(pixels.std((0, 2, 3), dtype=np.float64), 1e-6)
        channels, height, width = pixels.shape[1:]
        return cls((channels, height, width), tuple(mean.tolist()), tuple(std.tolist()))

    def encode(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Check the images ``(N, C, H, W)`` and return them unchanged; batches are normalized later.

        Raises:
            DataError: images of another shape than those of the training set.
        """
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise DataError(
                f"expected images of shape (N, {', '.join(map(str, self.shape))}) as in training, got {images.shape}"
            )
        return images

    def sizes(self, images: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the number of pixels of each image, ``(N,)``."""
        return np.full(len(images), self.shape[1] * self.shape[2], np.int64)

    def batch(
        self,
        images: npt.NDArray[Any],
        rows: npt.NDArray[np.int64],
        *,
        labels: npt.NDArray[np.int64] | npt.NDArray[np.float32] | None = None,
        augment: RandomShift | None = None,
        epoch: int = 0,
    ) -> ImageBatch:
        """Build a batch of the images numbered ``rows``; ``labels`` are those of all images."""
        pixels = torch.from_numpy(images[rows].astype(np.float32))
        if augment is not None:
            pixels = augment(pixels, rows, epoch)
        mean = torch.tensor(self.mean)[:, None, None]
        std = torch.tensor(self.std)[:, None, None]
        return ImageBatch((pixels - mean) / std, None if labels is None else torch.from_numpy(labels[rows]))
