from __future__ import annotations

import numpy as np
import pytest
import torch

from textcnn.config import ModelConfig, TrainingConfig
from textcnn.labels import Labels
from textcnn.models.base import build_text_classifier
from textcnn.training.optimizers import (
    RowAdagrad,
    RowAdam,
    RowwiseAdagrad,
    build_optimizers,
    linear_decay,
    split_parameters,
)


def by_hand(weight, gradients, lr, betas=(0.9, 0.99), eps=1e-6):
    """Adam without bias correction, row by row, in numpy."""
    weight = weight.copy()
    m, v = np.zeros_like(weight), np.zeros_like(weight)
    for rows in gradients:
        for row, g in rows.items():
            m[row] = betas[0] * m[row] + (1 - betas[0]) * g
            v[row] = betas[1] * v[row] + (1 - betas[1]) * g * g
            weight[row] -= lr * m[row] / (np.sqrt(v[row]) + eps)
    return weight


def test_row_adam_is_adam_on_the_touched_rows(random):
    table = torch.nn.Parameter(torch.randn(6, 3))
    before = table.detach().numpy().copy()
    optimizer = RowAdam([table], lr=0.1)
    steps = [
        {0: random.normal(size=3), 4: random.normal(size=3)},
        {4: random.normal(size=3)},
        {1: random.normal(size=3)},
    ]
    for rows in steps:
        values = torch.tensor(np.array(list(rows.values())), dtype=torch.float32)
        table.grad = torch.sparse_coo_tensor(torch.tensor([list(rows)]), values, table.shape, check_invariants=True)
        optimizer.step()
    np.testing.assert_allclose(table.detach().numpy(), by_hand(before, steps, 0.1), rtol=1e-5, atol=1e-6)
    assert (table.detach().numpy()[[2, 3, 5]] == before[[2, 3, 5]]).all()


def test_rowwise_adagrad_adds_the_mean_square_of_a_rows_whole_gradient(random):
    table = torch.nn.Parameter(torch.randn(6, 3))
    expected, total = table.detach().numpy().astype(np.float64), np.zeros(6)
    optimizer = RowwiseAdagrad([table], lr=0.2)
    for _ in range(4):
        rows, values = random.integers(0, 5, 7), random.normal(size=(7, 3))
        table.grad = torch.sparse_coo_tensor(
            torch.from_numpy(rows[None]), torch.from_numpy(values).float(), table.shape, check_invariants=True
        )
        optimizer.step()
        for row in set(rows.tolist()):
            gradient = values[rows == row].sum(0)
            total[row] += (gradient**2).mean()
            expected[row] -= 0.2 * gradient / (np.sqrt(total[row]) + 1e-10)
    np.testing.assert_allclose(table.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(optimizer.state[table]["sum"].numpy(), total, rtol=1e-5)


def test_a_row_without_a_gradient_of_its_own_does_not_move():
    table = torch.nn.Parameter(torch.ones(2, 2))
    table.grad = torch.sparse_coo_tensor(torch.tensor([[1]]), torch.zeros(1, 2), (2, 2), check_invariants=True)
    RowwiseAdagrad([table]).step()
    assert torch.equal(table.detach(), torch.ones(2, 2))


@pytest.mark.parametrize(("name", "kind"), [("adagrad", RowwiseAdagrad), ("adam", RowAdam)])
def test_word_rows_have_a_rate_of_their_own_beside_vectors(name, kind):
    config = ModelConfig("kim", embedding_dim=4, vectors="v.txt", settings={"num_filters": 2})
    model = build_text_classifier(config, 9, Labels(("a", "b")), num_ngrams=5)
    training = TrainingConfig(embedding_optimizer=name, embedding_learning_rate=0.4, vector_learning_rate=0.1)
    _, rows, *_ = build_optimizers(model, training, 10)
    assert type(rows) is kind
    rates = {group["params"][0]: group["lr"] for group in rows.param_groups}
    assert rates == {model.embedding.word.weight: 0.1, model.embedding.ngram.weight: 0.4}


@pytest.mark.parametrize("kind", [RowAdam, RowwiseAdagrad])
def test_a_row_named_twice_in_a_gradient_gets_the_sum(kind):
    tables = [torch.nn.Parameter(torch.ones(3, 2)) for _ in range(2)]
    once = torch.sparse_coo_tensor(torch.tensor([[1]]), torch.full((1, 2), 3.0), (3, 2), check_invariants=True)
    twice = torch.sparse_coo_tensor(
        torch.tensor([[1, 1]]), torch.tensor([[1.0, 1.0], [2.0, 2.0]]), (3, 2), check_invariants=True
    )
    for table, grad in zip(tables, (once, twice), strict=True):
        table.grad = grad
        kind([table]).step()
    assert torch.equal(*tables)


def test_tables_go_to_rows_and_all_else_to_dense():
    model = build_text_classifier(ModelConfig("lstm", embedding_dim=4), 9, Labels(("a", "b")))
    groups = split_parameters(model)
    assert [p.shape for p in groups["rows"]] == [(9, 4)]
    assert groups["wide"] == []
    assert len(groups["dense"]) == len(list(model.parameters())) - 1


def test_row_adagrad_counts_every_example_of_a_row(random):
    table = torch.nn.Parameter(torch.zeros(4, 3))
    optimizer = RowAdagrad([table], lr=0.5)
    expected, total = np.zeros((4, 3)), np.zeros(4)
    for _ in range(3):
        rows = random.integers(0, 4, 6)
        values = random.normal(size=(6, 3))
        table.grad = torch.sparse_coo_tensor(
            torch.from_numpy(rows[None]), torch.from_numpy(values).float(), (4, 3), check_invariants=True
        )
        optimizer.step()
        for row, g in zip(rows, values, strict=True):
            total[row] += 2 / 3 * (g @ g)
        for row, g in zip(rows, values, strict=True):
            expected[row] -= 0.5 * g / np.sqrt(total[row])
    np.testing.assert_allclose(table.detach().numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("embedding_optimizer", ["adagrad", "adam"])
def test_all_rates_decay_together_and_state_continues(embedding_optimizer):
    def fresh():
        torch.manual_seed(0)
        model = build_text_classifier(ModelConfig("bag", embedding_dim=4), 9, Labels(("a", "b")))
        return model, build_optimizers(model, TrainingConfig(embedding_optimizer=embedding_optimizer), 10)

    def move(model, optimizers, count):
        for _ in range(count):
            model.embedding.word(torch.tensor([1, 2])).sum().backward()
            model.head(torch.ones(1, 4)).sum().backward()
            optimizers.step()

    whole, optimizers = fresh()
    move(whole, optimizers, 6)
    first, optimizers = fresh()
    move(first, optimizers, 3)
    second, continued = fresh()
    second.load_state_dict(first.state_dict())
    continued.load_state(*optimizers.state())
    move(second, continued, 3)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_the_rate_rises_falls_and_never_quite_stops(warmup):
    factor = linear_decay(10, warmup)
    values = [factor(step) for step in range(10)]
    top = int(np.argmax(values))
    assert values[:top] == sorted(values[:top])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert min(values) > 0
    assert max(values) <= 1
    assert factor(10) == 0
