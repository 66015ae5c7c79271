"""The layer table: formula against a real pass, receptive fields against brute force, counts against torch's own."""

from __future__ import annotations

import math
import time

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import TextClassifier, build_image_classifier, build_text_classifier
from textcnn.models.summary import formulas
from textcnn.models.summary.layers import block_layers, image_layers, text_layers
from textcnn.nn.blocks import ConvBlock
from textcnn.nn.embedding import WordEmbedding
from textcnn.nn.heads import Head
from textcnn.nn.pooling import ReceptiveField, pool_time
from textcnn.tokenization.batch import Batch

LABELS = Labels(("a", "b", "c"))
VARIANTS = [
    *((name, {}) for name in registry.TEXT),
    ("kim", {"kernel_sizes": (1, 7), "activation": "tanh"}),
    ("rnn", {"pooling": "mean"}),
    ("lstm", {"bidirectional": True, "num_layers": 2}),
    ("gru", {"bidirectional": True, "pooling": "last"}),
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny tensors: a second thread only waits
    yield
    torch.set_num_threads(before)


def text_model(name, options=None, *, num_types=60, labels=LABELS, **config):
    return build_text_classifier(
        ModelConfig(name, embedding_dim=6, settings=options or {}, **config), num_types, labels
    )


def line(table, name):
    return next(layer for layer in table.layers if layer.name == name)


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda v: str(v))
@pytest.mark.parametrize("length", [1, 9, 200])
def test_formula_and_run_agree_for_every_text_architecture(name, options, length):
    model = text_model(name, options)
    table = text_layers(model, length)
    assert table.problems == []
    assert all(layer.shape == layer.run_shape for layer in table.layers)
    assert table.parameters == sum(p.numel() for p in model.parameters())
    assert [layer.name for layer in table.layers][:1] == ["embedding.word"]
    assert table.layers[0].shape == (min(length, 60), 6)
    assert table.layers[-1].shape == (3,)
    owners = {key.rsplit(".", 1)[0] for key in model.state_dict()}
    assert owners <= {layer.name for layer in table.layers}


@pytest.mark.parametrize("name", registry.IMAGE)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 20), (3, 65, 33)])
def test_formula_and_run_agree_for_every_image_architecture(name, shape):
    model = build_image_classifier(ModelConfig(name), shape, LABELS)
    table = image_layers(model, shape)
    assert table.problems == []
    assert table.parameters == sum(p.numel() for p in model.parameters())
    assert table.layers[-1].shape == (3,)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval().encoder(torch.zeros(1, *shape))
        model.head(torch.zeros(1, model.encoder.out_features))
    assert 2 * table.multiply_adds == counter.get_total_flops()


@pytest.mark.parametrize("nested", [False, True])
def test_kim_shows_the_windows_that_its_features_are_the_maxima_of(nested):
    model = text_model("kim", {"num_filters": 5, "pooling": "max", "nested": nested}).eval()
    table = text_layers(model, 12)
    batch = Batch(torch.tensor([0, 12]), torch.arange(12), torch.randint(12, (12,)))
    tokens = model.embedding(batch)[batch.inverse].T  # (D, T)
    maxima = []
    for number, size in enumerate((3, 4, 5)):
        windows = F.pad(tokens, (size - 1, size - 1)).unfold(1, size, 1)  # (D, T + h - 1, h)
        weight, bias = model.encoder.filters()[number]
        scores = torch.einsum("dth,fdh->ft", windows, weight) + bias[:, None]
        layer = line(table, f"encoder.{'windows' if nested else 'convs'}.{number}")
        assert layer.shape == layer.run_shape == scores.shape == (5, 12 + size - 1)
        assert layer.field == ReceptiveField(size, 1)
        assert layer.multiply_adds == (0 if nested else windows.numel() * 5)
        assert layer.parameters == (5 if nested else weight.numel() + 5)
        maxima.append(scores.amax(1).relu())
    torch.testing.assert_close(model.encoder(model.embedding(batch), batch), torch.cat(maxima)[None])
    if nested:
        bank = line(table, "encoder.bank")
        assert bank.shape == bank.run_shape == (5 * 5, 12)
        assert (bank.parameters, bank.multiply_adds) == (5 * 5 * 6, 12 * 5 * 5 * 6)
        assert table.parameters == sum(p.numel() for p in model.parameters())
    pooled = line(table, "encoder")
    assert (pooled.kind, pooled.shape, pooled.field, pooled.parameters) == ("pooling", (15,), None, 0)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_recurrent_nets_see_the_whole_text_and_cost_gates_times_both_products(name, gates):
    net = line(text_layers(text_model(name, {"hidden_size": 7}), 11), "encoder.layers.0.forwards")
    assert (net.shape, net.field) == ((11, 7), None)
    assert net.multiply_adds == 11 * gates * 7 * (6 + 7)
    assert net.to_dict()["receptive_field"] is net.to_dict()["stride"] is None


