"""The laws of every architecture (docs/architecture.md); a new line in the registry needs no new test."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig
from textcnn.errors import ConfigError
from textcnn.evaluation.calibration import probabilities
from textcnn.grades import Grades
from textcnn.image.batches import ImageInputs
from textcnn.labels import Labels, Target
from textcnn.models import registry
from textcnn.models.base import (
    Branches,
    build_image_classifier,
    build_text_classifier,
    evaluation_batches,
    logits_of,
    num_parameters,
)
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.training.losses import BranchLoss

LABELS = Labels(("a", "b", "c"))
NUM_TYPES = 30
SHAPE = (1, 8, 8)
VARIANTS = [
    *((name, {}) for name in registry.TEXT),
    ("kim", {"kernel_sizes": (1, 7), "activation": "tanh"}),
    ("bag", {"word_ngrams": 3, "ngram_rows": 50}),
    ("deep", {"kind": "residual", "norm": "layer"}),
    ("deep", {"kind": "inception", "norm": "group"}),
    ("deep", {"kind": "gated", "pool": "average"}),
    ("vdcnn", {"depth": 17, "num_filters": 16, "shortcut": True}),
    ("tcn", {"pooling": "last", "norm": "none"}),
    ("rcnn", {"cell": "lstm"}),
    ("clstm", {"pooling": "attention", "bidirectional": True}),
    ("mlp", {"num_layers": 2}),
    *(("kim", {"pooling": p}) for p in ("max", "kmax", "average", "max+average")),
    ("kim", {"nested": False}),
    *(
        (name, {"bidirectional": True, "pooling": p})
        for name in ("rnn", "gru", "lstm")
        for p in ("last", "mean", "max", "attention")
    ),
    ("lstm", {"num_layers": 2}),
]


class NoTokenizer:
    """Stands in for the tokenizer where only batches are made."""


INPUTS = TextPipeline(NoTokenizer())  # type: ignore[arg-type]


@pytest.fixture(params=VARIANTS, ids=lambda v: f"{v[0]}{v[1] or ''}")
def model(request):
    name, settings = request.param
    torch.manual_seed(0)
    return build_text_classifier(ModelConfig(name, embedding_dim=6, settings=settings), NUM_TYPES, LABELS)


IMAGE_VARIANTS = [
    *((name, {}) for name in registry.IMAGE),
    ("resnet", {"bottleneck": True}),
    ("resnet", {"norm": "group", "activation": "gelu"}),
    ("vgg", {"norm": "none", "num_layers": 1}),
    ("inception", {"norm": "layer", "kernel_sizes": (3,)}),
]


@pytest.fixture(params=IMAGE_VARIANTS, ids=lambda v: f"{v[0]}{v[1] or ''}")
def image_model(request):
    name, settings = request.param
    torch.manual_seed(0)
    return build_image_classifier(ModelConfig(name, settings=settings), SHAPE, LABELS)


def batch_of(texts: list[list[int]], labels=None):
    tokens = Ragged.from_lists(texts)
    return INPUTS.batch(tokens, np.arange(len(texts)), labels=labels)


def test_a_text_alone_is_the_same_text_in_any_batch_and_order(model, toy_tokens):
    texts = [toy_tokens.ids[a:b].tolist() for a, b in zip(toy_tokens.offsets, toy_tokens.offsets[1:], strict=False)]
    model.eval()
    with torch.no_grad():
        together = model(batch_of(texts)).softmax(1)
        backwards = model(batch_of(texts[::-1])).softmax(1).flip(0)
        beside_long = torch.cat([model(batch_of([text, [5] * 60]))[:1] for text in texts]).softmax(1)
        alone = torch.cat([model(batch_of([text])) for text in texts]).softmax(1)
    for other in (backwards, beside_long, alone):
        torch.testing.assert_close(other, together, atol=1e-6, rtol=0)


def test_an_empty_text_gets_the_bias_alone(model):
    model.eval()
    for batch in (batch_of([[]]), batch_of([[], []]), batch_of([[], [3, 4, 5]])):
        torch.testing.assert_close(model(batch)[0], model.head.bias)


def test_features_are_as_many_as_promised(model):
    batch = batch_of([[2, 3], [4]])
    features = model.encoder(model.embedding(batch), batch)
    assert features.shape == (2, model.encoder.out_features)


def test_every_parameter_receives_a_gradient(model, toy_tokens):
    texts = [list(range(NUM_TYPES)), list(range(NUM_TYPES))[::-1]]
    model.train()
    (model(batch_of(texts)) * torch.randn(2, 3)).sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.to_dense().any()]
    assert not without


def overfit(model, batch, *, rate=0.02, steps=80):
    optimizer = torch.optim.Adam(list(model.parameters()), lr=rate)
    for parameter in model.modules():
        if isinstance(parameter, torch.nn.Embedding | torch.nn.EmbeddingBag):
            parameter.sparse = False
    model.train()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)  # falls as in training
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model.train()(batch), batch.labels).backward()
        optimizer.step()
        if step % 10 == 9 and (model.eval()(batch).argmax(1) == batch.labels).all():
            return True
    return False


def test_eight_texts_can_be_overfitted(model):
    generator = np.random.default_rng(3)
    texts = [generator.integers(0, NUM_TYPES, n).tolist() for n in range(2, 10)]
    batch = batch_of(texts, np.arange(8) % 3)
    # A deep net without norms needs a small step, a mean of six numbers a large one.
    assert any(overfit(copy.deepcopy(model), batch, rate=rate) for rate in (0.003, 0.02))


@pytest.mark.parametrize("loss", ["squared", "huber", "cumulative"])
def test_numbers_of_eight_texts_can_be_learned_better_than_their_mean(model, loss):
    targets = (Target(3.0, 2.0, 0.0, 6.0), Target(-1.0, 0.5, -2.0, 0.0), Target(0.0, 1.0, -1.0, 1.0))
    generator = np.random.default_rng(3)
    texts = [generator.integers(0, NUM_TYPES, n).tolist() for n in range(2, 10)]
    numbers = torch.from_numpy(generator.standard_normal((8, 3)).astype(np.float32))
    labels = Labels(("a", "b", "c"), targets=targets)
    if loss == "cumulative":  # of grades, which one number leads to
        numbers = (torch.arange(8.0)[:, None] % 4 * 2 - 3) / 2
        labels = Labels(("a",), targets=targets[:1], grades=Grades.of(["0", "2", "4", "6"]))
    criterion, batch = BranchLoss(labels, loss=loss, smoothing=0.1), batch_of(texts)
    for parameter in model.modules():
        if isinstance(parameter, torch.nn.Embedding | torch.nn.EmbeddingBag):
            parameter.sparse = False
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    with torch.no_grad():
        mean = Branches(numbers.mean(0).expand(8, len(labels)))
    limit = 0.5 * criterion(mean, numbers).item()
    for _ in range(150):
        optimizer.zero_grad()
        criterion(Branches(model.train().branches(batch).main[:, : len(labels)]), numbers).backward()
        optimizer.step()
        if criterion(Branches(model.eval().branches(batch).main[:, : len(labels)]), numbers).item() < limit:
            return
    pytest.fail(f"the loss stays above {limit:.3f}")


def test_dropout_is_off_in_prediction(model, toy_tokens):
    first, second = (logits_of(model, INPUTS, toy_tokens) for _ in range(2))
    assert (first == second).all()


def test_logits_keep_the_order_of_the_rows(model, toy_tokens):
    model.eval()
    with torch.no_grad():
        whole = model(INPUTS.batch(toy_tokens, np.arange(len(toy_tokens)))).numpy()
    np.testing.assert_allclose(logits_of(model, INPUTS, toy_tokens), whole, atol=1e-5)


def test_weights_round_trip_through_the_state_dict(model, toy_tokens):
    before = logits_of(model, INPUTS, toy_tokens)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.load_state_dict(state, strict=True)
    assert (logits_of(model, INPUTS, toy_tokens) == before).all()


def images_of(count):
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def test_an_image_alone_is_the_same_image_in_any_batch(image_model):
    images = images_of(9)
    inputs = ImageInputs.fit(images)
    together = logits_of(image_model, inputs, images)
    alone = np.concatenate([logits_of(image_model, inputs, images[i : i + 1]) for i in range(9)])
    np.testing.assert_allclose(probabilities(alone, LABELS), probabilities(together, LABELS), atol=1e-6)


def test_eight_images_can_be_overfitted(image_model):
    images = images_of(8)
    inputs = ImageInputs.fit(images)
    assert overfit(image_model, inputs.batch(images, np.arange(8), labels=np.arange(8) % 3), rate=0.003)


def test_every_parameter_of_an_image_model_receives_a_gradient(image_model):
    images = images_of(8)
    (image_model(ImageInputs.fit(images).batch(images, np.arange(8))) * torch.randn(8, 3)).sum().backward()
    without = [n for n, p in image_model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ModelConfig("kimm"), "architecture must be one of kim, .*, got 'kimm'"),
        (
            ModelConfig("kim", settings={"filters": 3}),
            "'kim' has no setting 'filters'; it has kernel_sizes, num_filters",
        ),
        (ModelConfig("kim", settings={"activation": "gelu"}), "activation of 'kim' must be one of relu, .* got 'gelu'"),
        (ModelConfig("kim", settings={"kernel_sizes": [0]}), r"kernel_sizes must be .* got \[0\]"),
        (ModelConfig("kim", settings={"nested": "no"}), "nested must be true or false, got 'no'"),
        (ModelConfig("kim", settings={"num_filters": "abc"}), "num_filters must be 1 or more, got 'abc'"),
        (ModelConfig("kim", settings={"pooling": "min"}), "pooling of 'kim' must be one of max, .* got 'min'"),
        (ModelConfig("kim", settings={"dropout": 1.0}), r"dropout must be in \[0, 1\), got 1.0"),
        (
            ModelConfig("lstm", settings={"pooling": "median"}),
            "one of max, mean, last, attention, got 'median'",
        ),
    ],
)
def test_wrong_settings_are_told(config, message):
    with pytest.raises(ConfigError, match=message):
        build_text_classifier(config, NUM_TYPES, LABELS)


def test_images_too_small_are_told():
    with pytest.raises(ConfigError, match="at least 4 x 4 pixels, got 3 x 8"):
        build_image_classifier(ModelConfig("lenet"), (1, 3, 8), LABELS)


def test_the_parameters_of_kim_follow_its_formula():
    model = build_text_classifier(ModelConfig("kim", embedding_dim=7), NUM_TYPES, LABELS)
    assert num_parameters(model.encoder) == 96 * (7 * 5 + 3)
    own = build_text_classifier(ModelConfig("kim", embedding_dim=7, settings={"nested": False}), NUM_TYPES, LABELS)
    assert num_parameters(own.encoder) == sum(96 * (7 * h + 1) for h in (3, 4, 5))


def test_evaluation_batches_hold_every_row_once_within_the_budget(random):
    sizes = random.integers(0, 500, 300)
    batches = evaluation_batches(sizes, budget=1000, most=64)
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    for rows in batches:
        assert len(rows) == 1 or sizes[rows].max() * len(rows) <= 1000
        assert len(rows) <= 64
