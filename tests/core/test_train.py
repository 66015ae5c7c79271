"""The training step of the core against its definition, the nn.Module: loss, gradients, twenty steps, threads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from one_layer_twins import CASES, FEATURES, NGRAMS, TEXTS, TYPES, UNSEEN, Both, gradients
from torch import nn

from textcnn.core import library
from textcnn.core.layout import padded
from textcnn.core.training_inputs import Candidates, Rates, Texts
from textcnn.models.base import TextClassifier
from textcnn.training.optimizers import build_optimizers

pytestmark = pytest.mark.usefixtures("core")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_loss_and_gradients_are_those_of_the_module(case):
    both = Both(case)
    random = np.random.default_rng(5)
    for epoch in range(2):
        rows = random.permutation(TEXTS)[: 30 + epoch].astype(np.int64)
        both.model.zero_grad()
        loss = both.torch_loss(rows, epoch)
        loss.backward()
        found, grads = both.trainer.gradients(both.corpus, rows, *both.states(epoch))
        assert found == pytest.approx(loss.item(), rel=1e-5)
        for name, expected in gradients(both.model).items():
            largest = np.abs(expected).max()
            assert largest > 0, name
            np.testing.assert_allclose(grads[name], expected, atol=1e-5 * largest, rtol=0, err_msg=name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_twenty_steps_come_to_the_loss_of_the_module(case):
    both = Both(case)
    optimizers = build_optimizers(both.model, both.training, 20)
    c = both.training
    peaks = c.learning_rate, c.embedding_learning_rate, c.embedding_learning_rate, c.wide_learning_rate
    random = np.random.default_rng(5)
    for step in range(20):
        rows = random.permutation(TEXTS)[:32].astype(np.int64)
        loss = both.torch_loss(rows, step)
        loss.backward()
        if c.clip_norm is not None:
            nn.utils.clip_grad_norm_(dense(both.model), c.clip_norm)
        factor = (20 - step) / 20
        optimizers.step()
        if c.max_norm is not None:
            with torch.no_grad():
                head = both.model.head.weight
                head.copy_(torch.renorm(head, 2, 0, c.max_norm))
        rates = Rates(*(peak * factor for peak in peaks))
        found = both.trainer.step(both.corpus, rows, rates, *both.states(step))
        assert found == pytest.approx(loss.item(), rel=1e-3)
        if step == 0:
            assert_moved_alike(both)
    both.model.eval()
    rows = np.arange(TEXTS)
    main, wide = both.trainer.logits(both.corpus, rows)
    with torch.no_grad():
        branches = both.model.branches(both.batch(rows))
    np.testing.assert_allclose(main, branches.main.numpy(), atol=2e-3, rtol=2e-2)
    if case.wide:
        np.testing.assert_allclose(wide, branches.wide.numpy(), atol=2e-3, rtol=2e-2)


def assert_moved_alike(both: Both) -> None:
    """After one step weights are the module's, where the gradient was not so small that its sign is rounding."""
    weights = both.trainer.weights.weights()
    for name, weight in both.model.named_parameters():
        if not weight.requires_grad:
            continue
        before = weight.detach().numpy()
        np.testing.assert_allclose(np.quantile(np.abs(weights[name] - before), 0.99), 0, atol=2e-5, err_msg=name)


def dense(model: TextClassifier) -> list[nn.Parameter]:
    return [
        p for name, p in model.named_parameters() if not name.startswith(("embedding.", "wide.")) and p.requires_grad
    ]


@pytest.mark.parametrize("case", ["default", "not nested", "multi-label", "two channels"])
def test_the_number_of_threads_changes_no_bit(case):
    trained = []
    for threads in (1, 2, 5):
        both = Both(CASES[case], threads=threads)
        random = np.random.default_rng(2)
        losses = []
        for step in range(12):
            rows = random.permutation(TEXTS)[:29].astype(np.int64)
            losses.append(both.trainer.step(both.corpus, rows, Rates(1e-3, 0.05, 0.05, 0.5), *both.states(step)))
        trained.append((losses, both.trainer.weights.weights(), both.trainer.logits(both.corpus, np.arange(TEXTS))))
    for losses, weights, logits in trained[1:]:
        assert losses == trained[0][0]
        assert all(np.array_equal(weights[name], trained[0][1][name]) for name in weights)
        assert np.array_equal(logits[0], trained[0][2][0])


@pytest.mark.parametrize("name", ["baseline", "avx2", "avx512"])
def test_each_instruction_set_is_within_rounding_of_the_module(name):
    core = library()
    assert core is not None
    if name not in core.instruction_sets:
        pytest.skip(f"this processor has no {name}")
    before = core.instruction_set
    core.use_instruction_set(name)
    try:
        for case in ("default", "not nested", "many labels", "two channels"):
            test_loss_and_gradients_are_those_of_the_module(CASES[case])
    finally:
        core.use_instruction_set(before)