def test_one_output_row_is_still_two_logits():
    head = text_layers(text_model("bag", binary_sigmoid=True, labels=Labels(("a", "b"))), 4).layers[-1]
    assert (head.shape, head.run_shape, head.parameters) == ((2,), (2,), 7)


def test_the_table_leaves_the_model_and_the_random_numbers_as_they_were():
    model = text_model("lstm").train()
    model.encoder.dropout.eval()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    text_layers(model, 5)
    assert torch.rand(1) == expected
    assert model.training
    assert model.encoder.layers[0].forwards.training
    assert not model.encoder.dropout.training
    assert not any(module._forward_hooks for module in model.modules())


def test_the_block_of_the_tutorial():
    table = block_layers(nn.Sequential(ConvBlock(2, 3, 64, 3, padding="same", pool="max")), (3, 256, 256))
    conv, pool = table.layers
    assert (conv.name, conv.kind, conv.shape, conv.run_shape) == ("0.conv", "Conv2d", (64, 256, 256), (64, 256, 256))
    assert (pool.name, pool.kind, pool.shape, pool.run_shape) == ("0.pool", "MaxPool2d", (64, 128, 128), (64, 128, 128))
    assert (conv.field, pool.field) == (ReceptiveField(3, 1), ReceptiveField(4, 2))
    assert table.parameters == 64 * (3 * 9 + 1)
    assert table.multiply_adds == 64 * 256 * 256 * 3 * 9


@st.composite
def blocks(draw, dim, in_channels, *, same=True):
    """Settings of a block; a stride beside 1 excludes ``padding="same"``."""
    padding = draw(st.sampled_from([0, 1, 2, "same"] if same else [0, 1, 2]))
    return ConvBlock(
        dim,
        in_channels,
        draw(st.integers(1, 3)),
        draw(st.sampled_from([1, 3, 5]) if padding == "same" else st.integers(1, 5)),
        stride=1 if padding == "same" else draw(st.integers(1, 3)),
        padding=padding,
        dilation=draw(st.integers(1, 3)),
        activation=draw(st.sampled_from(["relu", "tanh", "identity"])),
        pool=draw(st.sampled_from(["max", "average", "none"])),
        pool_size=draw(st.integers(1, 3)),
    )


@st.composite
def stacks(draw, dim):
    stack, channels = [], 2
    for _ in range(draw(st.integers(1, 3))):
        stack.append(draw(blocks(dim, channels)))
        channels = stack[-1].conv.out_channels
    return nn.Sequential(*stack)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([1, 2]))
def test_formula_and_run_agree_for_any_stack_of_blocks(data, dim):
    stack = data.draw(stacks(dim))
    sides = tuple(data.draw(st.lists(st.integers(1, 40), min_size=dim, max_size=dim)))
    behind, fits = sides, True
    for block in stack:
        fits = fits and all(side > 0 for side in map(block.output_size, behind))
        behind = tuple(map(block.output_size, behind))
    if not fits:
        with pytest.raises(ConfigError, match=r"expected an input that fits .* got \(2, "):
            block_layers(stack, (2, *sides))
        return
    table = block_layers(stack, (2, *sides))
    assert table.problems == []
    assert table.layers[-1].shape == (stack[-1].conv.out_channels, *behind)
    assert table.parameters == sum(p.numel() for p in stack.parameters())


