"""The laws of every kind of block: lengths, padding, one set of names for texts and images."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.errors import ConfigError
from textcnn.models.summary.layers import block_layers
from textcnn.nn.block_variants import KINDS, GatedBlock, InceptionBlock, ResidualBlock
from textcnn.nn.norms import NORMS

VARIANTS = [
    ("plain", {"kernel_size": 3, "padding": "same"}),
    ("plain", {"kernel_size": 3, "padding": "causal", "dilation": 2}),
    ("plain", {"kernel_size": 3, "padding": 1, "stride": 2}),
    ("plain", {"kernel_size": 5, "padding": "same", "groups": 2}),
    ("residual", {}),
    ("residual", {"bottleneck": True, "stride": 2}),
    ("residual", {"padding": "causal", "dilation": 4}),
    ("inception", {}),
    ("inception", {"kernel_size": (1, 3, 7)}),
    ("gated", {}),
    ("gated", {"padding": "causal", "activation": "tanh"}),
]
POOLINGS = [
    {},
    {"pool": "max", "pool_size": 3, "pool_stride": 2, "pool_padding": 1},
    {"pool": "average", "pool_size": 3, "pool_stride": 2, "pool_padding": 1},
    {"pool": "max", "pool_size": 2},
]
SEQUENCES_ONLY = [v for v in VARIANTS if v[1].get("padding") == "causal"]


def make(kind, options, dim=1, *, in_channels=4, out_channels=8):
    torch.manual_seed(0)
    return KINDS[kind](dim, in_channels, out_channels, **options)


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda p: p.get("pool", "none") + str(p.get("pool_size", "")))
def test_a_text_alone_is_the_same_text_in_any_batch(kind, options, norm, pooling):
    block = make(kind, {**options, "norm": norm, **pooling}).eval()
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randn(4, n, generator=generator) - 1 for n in (6, 1, 3, 9)]
    lengths = torch.tensor([6, 1, 3, 9])
    batch = torch.stack([torch.nn.functional.pad(text, (0, 11 - text.shape[1])) for text in texts])
    with torch.no_grad():
        together, behind = block(batch, lengths), block.output_size(lengths)
        for row, text in enumerate(texts):
            if behind[row]:
                alone = block(text[None], lengths[row : row + 1])[0]
                assert alone.shape[1] == behind[row]
                torch.testing.assert_close(together[row, :, : behind[row]], alone)
            assert not together[row, :, behind[row] :].any()


@pytest.mark.parametrize(("kind", "options"), VARIANTS, ids=str)
@pytest.mark.parametrize("dim", [1, 2])
@given(size=st.integers(1, 20), pooling=st.sampled_from(POOLINGS[:3]))
@settings(deadline=None, max_examples=8)
def test_sizes_are_those_of_the_output_and_of_the_table(kind, options, dim, size, pooling):
    if dim == 2 and (kind, options) in SEQUENCES_ONLY:
        return
    block = make(kind, {**options, "norm": "batch", **pooling}, dim)
    behind = block.output_size(size)
    assert block.eval()(torch.zeros(1, 4, *[size] * dim)).shape == (1, 8, *[behind] * dim)
    table = block_layers(torch.nn.Sequential(block), (4, *[size] * dim))
    assert table.problems == []
    assert table.parameters == sum(p.numel() for p in block.parameters())


@pytest.mark.parametrize(("kind", "options"), [v for v in VARIANTS if v not in SEQUENCES_ONLY], ids=str)
def test_weights_have_the_same_names_in_both_dimensions(kind, options):
    sequence, image = (make(kind, {**options, "norm": "batch"}, dim).state_dict() for dim in (1, 2))
    assert list(sequence) == list(image)
    for name, weight in sequence.items():
        assert weight.shape == image[name].shape[: weight.dim()]


@pytest.mark.parametrize(("kind", "options"), SEQUENCES_ONLY, ids=str)
def test_causal_blocks_see_no_later_place(kind, options):
    block = make(kind, {**options, "norm": "layer"}).eval()
    x = torch.randn(1, 4, 12)
    changed = x.clone()
    changed[..., 7:] += 1
    different = (block(x) != block(changed)).any(1)[0]
    assert different.nonzero()[0] == 7


def test_an_image_block_with_one_row_of_kernels_is_the_text_block():
    """The same weights, the same numbers: a picture one pixel high is a text."""
    text, image = (make("residual", {"bottleneck": True}, dim).eval() for dim in (1, 2))
    shapes = {name: weight.shape for name, weight in image.state_dict().items()}
    state = text.state_dict()
    for name, weight in state.items():
        if weight.dim() == 3:  # (K, C, F) to (K, C, 1 or 3, F): rows above and below the picture are never seen
            rows = shapes[name][2] // 2
            state[name] = torch.nn.functional.pad(weight[:, :, None], (0, 0, rows, rows))
    image.load_state_dict(state)
    x = torch.randn(2, 4, 9)
    torch.testing.assert_close(image(x[:, :, None])[:, :, 0], text(x))


def test_a_residual_block_adds_what_it_read():
    block = ResidualBlock(1, 4, 4, norm="none", activation="identity")
    torch.nn.init.zeros_(block.blocks[1].conv.weight)
    torch.nn.init.zeros_(block.blocks[1].conv.bias)
    x = torch.randn(2, 4, 5)
    assert block.shortcut is None
    torch.testing.assert_close(block(x), x)


def test_a_bottleneck_is_narrow_within():
    shapes = [tuple(b.conv.weight.shape) for b in ResidualBlock(2, 8, 32, bottleneck=True).blocks]
    assert shapes == [(8, 8, 1, 1), (8, 8, 3, 3), (32, 8, 1, 1)]


def test_branches_share_the_channels():
    branches = InceptionBlock(1, 4, 8, (1, 3, 5)).branches
    assert [branch[-1].conv.out_channels for branch in branches] == [3, 3, 2]


def test_half_of_a_gated_convolution_opens_the_other_half():
    block = GatedBlock(1, 4, 3)
    x = torch.randn(2, 4, 5)
    values, gates = block.block.conv(x).chunk(2, 1)
    torch.testing.assert_close(block(x), values * gates.sigmoid())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResidualBlock(1, 4, 6, bottleneck=True), "must be a multiple of 4, got 6"),
        (lambda: InceptionBlock(1, 4, 2, (1, 3, 5)), r"1 to 2 widths, one a branch, got \(1, 3, 5\)"),
    ],
)
def test_wrong_values_are_told(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
