import numpy as np
import pytest

from textcnn.benchmark.contestants import read_workload, synthetic_workload
from textcnn.benchmark.protocol import SpeedConfig
from textcnn.config import DataConfig
from textcnn.errors import DataError

ROWS = [("one two three", "a"), ("", "b"), ("four five", "b")]


def test_made_up_words_follow_zipfs_law():
    workload = synthetic_workload(SpeedConfig(vocabulary_size=1000))
    assert len(workload.tokenizer) == 1000
    counts = np.sort(np.bincount(workload.tokens.ids, minlength=1000))[::-1]
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.15)
    assert counts[:100].sum() / counts.sum() == pytest.approx(np.log(100) / np.log(1000), rel=0.1)


@pytest.mark.slow
def test_made_up_texts_are_a_function_of_the_seed():
    first, again, other = (synthetic_workload(SpeedConfig(vocabulary_size=100, seed=seed)) for seed in (1, 1, 2))
    assert (first.tokens.ids == again.tokens.ids).all()
    assert (first.tokens.ids != other.tokens.ids).any()


def test_real_texts_run_on_into_the_next_and_end_at_the_length(random):
    workload = read_workload(ROWS, DataConfig(), SpeedConfig())
    words = workload.tokenizer.types()
    drawn = workload.draw(random, 50, 4)
    texts = {tuple(words[i] for i in drawn.tokens.ids[start : start + 4]) for start in drawn.tokens.offsets[:-1]}
    assert texts == {("one", "two", "three", "four"), ("four", "five", "one", "two")}
    assert (drawn.tokens.lengths == 4).all()
    batch = workload.batch(drawn)
    assert (batch.num_rows, batch.num_tokens) == (50, 200)
    assert set(batch.labels.tolist()) == {0, 1}


def test_the_vocabulary_of_real_texts_is_limited():
    assert len(read_workload(ROWS, DataConfig(), SpeedConfig(vocabulary_size=4)).tokenizer) == 4


def test_texts_without_tokens_are_refused():
    with pytest.raises(DataError, match="expected texts to time, found 2 without a token"):
        read_workload([("", "a"), (" ", "b")], DataConfig(), SpeedConfig())
