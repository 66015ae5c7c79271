"""Sub-words and the wide branch, for every text architecture: the same laws, on real strings with unseen words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig, TextConfig
from textcnn.labels import Labels
from textcnn.models import registry
from textcnn.models.base import build_text_classifier, logits_of
from textcnn.tokenization.lexicon import build_lexicon
from textcnn.tokenization.ngrams import WideFeatures
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.tokenizer import Tokenizer
from textcnn.training.losses import BranchLoss
from textcnn.training.optimizers import split_parameters

TRAIN = ["a good film", "a very good film indeed", "bad", "a bad plot , and bad music"]
TARGETS = np.array([0, 0, 1, 1])
ASKED = ["", "goods filming", "a", "漢字", "a bad film is a bad film", "x" * 50, "good " * 40, "xq 7"]
LABELS = Labels(("neg", "pos"))


def build(architecture: str, labels: Labels = LABELS, targets=TARGETS):
    torch.manual_seed(0)
    config = ModelConfig(architecture, embedding_dim=6, subwords=True, wide=True, wide_scale=0.7)
    tokenizer = Tokenizer.train(TRAIN, TextConfig())
    inputs = TextPipeline(tokenizer, 30, build_lexicon(tokenizer, config))
    inputs = TextPipeline(tokenizer, 30, inputs.lexicon, WideFeatures.fit(inputs.encode(TRAIN)))
    model = build_text_classifier(
        config, len(tokenizer), labels, num_ngrams=inputs.lexicon.num_ngrams, num_features=len(inputs.wide.keys)
    )
    model.wide.fit_features(inputs.wide, inputs.encode(TRAIN).wide, targets)
    return model, inputs


@pytest.fixture(params=registry.TEXT)
def parts(request):
    return build(request.param)


def test_a_text_alone_is_the_same_text_in_any_company(parts):
    model, inputs = parts
    together = logits_of(model, inputs, inputs.encode(ASKED))
    backwards = logits_of(model, inputs, inputs.encode(ASKED[::-1]))[::-1]
    alone = np.concatenate([logits_of(model, inputs, inputs.encode([text])) for text in ASKED])
    np.testing.assert_allclose(backwards, together, atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_an_empty_text_gets_the_bias_alone(parts):
    model, inputs = parts
    np.testing.assert_array_equal(logits_of(model, inputs, inputs.encode([""]))[0], model.head.bias.detach())


def test_logits_are_the_weighted_sum_of_the_branches(parts):
    model, inputs = parts
    model.eval()
    batch = inputs.batch(inputs.encode(ASKED), np.arange(len(ASKED)))
    main, wide, characters = model.branches(batch)
    assert characters is None
    torch.testing.assert_close(model(batch), main + 0.7 * wide)


def test_every_weight_receives_a_gradient_and_branches_share_none(parts):
    model, inputs = parts
    batch = inputs.batch(inputs.encode(TRAIN), np.arange(4), labels=TARGETS)
    model.train()
    model.wide(batch).square().sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None}
    assert touched == {"wide.table.weight"}
    BranchLoss(LABELS)(model.branches(batch), batch.labels).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_an_unseen_word_is_the_mean_of_its_trained_ngrams():
    model, inputs = build("bag")
    encoded = inputs.encode(["goods"])
    batch = inputs.batch(encoded, np.arange(1))
    rows = inputs.lexicon.bags(batch.unique.numpy(), encoded.unseen).ids
    expected = model.embedding.ngram.weight[torch.from_numpy(rows).long()].mean(0)
    torch.testing.assert_close(model.embedding(batch)[0], expected)


def test_a_known_word_is_the_mean_of_its_row_and_its_ngrams():
    model, inputs = build("bag")
    batch = inputs.batch(inputs.encode(["film"]), np.arange(1))
    ngrams = model.embedding.ngram.weight[batch.bag_rows]
    own = model.embedding.word.weight[batch.unique]
    torch.testing.assert_close(model.embedding(batch)[0], torch.cat([own, ngrams]).mean(0))


def test_the_wide_branch_sees_what_the_encoder_does_not():
    model, inputs = build("kim")
    long = "good " * 30 + "bad plot"
    wide = [model.wide(inputs.batch(inputs.encode([text]), np.arange(1))) for text in (long, "good " * 30)]
    assert not torch.equal(*wide)


def test_the_table_starts_at_a_share_of_the_naive_bayes_weights():
    model, inputs = build("kim")
    rows = inputs.encode(TRAIN).wide
    counts = np.ones((len(inputs.wide.keys), 2))
    for text in range(4):
        for row in rows.rows[rows.offsets[text] : rows.offsets[text + 1]]:
            counts[row, TARGETS[text]] += 1
    expected = np.log(counts / counts.sum(0))
    expected = 0.3 * (expected - expected.mean(1, keepdims=True))
    np.testing.assert_allclose(model.wide.table.weight.detach().numpy(), expected, rtol=1e-5)


def test_the_multi_label_table_compares_with_and_without_a_label():
    targets = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    model, inputs = build("kim", Labels(("neg", "pos"), multi_label=True), targets)
    rows = inputs.encode(TRAIN).wide
    have, lack = (np.ones((len(inputs.wide.keys), 2)) for _ in range(2))
    for text in range(4):
        for row in rows.rows[rows.offsets[text] : rows.offsets[text + 1]]:
            have[row] += targets[text]
            lack[row] += 1 - targets[text]
    expected = 0.3 * (np.log(have / have.sum(0)) - np.log(lack / lack.sum(0)))
    np.testing.assert_allclose(model.wide.table.weight.detach().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_each_table_has_its_optimizer(parts):
    model, _ = parts
    groups = split_parameters(model)
    assert groups["wide"] == [model.wide.table.weight]
    assert {id(p) for p in groups["rows"]} == {id(model.embedding.word.weight), id(model.embedding.ngram.weight)}
    assert sum(map(len, groups.values())) == len(list(model.parameters()))