def test_logits_do_not_depend_on_the_batch():
    both = Both(CASES["default"])
    rows = np.arange(TEXTS)
    together, _ = both.trainer.logits(both.corpus, rows)
    alone = np.concatenate([both.trainer.logits(both.corpus, rows[k : k + 1])[0] for k in rows])
    assert np.array_equal(together, alone)


def test_a_trainer_that_is_given_other_weights_forgets_those_before():
    used, fresh = Both(CASES["default"]), Both(CASES["default"])
    rows, rates = np.arange(TEXTS), Rates(1e-2, 0.1, 0.1, 0.5)
    first = used.trainer.weights.weights()
    for step in range(3):
        used.trainer.step(used.corpus, rows, rates, *used.states(step))
    used.trainer.load(first)
    used.trainer.forget()
    losses = [both.trainer.step(both.corpus, rows, rates, *both.states(0)) for both in (used, fresh)]
    assert losses[0] == losses[1]
    found = [both.trainer.weights.weights() for both in (used, fresh)]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in first)


def test_a_trainer_keeps_the_instruction_set_that_it_was_made_for(core):
    before, rates = core.instruction_set, Rates(1e-3, 0.05, 0.05, 0.1)
    losses = []
    try:
        for changes in (False, True):
            core.use_instruction_set("baseline")
            both = Both(CASES["default"])
            both.trainer.step(both.corpus, np.arange(TEXTS), rates, *both.states(0))
            if changes:
                core.use_instruction_set(core.instruction_sets[-1])
            losses.append(both.trainer.step(both.corpus, np.arange(TEXTS), rates, *both.states(1)))
    finally:
        core.use_instruction_set(before)
    assert losses[0] == losses[1]


def test_without_an_unknown_word_none_is_dropped():
    both = Both(CASES["default"])

    def loss(**changes):
        trainer = both.trainer_of(dataclasses.replace(both.objective, **changes))
        return trainer.step(both.corpus, np.arange(TEXTS), Rates(0, 0, 0, 0), *both.states(0))

    assert loss(unknown_id=-1) == loss(word_dropout=None) != loss()
    with pytest.raises(ValueError, match="expected"):
        loss(unknown_id=TYPES + UNSEEN)


def test_padding_stays_zero():
    both = Both(CASES["default"])
    for step in range(5):
        both.trainer.step(both.corpus, np.arange(TEXTS), Rates(1e-2, 0.1, 0.1, 0.5), *both.states(step))
    weights = both.trainer.weights
    assert weights.word.shape[1] == padded(12) == 16
    assert not weights.word[:, 12:].any()
    parts = weights.dense_parts(weights.dense)
    again = np.zeros_like(weights.dense)
    weights.put_dense_parts(again, parts)
    assert np.array_equal(again, weights.dense)  # what is not a weight is 0


def test_a_loss_that_is_no_number_moves_no_weight():
    both = Both(CASES["default"])
    both.trainer.weights.word[:] = np.inf
    before = both.trainer.weights.weights()
    both.trainer.load(before)
    loss = both.trainer.step(both.corpus, np.arange(9), Rates(1e-2, 0.1, 0.1, 0.5), *both.states(0))
    assert not np.isfinite(loss)
    assert not both.trainer.is_finite()
    after = both.trainer.weights.weights()
    assert all(np.array_equal(before[name], after[name]) for name in before if name != "wide.table.weight")


@pytest.mark.parametrize(
    "change",
    [
        {"ids": np.array([0, TYPES + UNSEEN], np.int32), "offsets": np.array([0, 2])},
        {"ids": np.array([0, -1], np.int32), "offsets": np.array([0, 2])},
        {"ids": np.array([0, 1], np.int32), "offsets": np.array([0, 3])},
        {"ids": np.array([0, 1], np.int32), "offsets": np.array([0, 2, 1, 2])},
        {"targets": np.full(TEXTS, 4, np.int32)},
        {"targets": np.full((TEXTS, 4), 0.3, np.float32)},
        {"targets": np.full((TEXTS, 4), np.nan, np.float32)},
        {"targets": np.tile(np.array([1.5, -0.5, 0, 0], np.float32), (TEXTS, 1))},
        {"bag_rows": np.full(3, NGRAMS, np.int32)},
        {"wide_rows": np.full(3, FEATURES, np.int32)},
    ],
)
def test_a_corpus_that_does_not_fit_is_refused(change):
    both = Both(CASES["default"])
    texts = {name: getattr(both.texts, name) for name in Texts.__dataclass_fields__}
    if "offsets" in change:
        texts |= {"targets": None, "wide_offsets": None, "wide_rows": None, "wide_values": None}
    for name, value in change.items():
        if name.endswith("_rows"):
            value = np.concatenate([texts[name][:-3], value])
        texts[name] = value
    with pytest.raises(ValueError, match="expected"):
        both.trainer.corpus(Texts(**texts))


