"""exp and log of our own: near the C library's, and the same bits in C and numpy, in whatever mode the caller is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textcnn.core import library, numeric

DOUBLES = st.floats(width=64)
EDGES = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1.0, 1e300]
EDGES += [math.inf, -math.inf, math.nan]
EDGES += [709.78, 709.782712893384, 709.7827128933841, -708.39, -708.4, -744.44, -745.13, -745.14, -745.2, -745.21]


def in_c(name, numbers):
    function = getattr(library().c, name)
    return np.array([function(x) for x in numbers.tolist()])


def bits(numbers):
    return np.asarray(numbers, np.float64).view(np.int64).tolist()


@pytest.mark.parametrize(("name", "twin"), [("tc_exp", numeric.exp), ("tc_log", numeric.log)])
@given(numbers=st.lists(DOUBLES, min_size=1, max_size=50))
def test_c_and_numpy_give_the_same_bits(core, name, twin, numbers):
    numbers = np.array([*numbers, *EDGES])
    assert bits(in_c(name, numbers)) == bits(twin(numbers))


@pytest.mark.parametrize(
    ("name", "twin", "exact", "grid"),
    [
        ("tc_exp", numeric.exp, math.exp, np.linspace(-745.0, 709.78, 30_001)),
        ("tc_exp", numeric.exp, math.exp, np.linspace(-1.0, 1.0, 10_001)),
        ("tc_log", numeric.log, math.log, np.exp2(np.linspace(-1073.9, 1023.9, 30_001))),
        ("tc_log", numeric.log, math.log, np.linspace(0.5, 2.0, 30_001)),
    ],
)
def test_within_two_units_of_the_last_place(core, name, twin, exact, grid):
    found = in_c(name, grid)
    assert bits(found) == bits(twin(grid))
    wanted = np.array([exact(x) for x in grid.tolist()])
    assert (np.abs(found - wanted) <= 2 * np.spacing(np.abs(wanted))).all()


def test_edges():
    assert numeric.exp([0.0, -0.0, math.inf, -math.inf, 1e9, -1e9]).tolist() == [1.0, 1.0, math.inf, 0.0, math.inf, 0.0]
    assert numeric.log([1.0, 0.0, -0.0, math.inf]).tolist() == [0.0, -math.inf, -math.inf, math.inf]
    assert np.isnan(numeric.log([-1.0, math.nan, -math.inf])).all()
    assert np.isnan(numeric.exp(math.nan))
    assert numeric.exp(np.zeros((2, 0))).shape == (2, 0)
