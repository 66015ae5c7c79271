from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.errors import ConfigError
from textcnn.training.checkpoints import Checkpoints, State

RUN = {"training": {"seed": 1, "epochs": 4}, "training rows": "abc"}


def state(step):
    return State({"step": step, "value": float("-inf")}, {"w": np.full(3, float(step)), "r": np.array(1, np.uint8)})


def step_of(found):
    return None if found is None else found.facts["step"]


@pytest.fixture
def said():
    return []


@pytest.fixture
def checkpoints(tmp_path, said):
    return Checkpoints(tmp_path, say=said.append, seconds=0)


def test_the_newest_comes_back_as_it_was_written(checkpoints):
    fit = checkpoints.fit(RUN)
    assert fit.latest() is None
    for step in (5, 10, 100):
        fit.write(step, state(step))
    found = fit.latest()
    assert found.facts == state(100).facts
    assert all(np.array_equal(found.tensors[name], value) for name, value in state(100).tensors.items())
    assert len(checkpoints.files()) == 2


def test_an_end_is_newer_than_every_step_and_alone(checkpoints):
    fit = checkpoints.fit(RUN)
    fit.write(10**8, state(10**8))
    fit.finish(state(7))
    assert step_of(fit.latest()) == 7
    assert len(checkpoints.files()) == 1


def test_networks_of_a_run_are_kept_apart(tmp_path, checkpoints):
    checkpoints.fit(RUN).write(3, state(3))
    checkpoints.fit({**RUN, "training rows": "other"}).write(2, state(2))
    again = Checkpoints(tmp_path, resume=True)
    assert step_of(again.fit(RUN).latest()) == 3
    assert step_of(again.fit({**RUN, "training rows": "other"}).latest()) == 2
    assert again.fit(RUN).latest() is None


@settings(max_examples=30, deadline=None)
@given(place=st.integers(0, 10**9), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_file_is_left_out_for_the_one_before(tmp_path_factory, place, bit, cut):
    said = []
    checkpoints = Checkpoints(tmp_path_factory.mktemp("c"), say=said.append)
    fit = checkpoints.fit(RUN)
    fit.write(1, state(1))
    fit.write(2, state(2))
    newest = checkpoints.files()[-1]
    data = bytearray(newest.read_bytes())
    if cut:
        del data[place % len(data) :]
    else:
        data[place % len(data)] ^= 1 << bit
    newest.write_bytes(data)
    assert step_of(fit.latest()) == 1
    assert "is damaged: its checksum is not that in its name" in said[0]


def test_a_half_written_file_is_none(tmp_path, checkpoints):
    fit = checkpoints.fit(RUN)
    fit.write(1, state(1))
    (tmp_path / "fit-001-step-000000002.partial").write_bytes(b"half")
    assert step_of(Checkpoints(tmp_path, resume=True).fit(RUN).latest()) == 1


def test_without_resume_old_files_go_and_it_is_said(tmp_path, checkpoints, said):
    checkpoints.fit(RUN).write(1, state(1))
    assert Checkpoints(tmp_path, say=said.append).fit(RUN).latest() is None
    assert said == ["note: checkpoints of a run that was not finished are removed; --resume would have gone on with it"]
    assert not list(tmp_path.iterdir())


def test_nothing_to_go_on_from_is_said(tmp_path, said):
    Checkpoints(tmp_path, resume=True, say=said.append)
    assert said == ["no checkpoint to go on from: the run starts from the beginning"]


def test_another_run_is_an_error_that_says_what_differs(checkpoints):
    fit = checkpoints.fit(RUN)
    fit.write(1, state(1))
    other = {"training": {"seed": 2, "epochs": 4}, "training rows": "xyz"}
    expected = (
        r"but seed was 1 and is 2; training rows was 'abc' and is 'xyz'; use the same data and settings, or leave"
    )
    with pytest.raises(ConfigError, match=expected):
        checkpoints.read(checkpoints.files()[0], other)


def test_tuples_are_lists_in_a_file_and_no_other_run(checkpoints):
    run = {"kernel_sizes": (3, 4)}
    fit = checkpoints.fit(run)
    fit.write(1, state(1))
    assert step_of(fit.latest()) == 1
    assert json.loads(json.dumps(run)) != run


def test_it_is_time_again_when_the_seconds_are_over(tmp_path):
    now = 0.0
    checkpoints = Checkpoints(tmp_path, seconds=60, clock=lambda: now)
    fit = checkpoints.fit(RUN)
    assert not fit.due()
    now = 60.0
    assert fit.due()
    fit.write(1, state(1))
    assert not fit.due()
    now = 119.0
    assert not fit.due()
    assert checkpoints.fit(RUN).due() is False  # one clock for the whole run


def test_a_folder_that_takes_no_file_ends_no_training_and_is_told_once(tmp_path, said):
    folder = tmp_path / "gone"
    folder.mkdir()
    fit = Checkpoints(folder, say=said.append).fit(RUN)
    folder.rmdir()
    for step in (1, 2):
        fit.write(step, state(step))
    assert len(said) == 1
    assert said[0].startswith(f"warning: no checkpoint could be written to {str(folder)!r}: ")
    assert said[0].endswith("; training goes on")
