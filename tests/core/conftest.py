"""Which package the tests of the core are of, and all the ways in which it can run."""

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from textcnn.core import build

# `make core-check` runs these tests on a copy of the package, whose library watches memory.
if checked := os.environ.get("TEXTCNN_CHECKED_PACKAGE"):
    assert Path(build.__file__).is_relative_to(checked), f"expected the package in {checked}, got {build.__file__}"


@pytest.fixture
def ways(core) -> Iterator[Callable[[], Iterator[int]]]:
    """Every instruction set with every number of threads: the set is used when the threads are yielded."""
    before = core.instruction_set

    def every() -> Iterator[int]:
        for name, threads in product(core.instruction_sets, (1, 2, 5)):
            core.use_instruction_set(name)
            yield threads

    yield every
    core.use_instruction_set(before)
