"""The branch of characters: its fit, its optimizer, and its definition as a torch module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer_models import ASKED, TRAIN, make
from scipy.optimize import minimize as scipy_minimize
from torch.nn import functional as F

from textcnn.nn.heads import CharacterBranch
from textcnn.training import character_branch
from textcnn.training.character_branch import CharacterFit, CharacterWeights, refusal
from textcnn.training.lbfgs import dot, minimize

TARGETS = np.array([0, 1, 0, 2])


@pytest.fixture
def inputs():
    return make(wide=False, character_scale=1.0).text_inputs()


def module_of(weights):
    branch = CharacterBranch(*weights.table.shape)
    branch.weight.data, branch.bias.data = torch.from_numpy(weights.table), torch.from_numpy(weights.bias)
    return branch


def logits_of(branch, inputs, texts):
    return branch(inputs.batch(inputs.encode(texts), np.arange(len(texts))))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1, 3, 40, 5000]))
def test_a_convex_function_has_the_minimum_of_scipy(seed, size):
    random = np.random.default_rng(seed)
    scales, target = 10 ** random.uniform(-1.5, 1.5, size), random.normal(size=size)

    def loss(x):
        gap = x.astype(np.float64) - target
        return float((scales * (np.sqrt(1 + gap**2) - 1)).sum()), scales * gap / np.sqrt(1 + gap**2)

    def in_float32(x):
        value, slope = loss(x)
        return value, slope.astype(np.float32)

    found, steps = minimize(in_float32, np.zeros(size, np.float32), most_steps=200, tolerance=1e-9)
    expected = scipy_minimize(loss, np.zeros(size), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    start = loss(np.zeros(size))[0]
    assert loss(found)[0] <= expected.fun + 1e-3 * start
    assert steps <= 200


def test_a_minimum_is_left_alone():
    found, steps = minimize(lambda x: (float((x**2).sum()), 2 * x), np.zeros(3, np.float32), most_steps=5, tolerance=0)
    np.testing.assert_array_equal(found, 0)
    assert steps == 0


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(0, 20_000))
@settings(deadline=None, max_examples=20)
def test_the_inner_product(seed, size):
    random = np.random.default_rng(seed)
    one, other = random.normal(size=(2, size)).astype(np.float32)
    expected = float(one.astype(np.float64) @ other.astype(np.float64))
    assert dot(one, other) == pytest.approx(expected, abs=1e-5 * max(size, 1) ** 0.5)


def test_the_logits_are_those_of_the_module(inputs):
    random = np.random.default_rng(0)
    table = random.normal(size=(inputs.lexicon.num_ngrams, 3)).astype(np.float32)
    weights = CharacterWeights(table, np.array([0.5, -1, 2], np.float32))
    found = weights.logits(inputs, inputs.encode(ASKED))
    np.testing.assert_allclose(found, logits_of(module_of(weights), inputs, ASKED).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(found[0], weights.bias)  # an empty text


@pytest.mark.parametrize("row_weights", [None, np.array([1.0, 2.0, 0.5, 0.0])])
def test_the_fit_is_a_minimum_of_the_module_s_loss(monkeypatch, inputs, row_weights):
    monkeypatch.setattr(character_branch, "MOST_STEPS", 500)
    monkeypatch.setattr(character_branch, "TOLERANCE", 1e-9)
    fit = CharacterFit(inputs, inputs.encode(TRAIN), TARGETS, 3, row_weights)
    sizes = torch.from_numpy(fit._sizes)
    branch = module_of(fit.weights())
    losses = F.cross_entropy(logits_of(branch, inputs, TRAIN), torch.from_numpy(TARGETS), reduction="none")
    if row_weights is not None:
        losses = losses * torch.from_numpy(row_weights).float()
    loss = losses.sum() + character_branch.PENALTY / 2 * (branch.weight / sizes).square().sum()
    loss.backward()
    assert (branch.weight.grad * sizes).abs().max() < 2e-3
    assert branch.bias.grad.abs().max() < 2e-3
    with torch.no_grad():
        plain = F.cross_entropy(torch.zeros(4, 3), torch.from_numpy(TARGETS), reduction="none")
    plain = plain if row_weights is None else plain * torch.from_numpy(row_weights)
    assert loss < 0.9 * plain.sum()


def test_the_fit_is_the_same_for_any_number_of_threads(monkeypatch, inputs):
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("TEXTCNN_THREADS", threads)
        found.append(CharacterFit(inputs, inputs.encode(TRAIN), TARGETS, 3).weights())
    for other in found[1:]:
        np.testing.assert_array_equal(other.table, found[0].table)
        np.testing.assert_array_equal(other.bias, found[0].bias)


def test_words_cut_from_a_text_do_not_count(inputs):
    short = make(wide=False, character_scale=1.0, max_length=2).text_inputs()
    table = np.ones((inputs.lexicon.num_ngrams, 1), np.float32)
    weights = CharacterWeights(table, np.zeros(1, np.float32))
    whole, cut = (weights.logits(each, each.encode(["good film bad"])) for each in (inputs, short))
    np.testing.assert_array_equal(cut, weights.logits(inputs, inputs.encode(["good film"])))
    assert cut != whole


def test_what_is_not_tried(monkeypatch, inputs):
    encoded = inputs.encode(TRAIN)
    assert refusal(inputs, encoded, 3) == ""
    words = make(wide=False, subwords=False).text_inputs()
    assert refusal(words, encoded, 3) == "the model has no character n-grams"
    monkeypatch.setattr(character_branch, "MOST_LOGITS", 11)
    assert refusal(inputs, encoded, 3) == "the training rows have 12 logits, more than 11"
    monkeypatch.setattr(character_branch, "MOST_WEIGHTS", 10)
    assert refusal(inputs, encoded, 3).endswith("weights, more than 10")
    monkeypatch.setattr(character_branch, "MOST_TOKENS", 5)
    assert refusal(inputs, encoded, 3).endswith("words, more than 5")
