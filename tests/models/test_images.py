"""Image architectures: parameters by the formulas of their docstrings, sizes they take, colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.image.batches import ImageInputs
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_image_classifier, logits_of, num_parameters

LABELS = Labels(("a", "b", "c"))


def encoder_of(name, shape, **settings):
    return build_image_classifier(ModelConfig(name, settings=settings), shape, LABELS).encoder


def conv(inner, outer, width):
    """A convolution with bias and norm."""
    return outer * (inner * width * width + 1) + 2 * outer


def test_the_parameters_of_vgg_follow_its_formula():
    convolutions = [(3, 5), (5, 5), (5, 7), (7, 7)]
    expected = sum(conv(inner, outer, 3) for inner, outer in convolutions) + 11 * (7 * 4 * 3 + 1)
    assert num_parameters(encoder_of("vgg", (3, 19, 12), channels=(5, 7), hidden_size=11)) == expected
    assert conv(3, 5, 3) == 5 * (9 * 3 + 3)


def test_the_parameters_of_resnet_follow_its_formula():
    plain = [conv(8, 8, 3) * 2, conv(8, 16, 3) + conv(16, 16, 3) + conv(8, 16, 1)]
    assert num_parameters(encoder_of("resnet", (3, 9, 9), channels=(8, 16), num_blocks=1)) == conv(3, 8, 3) + sum(plain)
    narrow = [
        conv(8, 2, 1) + conv(2, 2, 3) + conv(2, 8, 1),
        conv(8, 4, 1) + conv(4, 4, 3) + conv(4, 16, 1) + conv(8, 16, 1),
    ]
    found = encoder_of("resnet", (3, 9, 9), channels=(8, 16), num_blocks=1, bottleneck=True)
    assert num_parameters(found) == conv(3, 8, 3) + sum(narrow)


def test_the_parameters_of_inception_follow_its_formula():
    def block(inner, outer):
        return sum(
            conv(inner, k, 1) if h == 1 else conv(inner, k // 2, 1) + conv(k // 2, k, h)
            for h, k in zip((1, 3, 5), (outer // 3,) * 3, strict=True)
        )

    found = encoder_of("inception", (1, 9, 9), stem_channels=4, channels=(12, 18))
    assert num_parameters(found) == conv(1, 4, 3) + block(4, 12) + block(12, 18)


def test_the_parameters_of_mlp2d_follow_its_formula():
    found = encoder_of("mlp2d", (3, 5, 4), hidden_sizes=(7, 6))
    assert num_parameters(found) == 7 * (60 + 1) + 6 * (7 + 1)


def test_the_paper_s_resnet_of_20_layers_has_0_27_million_weights():
    found = encoder_of("resnet", (3, 32, 32), num_blocks=3)
    assert round(num_parameters(found) / 1e6, 2) == 0.27


@pytest.mark.parametrize("name", registry.IMAGE)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 17)])
def test_grey_and_coloured_images_of_any_size(name, shape):
    model = build_image_classifier(ModelConfig(name), shape, LABELS)
    images = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.uint8)
    assert logits_of(model, ImageInputs.fit(images), images).shape == (2, 3)


def test_a_resnet_takes_even_a_pixel():
    assert encoder_of("resnet", (1, 1, 1)).eval()(torch.ones(1, 1, 1, 1)).shape == (1, 64)


@pytest.mark.parametrize(
    ("name", "shape", "settings", "message"),
    [
        ("vgg", (1, 7, 9), {}, "'vgg' halves images 3 times and needs at least 8 x 8 pixels, got 7 x 9"),
        ("inception", (1, 9, 3), {"channels": [6, 6]}, "'inception' halves images twice and needs at least 4 x 4 pix"),
        ("resnet", (1, 9, 9), {"channels": [6], "bottleneck": True}, "must be a multiple of 4, got 6"),
        ("vgg", (1, 9, 9), {"norm": "power"}, "norm must be one of none, batch, layer, group, got 'power'"),
        ("mlp2d", (1, 9, 9), {"channels": [6]}, "'mlp2d' has no setting 'channels'; it has hidden_sizes, activation"),
    ],
)
def test_wrong_settings_of_image_architectures_are_told(name, shape, settings, message):
    with pytest.raises(ConfigError, match=message):
        encoder_of(name, shape, **settings)
