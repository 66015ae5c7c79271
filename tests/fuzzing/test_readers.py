"""Damaged files of every kind: an error of ours or an answer, whatever was changed. The long run is `make fuzz`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.robustness.fuzzing.mutations import KINDS, mutated
from tools.robustness.fuzzing.targets import TARGETS, told

EXAMPLES = 25


@pytest.mark.parametrize("name", TARGETS)
def test_a_valid_file_is_read(tmp_path, name):
    told.clear()
    TARGETS[name].read(TARGETS[name].seeds()[0], tmp_path)
    assert not told


@pytest.mark.parametrize("name", TARGETS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path, name, data):
    target = TARGETS[name]
    random = data.draw(st.randoms(use_true_random=False))
    content = data.draw(st.sampled_from(target.seeds()))
    for _ in range(data.draw(st.integers(1, 2))):
        content = mutated(content, target.kind, random)
    target.read(content, tmp_path)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path, name, content):
    TARGETS[name].read(content, tmp_path)


def test_every_kind_of_change_is_used():
    assert {target.kind for target in TARGETS.values()} == set(KINDS)
