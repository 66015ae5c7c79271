from __future__ import annotations

import pytest
import torch
from torch import nn

from textcnn.nn.norms import BatchNorm, GroupNorm, make_norm, mask_places

LENGTHS = torch.tensor([5, 0, 1, 3])


def padded(*, garbage=True):
    x = torch.randn(4, 6, 7, generator=torch.Generator().manual_seed(0))
    return x if garbage else mask_places(x, LENGTHS)


@pytest.mark.parametrize("name", ["batch", "layer", "group"])
@pytest.mark.parametrize("training", [True, False])
def test_padding_never_enters(name, training):
    """Whatever stands behind a text, its own places, the running statistics and the gradients are the same."""
    found = []
    for x in (padded(), padded(garbage=False) + 100 * (mask_places(torch.ones(4, 6, 7), LENGTHS) == 0), padded()):
        norm = make_norm(name, 6).train(training)
        wide = nn.functional.pad(x, (0, 4), value=3.0) if len(found) == 2 else x
        y = mask_places(norm(wide, LENGTHS), LENGTHS)[..., :7]
        (y * torch.arange(7)).square().sum().backward()
        found.append([y, *norm.buffers(), *(p.grad for p in norm.parameters())])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_without_lengths_is_torchs_own(kind, training):
    norm, reference = BatchNorm(6).train(training), kind(6).train(training)
    for _ in range(2):
        x = torch.randn(3, 6, *[5] * (1 if kind is nn.BatchNorm1d else 2))
        torch.testing.assert_close(norm(x), reference(x))
    for name, value in reference.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value)


def test_batch_statistics_are_those_of_the_places_of_all_texts():
    norm, x = BatchNorm(6, momentum=1.0), padded()
    norm(x, LENGTHS)
    places = torch.cat([text[:, :n] for text, n in zip(x, LENGTHS, strict=True)], 1)
    torch.testing.assert_close(norm.running_mean, places.mean(1))
    torch.testing.assert_close(norm.running_var, places.var(1))


def test_a_batch_of_one_place_leaves_the_statistics_alone():
    norm = BatchNorm(6)
    assert norm(padded(), torch.tensor([0, 0, 1, 0])).isfinite().all()
    assert norm.num_batches_tracked == 0


def test_group_norm_of_a_text_is_torchs_own_on_it_alone():
    norm, x = GroupNorm(2, 6), padded()
    y = norm(x, LENGTHS)
    for row, length in enumerate(LENGTHS):
        if length:
            torch.testing.assert_close(y[row : row + 1, :, :length], norm(x[row : row + 1, :, :length]))


def test_layer_norm_is_over_the_channels_of_a_place():
    x = torch.randn(2, 6, 3, 4)
    y = make_norm("layer", 6)(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 4), atol=1e-3, rtol=0)
