"""Pools: every task runs once, in any process and on any thread, with the caller's mode of rounding."""

import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from ctypes import c_double, c_int, c_uint64, c_void_p
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.core import build
from textcnn.core import calls as pools

HERE = Path(__file__).parent
THREADS = (1, 2, 5)


@pytest.fixture(scope="session")
def loops(core, tmp_path_factory):
    """The functions of ``pool_loops.c``."""
    made = tmp_path_factory.mktemp("loops") / "loops.so"
    # -iquote: with -I our features.h would take the place of the C library's.
    flags = ["-std=c99", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-iquote", build.SOURCES]
    subprocess.run([*build.compiler(), *flags, HERE / "pool_loops.c", "-lpthread", "-o", made], check=True)
    found = ctypes.CDLL(str(made))
    found.count_tasks.argtypes = [c_void_p, c_void_p, c_int, c_int, c_int, c_void_p, c_void_p]
    found.divide_tasks.argtypes = [c_void_p, c_void_p, c_int, c_void_p, c_int, c_int]
    found.set_mode.argtypes, found.mode_of.argtypes = [c_uint64], [c_int]
    found.set_mode.restype = found.mode_of.restype = found.divide_tasks.restype = c_uint64
    found.time_loops.argtypes, found.time_loops.restype = [c_void_p, c_void_p, c_int, c_int], c_double
    return found


def run_of(core):
    return ctypes.cast(core.c.tc_pool_run, c_void_p)


def count(core, loops, pool, repeats, tasks, inner_tasks=0):
    """How often each task ran, and each task of the loops within it."""
    counts, inner = np.zeros(tasks, np.int64), np.zeros((tasks, inner_tasks), np.int64)
    loops.count_tasks(run_of(core), pool, repeats, tasks, inner_tasks, counts.ctypes.data, inner.ctypes.data)
    return counts, inner


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(THREADS), st.integers(0, 500), st.integers(0, 5), st.integers(1, 20))
def test_every_task_runs_once(core, loops, threads, tasks, inner_tasks, repeats):
    with pools.lent(core, threads) as pool:
        assert core.c.tc_pool_threads(pool) == threads
        counts, inner = count(core, loops, pool, repeats, tasks, inner_tasks)
    assert (counts == repeats).all()
    assert (inner == repeats).all()


def test_more_tasks_than_a_ticket_can_number(core, loops):
    with pools.lent(core, 2) as pool:
        assert (count(core, loops, pool, 1, 70_000)[0] == 1).all()


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_no_pool_of_such_a_size(core, threads):
    assert core.c.tc_pool_new(threads) is None


def test_a_pool_is_lent_to_one_caller_at_a_time_and_kept(core):
    with pools.lent(core, 3) as outer:
        with pools.lent(core, 3) as inner, pools.lent(core, 4) as other:
            assert len({outer.value, inner.value, other.value}) == 3
        with pools.lent(core, 3) as again:
            assert again.value == inner.value
        with pytest.raises(KeyError), pools.lent(core, 3) as lost:
            raise KeyError
        with pools.lent(core, 3) as again:
            assert again.value == lost.value


def test_eight_threads_of_python_at_once(core, loops):
    """Each with a pool of its own, and all with one."""
    bad = []

    def ask(shared=None):
        for tasks in range(1, 60):
            with pools.lent(core, 3) as own:
                if not (count(core, loops, shared or own, 5, tasks)[0] == 5).all():
                    bad.append(tasks)

    with pools.lent(core, 3) as shared:
        callers = [threading.Thread(target=ask, args=(shared if k % 2 else None,)) for k in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert bad == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_of_a_fork_has_threads_of_its_own(core, loops):
    with pools.lent(core, 3) as pool:
        assert (count(core, loops, pool, 3, 50)[0] == 3).all()
        gc.disable()  # what earlier tests left may wait, when it is freed, for threads that the child lacks
        child = os.fork()
        if child == 0:
            good = False
            try:
                good = bool((count(core, loops, pool, 3, 50)[0] == 3).all())  # the parent's, whose threads are not here
                with pools.lent(core, 3) as own:
                    good = good and own.value != pool.value and bool((count(core, loops, own, 3, 50)[0] == 3).all())
                core.c.tc_pool_free(pool)
            finally:
                os._exit(0 if good else 1)
        gc.enable()
        assert (count(core, loops, pool, 3, 50)[0] == 3).all()
    assert exit_code(child) == 0


def exit_code(child, seconds=60):
    """The exit code of a child, which is killed where it does not end in time."""
    deadline = time.monotonic() + seconds
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])


SPAWNED = """
from textcnn.core import calls as pools
from textcnn.core import library
with pools.lent(library(), 2) as pool:
    assert library().c.tc_pool_threads(pool) == 2
"""


def test_a_spawned_process_has_pools(core):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as workers:
        workers.submit(exec, SPAWNED).result(timeout=60)


def test_loops_run_in_the_mode_that_was_entered(core, loops):
    """Whatever mode the caller is in, a loop in a mode of ours gives the same bits on all its threads."""

    def divide(own, flush):
        numbers = np.zeros((40, 2))
        with pools.lent(core, 3) as pool:
            after = loops.divide_tasks(run_of(core), pool, len(numbers), numbers.ctypes.data, own, flush)
        return numbers.tobytes(), after

    exact, usual = divide(1, 0)
    flushed, _ = divide(1, 1)
    assert np.frombuffer(exact)[1] == 2.2250738585072014e-308 / 2
    down = 0x2000 if loops.mode_of(1) != loops.mode_of(0) and usual & 0x1F80 else 0x800000  # of MXCSR, or of FPCR
    try:
        for odd in (usual | down, loops.mode_of(1), loops.mode_of(1) | down):
            loops.set_mode(odd)
            assert divide(1, 0) == (exact, odd)
            assert divide(1, 1) == (flushed, odd)
            assert divide(0, 0)[0] != exact  # so the mode is carried to the threads, and this test can fail
    finally:
        loops.set_mode(usual)