@settings(max_examples=25, deadline=None)
@given(stacks(1))
def test_receptive_fields_are_those_found_by_changing_one_place_at_a_time(stack):
    length = 150
    sides = [length]
    for block in stack:
        block.padding, block.conv.padding = 0, (0,)  # a field that reaches into padding is seen only in part
        sides.append(block.output_size(sides[-1]))
    assume(sides[-1] >= 5)
    for block in stack:  # weights above 0 and no saturation: what sees a change upwards, changes
        block.activation = nn.Identity()
        nn.init.uniform_(block.conv.weight, 0.5, 1.5)
    stack.double()
    changed = torch.eye(length, dtype=torch.double)[:, None].expand(-1, 2, -1)  # (L, C, L): row i changes place i
    with torch.no_grad():
        seen = (stack(changed) - stack(torch.zeros_like(changed))).abs().amax(1) > 1e-9  # (L, L')
    middle = seen.shape[1] // 2
    places, neighbour = (seen[:, unit].nonzero().flatten() for unit in (middle, middle + 1))
    field = block_layers(stack.float(), (2, length)).layers[-1].field
    assert field == ReceptiveField(int(places[-1] - places[0]) + 1, int(neighbour[0] - places[0]))


class Inception(nn.Module):
    """Branches that read one tensor, joined: the field behind them is the widest."""

    def __init__(self):
        super().__init__()
        self.stem = ConvBlock(1, 2, 4, 3, padding="same")
        self.wide = nn.Sequential(ConvBlock(1, 4, 3, 5, padding="same"), ConvBlock(1, 3, 3, 3, padding="same"))
        self.narrow = nn.Conv1d(4, 3, 1)
        self.last = nn.Conv1d(6, 2, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.last(torch.cat([self.wide(x), self.narrow(x)], 1))


def test_branches_are_followed_without_code_of_their_own():
    table = block_layers(Inception(), (2, 30))
    assert table.problems == []
    fields = {layer.name: layer.field.size for layer in table.layers}
    assert fields == {"stem.conv": 3, "wide.0.conv": 7, "wide.1.conv": 9, "narrow": 3, "last": 11}


class NewEncoder(nn.Module):
    """What the next architecture may look like: blocks, a recurrent net, masked pooling, a linear map."""

    def __init__(self, dim):
        super().__init__()
        self.blocks = nn.Sequential(ConvBlock(1, dim, 8, 3, padding="same", pool="max"), nn.BatchNorm1d(8))
        self.net = nn.GRU(8, 5, batch_first=True)
        self.project = nn.Linear(10, 4)
        self.out_features = 4

    def forward(self, embedded, batch):
        tokens = embedded[batch.inverse][None].transpose(1, 2)  # (1, D, T)
        states, _ = self.net(self.blocks(tokens).transpose(1, 2))
        lengths = batch.lengths // 2
        return self.project(torch.cat([pool_time(states, lengths, "max"), pool_time(states, lengths, "mean")], 1))


def test_a_new_architecture_has_its_table_without_code_of_its_own():
    table = text_layers(TextClassifier(WordEmbedding(40, 6), NewEncoder(6), Head(4, 3)), 20)
    assert table.problems == []
    found = [(layer.name, layer.shape, layer.field and layer.field.size) for layer in table.layers]
    assert found == [
        ("embedding.word", (20, 6), 1),
        ("encoder.blocks.0.conv", (8, 20), 3),
        ("encoder.blocks.0.pool", (8, 10), 4),
        ("encoder.blocks.1", (8, 10), 4),
        ("encoder.net", (10, 5), None),
        ("encoder.project", (4,), None),
        ("head", (3,), None),
    ]


def test_a_layer_used_twice_has_two_lines_and_is_counted_once():
    conv = nn.Conv1d(2, 2, 3)
    first, second = block_layers(nn.Sequential(conv, nn.ReLU(), conv), (2, 9)).layers
    assert (first.shape, second.shape) == ((2, 7), (2, 5))
    assert (first.parameters, second.parameters) == (14, 0)
    assert first.multiply_adds == 7 * 12


class Odd(nn.Module):
    """A layer that no formula knows, and one that is never called."""

    def __init__(self):
        super().__init__()
        self.scale = nn.PReLU()
        self.unused = nn.Linear(2, 3)

    def forward(self, x):
        return self.scale(x)


def test_what_the_formulas_do_not_know_is_said(monkeypatch):
    table = block_layers(Odd(), (2, 9))
    assert table.problems == [
        "scale: there is no formula for PReLU, the run gave (2, 9)",
        "unused (Linear) was not seen in the run",
    ]
    assert table.parameters == 1 + 9
    known = {**formulas.FORMULAS, nn.Conv1d: lambda module, flow: (flow, (1, 2))}
    monkeypatch.setattr(formulas, "FORMULAS", known)
    assert block_layers(nn.Conv1d(2, 3, 3), (2, 9)).problems == [
        " (Conv1d): the formula gives (1, 2), the run gave (3, 7)"
    ]


def test_a_window_with_different_sides_is_refused():
    with pytest.raises(ConfigError, match=r"equal sides, got \(3, 5\)"):
        block_layers(nn.Sequential(nn.Conv2d(1, 1, (3, 5))), (1, 9, 9))


def test_a_text_has_a_length():
    with pytest.raises(ConfigError, match="length must be 1 token or more, got 0"):
        text_layers(text_model("bag"), 0)


def test_the_json_form_holds_every_number():
    table = block_layers(nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.Flatten(), nn.Linear(100, 7)), (3, 5, 5))
    found = table.to_dict()
    assert found.pop("milliseconds") > 0
    assert all(0 < layer.pop("time_share") < 1 for layer in found["layers"])
    assert found == {
        "layers": [
            {
                "name": name,
                "kind": kind,
                "output": output,
                "output_as_run": output,
                "receptive_field": field,
                "stride": stride,
                "parameters": parameters,
                "multiply_adds": work,
            }
            for name, kind, output, field, stride, parameters, work in [
                ("0", "Conv2d", [4, 5, 5], 3, 1, 112, math.prod((4, 5, 5, 3, 9))),
                ("1", "Flatten", [100], 3, 1, 0, 0),
                ("2", "Linear", [7], None, None, 707, 700),
            ]
        ],
        "parameters": 819,
        "multiply_adds": 2700 + 700,
        "problems": [],
    }


def test_shares_of_the_time_add_up_to_no_more_than_the_pass():
    for table in (text_layers(text_model("kim"), 30), text_layers(text_model("gru"), 30)):
        shares = [layer.share for layer in table.layers if layer.share is not None]
        assert 0.3 < sum(shares) <= 1.0001
        assert table.seconds > 0
    slow = nn.Sequential(nn.Conv1d(2, 2, 3), nn.Conv1d(2, 2, 3))
    slow[1].register_forward_pre_hook(lambda *_: time.sleep(0.002), prepend=True)
    first, second = block_layers(slow, (2, 9)).layers
    assert second.share is not None
    assert first.share < 0.5


def test_each_layer_names_the_one_whose_field_it_goes_on_from():
    sources = {layer.name: layer.source for layer in block_layers(Inception(), (2, 30)).layers}
    assert sources == {
        "stem.conv": None,
        "wide.0.conv": "stem.conv",
        "wide.1.conv": "wide.0.conv",
        "narrow": "stem.conv",
        "last": "wide.1.conv",
    }
