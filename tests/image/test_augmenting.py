"""Random shifts and flips: against slices by hand, and the same for an image in any batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.image.batches import ImageInputs, RandomShift

ROWS = np.arange(400)


def moved_by_hand(image, down, right, mirrored):
    """``image (C, H, W)`` read from a copy with its edges repeated."""
    image = image[:, :, ::-1] if mirrored else image
    right = -right if mirrored else right
    padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), mode="edge")
    return padded[:, 2 + down : 2 + down + image.shape[1], 2 + right : 2 + right + image.shape[2]]


@pytest.mark.parametrize("flip", [False, True])
def test_every_image_is_one_of_the_moves_and_every_move_occurs(random, flip):
    image = random.integers(0, 256, (3, 5, 4)).astype(np.float32)
    pixels = torch.from_numpy(np.repeat(image[None], len(ROWS), 0))
    found = RandomShift(1, flip, seed=3)(pixels, ROWS, epoch=0).numpy()
    moves = [
        moved_by_hand(image, down, right, mirrored)
        for mirrored in ([False, True] if flip else [False])
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    kinds = [[number for number, move in enumerate(moves) if (move == one).all()] for one in found]
    assert all(len(kind) == 1 for kind in kinds)
    counts = np.bincount([kind[0] for kind in kinds], minlength=len(moves))
    assert counts.min() > len(ROWS) / len(moves) / 2


def test_an_image_is_moved_the_same_in_any_batch_and_otherwise_in_another_epoch(random):
    images = random.integers(0, 256, (9, 1, 8, 8)).astype(np.uint8)
    inputs = ImageInputs.fit(images)
    augment = RandomShift(2, True, seed=1)
    together = inputs.batch(images, np.arange(9), augment=augment, epoch=4).pixels
    for row in range(9):
        alone = inputs.batch(images, np.array([row]), augment=augment, epoch=4).pixels
        assert torch.equal(alone[0], together[row])
    assert not torch.equal(inputs.batch(images, np.arange(9), augment=augment, epoch=5).pixels, together)
    assert not torch.equal(
        inputs.batch(images, np.arange(9), augment=RandomShift(2, True, seed=2), epoch=4).pixels, together
    )


def test_no_shift_and_no_flip_leave_images_as_they_are(random):
    pixels = torch.from_numpy(random.random((4, 3, 6, 7), np.float32))
    assert torch.equal(RandomShift(0, False, 0)(pixels, np.arange(4), 0), pixels)
