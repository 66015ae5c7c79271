"""Batches hold their texts and nothing of their neighbours; chance depends on the place alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.config import TextConfig
from textcnn.tokenization.batch import Batch
from textcnn.tokenization.masking import WordDropout, uniform
from textcnn.tokenization.pipeline import TextPipeline
from textcnn.tokenization.ragged import Ragged
from textcnn.tokenization.tokenizer import Tokenizer

TOKENIZER = Tokenizer.train(["a b c d e"], TextConfig())
INPUTS = TextPipeline(TOKENIZER)
lists = st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=8)


def picks_of(data, rows, unique=False):
    return np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8, unique=unique)), np.int64)


@given(rows=lists, data=st.data(), max_length=st.none() | st.integers(1, 6))
def test_a_batch_holds_the_ids_of_its_texts(rows, data, max_length):
    picks = picks_of(data, rows)
    batch = TextPipeline(TOKENIZER, max_length).batch(Ragged.from_lists(rows), picks)
    expected = [rows[pick][:max_length] for pick in picks]
    ids = batch.unique[batch.inverse].tolist()
    assert [ids[a:b] for a, b in pairwise(batch.offsets.tolist())] == expected
    assert batch.unique.tolist() == sorted({i for row in expected for i in row})
    assert (batch.num_rows, batch.num_tokens) == (len(expected), sum(map(len, expected)))
    assert batch.lengths.tolist() == [len(row) for row in expected]
    assert {batch.offsets.dtype, batch.unique.dtype, batch.inverse.dtype} == {torch.int64}


@given(rows=lists, data=st.data())
def test_the_padded_view_points_at_the_row_behind_the_types(rows, data):
    picks = picks_of(data, rows)
    batch = INPUTS.batch(Ragged.from_lists(rows), picks)
    longest = max((len(rows[pick]) for pick in picks), default=0)
    padded = batch.padded()
    assert padded.shape == (len(picks), longest)
    names = [*batch.unique.tolist(), None]
    expected = [rows[pick] + [None] * (longest - len(rows[pick])) for pick in picks]
    assert [[names[i] for i in row] for row in padded.tolist()] == expected


def test_labels_are_those_of_the_rows():
    tokens = Ragged.from_lists([[1], [2], [3]])
    rows = np.array([2, 0])
    assert INPUTS.batch(tokens, rows, labels=np.array([5, 6, 7])).labels.tolist() == [7, 5]
    many = np.array([[0, 1], [1, 0], [1, 1]], np.float32)
    assert INPUTS.batch(tokens, rows, labels=many).labels.tolist() == [[1, 1], [0, 1]]
    assert INPUTS.batch(tokens, rows).labels is None


def test_a_batch_on_another_device_is_the_same_batch():
    batch = INPUTS.batch(Ragged.from_lists([[1, 2], []]), np.array([0, 1]), labels=np.array([0, 1]))
    moved = batch.to(torch.device("meta"))
    assert isinstance(moved, Batch)
    assert {moved.offsets.device.type, moved.unique.device.type, moved.inverse.device.type} == {"meta"}
    assert moved.labels.device.type == "meta"
    assert INPUTS.batch(Ragged.from_lists([[1]]), np.array([0])).to(torch.device("meta")).labels is None


@pytest.mark.slow
@given(rows=lists, max_length=st.none() | st.integers(1, 6))
def test_what_is_cut_is_known(rows, max_length):
    tokens, inputs = Ragged.from_lists(rows), TextPipeline(TOKENIZER, max_length)
    assert inputs.sizes(tokens).tolist() == [len(row[:max_length]) for row in rows]
    assert inputs.cut_rows(tokens).tolist() == [len(row) > len(row[:max_length]) for row in rows]


# --------------------------------------------------------------------------------------------------- chance


@pytest.mark.slow
@given(rows=lists, data=st.data(), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 50))
def test_dropout_is_a_function_of_seed_epoch_row_and_position(rows, data, seed, epoch):
    """A text is dropped from alike in any batch, at any place of it, and whatever its batch mates are."""
    dropout = WordDropout(np.full(7, 0.5, np.float32), unknown_id=1, seed=seed)
    tokens = Ragged.from_lists(rows)
    alone = {row: INPUTS.batch(tokens, np.array([row]), dropout=dropout, epoch=epoch) for row in range(len(rows))}
    picks = picks_of(data, rows)
    batch = INPUTS.batch(tokens, picks, dropout=dropout, epoch=epoch)
    ids = batch.unique[batch.inverse].tolist()
    for place, row in enumerate(picks.tolist()):
        mine = alone[row].unique[alone[row].inverse].tolist()
        assert ids[batch.offsets[place] : batch.offsets[place + 1]] == mine
        assert all(new in (old, 1) for new, old in zip(mine, rows[row], strict=True))


def test_dropout_does_not_depend_on_the_words_beside():
    dropout = WordDropout(np.full(7, 0.5, np.float32), unknown_id=1, seed=3)
    one, other = (dropout(Ragged.from_lists([row]), np.array([4]), 2).ids for row in ([2] * 50, [2, 3] * 25))
    assert ((one == 1) == (other == 1)).all()
    assert 10 < (one == 1).sum() < 40


@pytest.mark.parametrize("change", [{"seed": 4}, {"epoch": 3}, {"row": 5}])
def test_another_seed_epoch_or_row_draws_anew(change):
    def draw(seed=3, epoch=2, row=4):
        dropout = WordDropout(np.full(7, 0.5, np.float32), unknown_id=1, seed=seed)
        return dropout(Ragged.from_lists([[2] * 64]), np.array([row]), epoch).ids.tolist()

    assert draw() == draw()
    assert draw() != draw(**change)


@given(rows=lists, constant=st.floats(0, 0.9), rare=st.just(0.0) | st.floats(1e-3, 5))
def test_rates_follow_the_rule(rows, constant, rare):
    counts = [sum(row.count(i) for row in rows) for i in range(9)]
    dropout = WordDropout.fit(Ragged.from_lists(rows), 9, 1, constant=constant, rare=rare, seed=0)
    expected = [max(constant, rare / (rare + count) if rare + count else 0.0) for count in counts]
    assert dropout.rates.dtype == np.float32
    np.testing.assert_allclose(dropout.rates, expected, rtol=1e-5, atol=1e-9)


def test_a_share_of_tokens_near_the_rate_is_dropped():
    tokens = Ragged.from_lists([[2, 3, 4, 5]] * 5_000)
    dropout = WordDropout(np.array([0, 0, 0.0, 0.1, 0.5, 1.0], np.float32), unknown_id=1, seed=0)
    dropped = dropout(tokens, np.arange(5_000), 0).ids.reshape(-1, 4) == 1
    shares = dropped.mean(axis=0)
    assert shares[0] == 0
    assert shares[3] == 1
    np.testing.assert_allclose(shares[1:3], [0.1, 0.5], atol=0.03)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 100))
def test_chance_is_uniform_over_rows_and_positions(seed, epoch):
    rows, places = (grid.ravel() for grid in np.meshgrid(np.arange(200), np.arange(50)))
    drawn = uniform(seed, epoch, rows, places)
    assert drawn.dtype == np.float32
    assert ((drawn >= 0) & (drawn < 1)).all()
    counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
    chi_square = ((counts - 500) ** 2 / 500).sum()
    assert chi_square < 60  # 19 degrees of freedom: odds of 4e-6
    table = drawn.reshape(50, 200)
    neighbours = [
        np.corrcoef(table[:-1].ravel(), table[1:].ravel()),
        np.corrcoef(table[:, :-1].ravel(), table[:, 1:].ravel()),
    ]
    assert all(abs(matrix[0, 1]) < 0.06 for matrix in neighbours)


def test_chance_differs_between_epochs_and_seeds():
    places = np.arange(10_000)
    first = uniform(0, 0, places, places)
    for other in (uniform(0, 1, places, places), uniform(1, 0, places, places), uniform(0, 0, places, places[::-1])):
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.05
