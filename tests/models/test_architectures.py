"""What is special about each text architecture: parameters by the formula of its docstring, and what it computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from textcnn.config import Config, ModelConfig
from textcnn.errors import ConfigError
from textcnn.labels import Labels
from textcnn.models.bag import BagEncoder
from textcnn.models.base import build_text_classifier, num_parameters
from textcnn.models.charcnn import CharCNNEncoder
from textcnn.models.clstm import CLSTMEncoder
from textcnn.models.deep import DeepEncoder
from textcnn.models.dpcnn import DPCNNEncoder
from textcnn.models.gated import GatedEncoder
from textcnn.models.kim import KimEncoder
from textcnn.models.kim_settings import POOLINGS
from textcnn.models.mlp import MLPEncoder
from textcnn.models.rcnn import RCNNEncoder
from textcnn.models.recurrent import GRUEncoder, LSTMEncoder, RNNEncoder
from textcnn.models.registry import TEXT, settings_of
from textcnn.models.summary.layers import text_layers
from textcnn.models.tcn import TCNEncoder
from textcnn.models.vdcnn import VDCNNEncoder
from textcnn.nn.embedding import HashedNgrams
from textcnn.tokenization.batch import Batch

D, F_, H, B = 7, 12, 5, 3
FORMULAS = [
    (BagEncoder(D, 30), 0),
    (BagEncoder(D, 30, word_ngrams=2, ngram_rows=40), 40 * D),
    (
        DeepEncoder(D, num_blocks=B, num_filters=F_, kernel_size=5, norm="none"),
        F_ * (5 * D + 1) + 2 * F_ * (5 * F_ + 1),
    ),
    (DeepEncoder(D, num_blocks=1, num_filters=F_, norm="layer"), F_ * (3 * D + 1) + 2 * F_),
    (
        CharCNNEncoder(D, num_filters=F_, hidden_size=H, norm="none"),
        F_ * (7 * D + 1) + F_ * (7 * F_ + 1) + 4 * F_ * (3 * F_ + 1) + H * (F_ + 1) + H * (H + 1),
    ),
    (
        VDCNNEncoder(D, num_filters=2, k=4, hidden_size=H),
        2 * (3 * D + 1)
        + sum(K * (3 * C + 1) + 2 * K for C, K in [(2, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16)])
        + H * (4 * 16 + 1)
        + H * (H + 1),
    ),
    (DPCNNEncoder(D, num_filters=F_, num_blocks=B), F_ * (3 * D + 1) + 2 * B * F_ * (3 * F_ + 1)),
    (GatedEncoder(D, num_filters=F_, num_blocks=B), 2 * F_ * (3 * D + 1) + (B - 1) * 2 * F_ * (3 * F_ + 1)),
    (
        TCNEncoder(D, num_filters=F_, num_blocks=B, norm="none"),
        F_ * (3 * D + 1) + F_ * (D + 1) + (2 * B - 1) * F_ * (3 * F_ + 1),
    ),
    (RCNNEncoder(D, cell="gru", hidden_size=H, num_features=F_), 2 * 3 * H * (D + H + 2) + F_ * (2 * H + D + 1)),
    (CLSTMEncoder(D, num_filters=F_, hidden_size=H), F_ * (3 * D + 1) + 4 * H * (F_ + H + 2)),
    (RNNEncoder(D, hidden_size=H, num_layers=2), H * (D + H + 2) + H * (H + H + 2)),
    (GRUEncoder(D, hidden_size=H), 3 * H * (D + H + 2)),
    (LSTMEncoder(D, hidden_size=H, bidirectional=True), 2 * 4 * H * (D + H + 2)),
    (LSTMEncoder(D, hidden_size=H, pooling="attention"), 4 * H * (D + H + 2) + H * (H + 2)),
    (MLPEncoder(D, num_places=6, hidden_size=H, num_layers=2), H * (6 * D + 1) + H * (H + 1)),
]


@pytest.mark.parametrize(("encoder", "expected"), FORMULAS, ids=lambda v: type(v).__name__)
def test_parameters_follow_the_formula_of_the_docstring(encoder, expected):
    assert num_parameters(encoder) == expected


def one_text(ids):
    unique, inverse = np.unique(ids, return_inverse=True)
    return Batch(torch.tensor([0, len(ids)]), torch.from_numpy(unique), torch.from_numpy(inverse))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("pooling", ["kmax", "average", "max+average"])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_the_poolings_of_kim_are_over_every_window_that_touches_the_text(pooling, length, nested):
    encoder = KimEncoder(D, kernel_sizes=(2, 3), num_filters=4, nested=nested, pooling=pooling, k=3).eval()
    embedded = torch.randn(length, D)
    parts = []
    for weight, bias in encoder.filters():
        scores = F.conv1d(F.pad(embedded.T, (weight.shape[2] - 1,) * 2), weight, bias).relu()  # (filters, windows)
        places = np.sort(np.argsort(-scores.detach().numpy(), axis=1, kind="stable")[:, :3], axis=1)
        top = F.pad(scores.gather(1, torch.from_numpy(places)), (0, 3))[:, :3]
        largest, average = scores.amax(1), scores.mean(1)
        parts += {"kmax": [top.T.flatten()], "average": [average], "max+average": [largest, average]}[pooling]
    features = encoder(embedded, one_text(np.arange(length)))
    torch.testing.assert_close(features[0], torch.cat(parts))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_nested_widths_are_separate_filters_with_the_first_taps_of_one_bank(pooling, random):
    """Features and gradients; the gradient of a tap is the sum over the widths that have it."""
    torch.manual_seed(0)
    sizes, dropout = (5, 3, 4, 3), {"dropout": 0.0, "num_filters": 6, "pooling": pooling}
    nested = KimEncoder(D, kernel_sizes=sizes, **dropout)
    nested.bias.data.normal_()
    apart = KimEncoder(D, kernel_sizes=(3, 4, 5), nested=False, **dropout)
    with torch.no_grad():
        for own, (weight, bias) in zip(apart.convs, nested.filters(), strict=True):
            own.weight.copy_(weight)
            own.bias.copy_(bias)
    lengths = (0, 1, 2, 9)
    ids = torch.from_numpy(random.integers(0, 5, sum(lengths)))
    unique, inverse = torch.unique(ids, return_inverse=True)
    batch = Batch(torch.tensor([0, *np.cumsum(lengths)]), unique, inverse)
    embedded = torch.randn(len(unique), D)
    found = []
    for encoder in (nested, apart):
        own = embedded.clone().requires_grad_()
        features = encoder(own, batch)
        features.square().sum().backward()
        found.append((features.detach(), own.grad))
    assert nested.out_features == apart.out_features == found[0][0].shape[1]
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-6)
    shared = sum(F.pad(conv.weight.grad, (0, 5 - conv.kernel_size[0])) for conv in apart.convs)
    torch.testing.assert_close(nested.bank.weight.grad, shared, atol=1e-5, rtol=1e-6)
    torch.testing.assert_close(nested.bias.grad, torch.stack([conv.bias.grad for conv in apart.convs]))


def test_kim_with_all_windows_has_the_maxima_of_the_kernel():
    torch.manual_seed(0)
    both = KimEncoder(D, num_filters=4, pooling="max+average").eval()
    alone = KimEncoder(D, num_filters=4, pooling="max").eval()
    alone.load_state_dict(both.state_dict())
    batch, embedded = one_text(np.array([0, 1, 2, 1])), torch.randn(3, D)
    maxima = torch.cat([part[:4] for part in both(embedded, batch)[0].split(8)])
    torch.testing.assert_close(alone(embedded, batch)[0], maxima)


def test_contexts_of_rcnn_have_not_read_the_word_itself():
    """A change of word t reaches the left contexts behind it and the right contexts in front of it alone."""
    encoder, seen = RCNNEncoder(D, hidden_size=H).eval(), []
    encoder.project.register_forward_hook(lambda module, args, output: seen.append(args[0][0].detach()))
    words = torch.randn(6, D)
    for changed in (words, words + (torch.arange(6) == 2)[:, None]):
        encoder(changed, one_text(np.arange(6)))
    moved = seen[0] != seen[1]
    assert moved[:, :H].any(1).tolist() == [False, False, False, True, True, True]
    assert moved[:, H + D :].any(1).tolist() == [True, True, False, False, False, False]


def test_tcn_sees_as_far_back_as_its_docstring_says():
    model = build_text_classifier(ModelConfig("tcn", embedding_dim=6), 60, Labels(("a", "b")))
    convs = [layer for layer in text_layers(model, 60).layers if layer.kind == "CausalConv1d"]
    assert max(layer.field.size for layer in convs) == 1 + 2 * 2 * (2**3 - 1)


def test_mlp_does_not_see_what_stands_behind_its_places():
    encoder = MLPEncoder(D, num_places=4).eval()
    embedded = torch.randn(6, D)
    short, long = (encoder(embedded[:n], one_text(np.arange(n))) for n in (4, 6))
    assert torch.equal(short, long)


def test_ngrams_stay_within_their_text_and_skip_unseen_words():
    ngrams = HashedNgrams(10, D, longest=3, num_buckets=1000)
    ids = np.array([1, 2, 3, 1, 2, 12, 3])
    unique, inverse = np.unique(ids, return_inverse=True)
    rows, texts = ngrams.rows_of(Batch(torch.tensor([0, 3, 3, 7]), torch.from_numpy(unique), torch.from_numpy(inverse)))
    assert texts.tolist() == [0, 0, 2, 0]  # 1 2, 2 3; 1 2 of the last text; 1 2 3
    assert rows[0] == rows[2]
    assert len(set(rows.tolist())) == 3


def test_the_rule_of_the_ngram_rows_is_fixed_for_ever():
    ngrams = HashedNgrams(10, D, longest=3, num_buckets=1000)
    expected = []
    for words in ([4, 7], [7, 5], [4, 7, 5]):
        code = words[0] + 1
        for word in words[1:]:
            code = (code * 6364136223846793005 + word + 1) % 2**64
        signed = code - 2**64 if code >= 2**63 else code
        expected.append((signed >> 32) % 1000)
    assert ngrams.rows_of(one_text(np.array([4, 7, 5])))[0].tolist() == expected


def test_a_bag_is_the_mean_of_words_and_ngrams():
    encoder = BagEncoder(D, 10, word_ngrams=2, ngram_rows=50)
    torch.nn.init.normal_(encoder.ngrams.table.weight)
    batch, embedded = one_text(np.array([4, 7, 5])), torch.randn(3, D)
    rows = encoder.ngrams.rows_of(batch)[0]
    expected = torch.cat([embedded, encoder.ngrams.table.weight[rows]]).mean(0)
    torch.testing.assert_close(encoder(embedded, batch)[0], expected)


@pytest.mark.parametrize("name", TEXT)
def test_characters_are_the_tokens_of_the_nets_that_read_them(name):
    expected = "char" if name in ("charcnn", "vdcnn") else "word"
    assert Config.from_flat({"architecture": name}).text.tokenizer == expected
    assert Config.from_flat({"architecture": name, "tokenizer": "bpe"}).text.tokenizer == "bpe"
    assert settings_of("text", name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeepEncoder(D, kind="dense"), "kind must be one of plain, .* got 'dense'"),
        (lambda: VDCNNEncoder(D, depth=10), "depth of 'vdcnn' must be one of 9, 17, 29, got 10"),
        (lambda: TCNEncoder(D, pooling="median"), "pooling must be one of max, mean, last, got 'median'"),
        (lambda: RCNNEncoder(D, cell="esn"), "cell of 'rcnn' must be one of rnn, gru, lstm, got 'esn'"),
        (lambda: CLSTMEncoder(D, pooling="median"), "one of max, mean, last, attention, got 'median'"),
        (lambda: BagEncoder(D, 30, word_ngrams=0), "must be 1 or more, got 0 and 100000"),
        (lambda: KimEncoder(D, pooling="kmax", k=0), "k must be 1 or more, got 0"),
    ],
)
def test_wrong_settings_are_told(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