@pytest.mark.parametrize("case", ["default", "weights", "a sigmoid", "focal"])
def test_labels_written_as_distributions_train_alike(case):
    both = Both(CASES[case])
    ids = both.texts.targets
    shares = np.zeros((TEXTS, len(both.labels)), np.float32)
    shares[np.arange(TEXTS), ids] = 1
    corpus = both.trainer.corpus(dataclasses.replace(both.texts, targets=shares))
    rows = np.arange(TEXTS)
    loss, grads = both.trainer.gradients(both.corpus, rows, *both.states(0))
    found, again = both.trainer.gradients(corpus, rows, *both.states(0))
    assert found == pytest.approx(loss, rel=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(again[name], grad, atol=1e-6 * np.abs(grad).max(), err_msg=name)


def test_rows_that_are_not_in_the_corpus_are_refused():
    both = Both(CASES["default"])
    for rows in ([TEXTS], [-1], []):
        with pytest.raises(ValueError, match="row numbers"):
            both.trainer.step(both.corpus, np.array(rows, np.int64), Rates(0, 0, 0, 0), 1, 2)
    with pytest.raises(TypeError, match="contiguous int64"):
        both.trainer.step(both.corpus, np.arange(4)[::2], Rates(0, 0, 0, 0), 1, 2)


def sampled(chance: float = 1.0) -> tuple[Both, Candidates]:
    """A network without a linear branch and smoothing, and all its labels as candidates of that chance."""
    both = Both(dataclasses.replace(CASES["many labels"], wide=False))
    both.trainer = both.trainer_of(dataclasses.replace(both.objective, smoothing=0.0))
    labels = np.arange(len(both.labels), dtype=np.int32)
    return both, Candidates(labels, np.full(len(labels), np.log(chance), np.float32))


def test_with_all_labels_as_candidates_a_step_is_that_of_all_labels():
    both, every = sampled()
    rows = np.arange(TEXTS)
    loss, grads = both.trainer.gradients(both.corpus, rows, *both.states(0))
    found, others = both.trainer.gradients(both.corpus, rows, *both.states(0), every)
    assert found == loss
    for name, grad in grads.items():
        np.testing.assert_array_equal(others[name], grad, err_msg=name)


def test_a_step_moves_the_rows_of_candidates_alone_and_counts_others_for_those_they_stand_for():
    both, _ = sampled()
    targets = np.asarray(both.texts.targets)
    rows = np.array([4])  # a text of eight words
    labels = np.unique(np.append(targets[rows], [1, 5, 9])).astype(np.int32)
    some = Candidates(labels, np.full(len(labels), np.log(0.25), np.float32))
    before = both.trainer.weights.weights()
    main, _ = both.trainer.logits(both.corpus, rows)
    loss, grads = both.trainer.gradients(both.corpus, rows, *both.states(0), some)
    assert set(np.flatnonzero(np.abs(grads["head.weight"]).sum(axis=1))) == set(labels.tolist())
    assert np.isfinite(loss)
    assert main.shape == (1, len(both.labels))
    both.trainer.step(both.corpus, rows, Rates(1e-2, 0.1, 0.1, 0.5), *both.states(0), some)
    after = both.trainer.weights.weights()
    moved = np.flatnonzero((after["head.weight"] != before["head.weight"]).any(axis=1))
    assert set(moved.tolist()) == set(labels.tolist())


@pytest.mark.parametrize("wrong", [[1, 0], [0, 99], [0, 0], [-1, 2]])
def test_candidates_that_do_not_fit_are_refused(wrong):
    both, _ = sampled()
    bad = Candidates(np.array(wrong, np.int32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="expected"):
        both.trainer.gradients(both.corpus, np.arange(3), *both.states(0), bad)


def test_a_label_of_half_a_chance_counts_for_two():
    both, halves = sampled(0.5)
    rows = np.array([4])
    target = int(np.asarray(both.texts.targets)[4])
    _, grads = both.trainer.gradients(both.corpus, rows, *both.states(0))
    own = 1 + float(grads["head.bias"][target])  # its probability among all labels
    loss, _ = both.trainer.gradients(both.corpus, rows, *both.states(0), halves)
    assert loss == pytest.approx(-np.log(own / (own + 2 * (1 - own))), rel=1e-4)
