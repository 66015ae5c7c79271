"""Word tables that stay as they are, and two of them side by side (docs/adr/0008-multichannel.md)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn import core
from textcnn.config import ModelConfig, TextConfig, TrainingConfig
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_text_classifier, logits_of
from textcnn.models.summary.layers import text_layers
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import build_optimizers, split_parameters

TRAIN = ["a good film", "a very good film indeed", "bad", "a bad plot , and bad music"]
TARGETS = np.array([0, 0, 1, 1])
ASKED = ["", "goods filming", "a", "漢字", "a bad film is a bad film", "x" * 50, "good " * 40, "xq 7"]
LABELS = Labels(("neg", "pos"))
DIM = 6


def build(architecture="kim", channels="multichannel", subwords=True, **settings):
    torch.manual_seed(0)
    config = ModelConfig(
        architecture,
        DIM,
        subwords=subwords,
        vectors="v.txt",
        embedding_channels=channels,
        keep_vectors=2,
        settings=settings,
    )
    tokenizer = Tokenizer.train(TRAIN, TextConfig()).extended(["filming", "superb"])
    inputs = TextPipeline(tokenizer, 30, build_lexicon(tokenizer, config))
    num_ngrams = inputs.lexicon.num_ngrams if subwords else 0
    model = build_text_classifier(config, len(tokenizer), LABELS, num_ngrams=num_ngrams)
    model.embedding.set_rows(torch.randn(len(tokenizer), DIM))
    return model, inputs


def batch_of(inputs, texts, labels=None):
    return inputs.batch(inputs.encode(texts), np.arange(len(texts)), labels=labels)


def train(model, inputs, steps=3):
    optimizers = build_optimizers(model, TrainingConfig(), steps)
    batch = batch_of(inputs, TRAIN, TARGETS)
    model.train()
    for _ in range(steps):
        BranchLoss(LABELS)(model.branches(batch), batch.labels).backward()
        optimizers.step()


@pytest.fixture(params=[(name, kind) for name in registry.TEXT for kind in ("multichannel", "static")], ids=str)
def built(request):
    return build(*request.param)


def test_a_text_alone_is_the_same_text_in_any_company(built):
    model, inputs = built
    together = logits_of(model, inputs, inputs.encode(ASKED))
    backwards = logits_of(model, inputs, inputs.encode(ASKED[::-1]))[::-1]
    alone = np.concatenate([logits_of(model, inputs, inputs.encode([text])) for text in ASKED])
    np.testing.assert_allclose(backwards, together, atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_array_equal(together[0], model.head.bias.detach())


def test_static_rows_get_no_gradient_and_everything_else_does(built):
    model, inputs = built
    batch = batch_of(inputs, TRAIN, TARGETS)
    BranchLoss(LABELS)(model.branches(batch), batch.labels).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    two = hasattr(model.embedding, "static")
    assert without == {"embedding.static.word.weight" if two else "embedding.word.weight"}
    assert not any(p is q for g in split_parameters(model).values() for p in g for q in frozen(model))


def frozen(model):
    return [p for p in model.parameters() if not p.requires_grad]


def test_static_rows_are_the_same_bits_after_training_and_others_are_not(built):
    model, inputs = built
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model, inputs)
    after = dict(model.named_parameters())
    assert {name for name in before if torch.equal(before[name], after[name])} == {
        name for name, p in model.named_parameters() if not p.requires_grad
    }


def test_both_channels_are_saved_and_come_back(built):
    model, inputs = built
    train(model, inputs)
    again, _ = build(model.encoder.__class__.__name__.removesuffix("Encoder").lower(), kind_of(model))
    again.load_state_dict(model.state_dict(), strict=True)
    asked = inputs.encode(ASKED)
    np.testing.assert_array_equal(logits_of(again, inputs, asked), logits_of(model, inputs, asked))


def kind_of(model):
    return "multichannel" if hasattr(model.embedding, "static") else "static"


def test_the_channels_stand_side_by_side_and_only_one_has_ngrams():
    model, inputs = build()
    batch = batch_of(inputs, ["a good superb goods"])  # the last is no word of the vocabulary
    vectors = model.embedding(batch)
    assert vectors.shape == (4, 2 * DIM)
    static, tuned = vectors.split(DIM, 1)
    torch.testing.assert_close(static[:3], model.embedding.static.word.weight[batch.unique[:3]])
    assert not static[3].any()
    torch.testing.assert_close(static, tuned)  # both start from the same rows, the n-grams at 0


def test_each_filter_is_applied_to_both_channels_and_the_results_are_added():
    """Kim 2014, section 2, with weights of its own for each channel, for every window of every text."""
    model, inputs = build(pooling="max", activation="identity", dropout=0.0, kernel_sizes=(2, 3))
    train(model, inputs)
    batch = batch_of(inputs, TRAIN)
    found = model.encoder(model.embedding(batch), batch)
    channels = [model.embedding.static(batch), model.embedding.tuned(batch)]
    expected = []
    for row in range(len(TRAIN)):
        tokens = batch.inverse[batch.offsets[row] : batch.offsets[row + 1]]
        scores = []
        for weight, bias in model.encoder.filters():
            parts = [
                torch.conv1d(channel[tokens].T[None], part, padding=weight.shape[2] - 1)
                for channel, part in zip(channels, weight.split(DIM, 1), strict=True)
            ]
            scores.append((parts[0] + parts[1] + bias[:, None]).amax(2)[0])
        expected.append(torch.cat(scores))
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_two_channels_are_not_one_table_of_their_sum():
    """With one set of weights for both, they would be: a convolution is linear."""
    model, _ = build()
    static, tuned = model.encoder.bank.weight.split(DIM, 1)
    assert not torch.allclose(static, tuned)


def test_a_static_model_of_words_alone_trains_with_the_core_and_without(monkeypatch):
    for library in (core.library, lambda: None):
        monkeypatch.setattr(core, "library", library)
        model, inputs = build(channels="static", subwords=False)
        rows = model.embedding.word.weight.clone()
        train(model, inputs)
        assert torch.equal(model.embedding.word.weight, rows)


def test_the_layer_table_agrees_with_the_run(built):
    model, _ = built
    assert text_layers(model, 9).problems == []
