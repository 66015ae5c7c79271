import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.benchmark.document import median_ratio, ratio_of_sums


def test_a_constant_ratio_has_an_interval_of_no_width(random):
    fast = random.uniform(1, 9, 30)
    for statistic in (median_ratio, ratio_of_sums):
        assert statistic(2 * fast, fast, 0) == pytest.approx((2, 2, 2))


@pytest.mark.slow
def test_the_interval_holds_the_true_median_as_often_as_it_says(random):
    held = 0
    for trial in range(200):
        found = median_ratio(random.lognormal(np.log(1.5), 0.3, 50), np.ones(50), trial)
        assert found.low <= found.value <= found.high
        held += found.low <= 1.5 <= found.high
    assert 180 <= held <= 199


def test_a_median_shrugs_off_a_slow_moment_and_a_sum_does_not():
    fast, slow = np.ones(31), np.full(31, 2.0)
    slow[7] = 1000
    assert median_ratio(slow, fast, 0) == (2, 2, 2)
    assert ratio_of_sums(slow, fast, 0).value > 30


def test_pairs_count_not_levels():
    level = np.linspace(1, 100, 40)  # the machine gets slower: both feel it
    assert median_ratio(1.2 * level, level, 0).low == pytest.approx(1.2)


@given(seed=st.integers(0, 5), size=st.integers(1, 40))
def test_the_same_seed_gives_the_same_interval(seed, size):
    times = np.random.default_rng(size).uniform(0.1, 2, (2, size))
    assert median_ratio(*times, seed) == median_ratio(*times, seed)
