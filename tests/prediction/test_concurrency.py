"""One predictor, 16 threads, children of fork and of spawn: the same answers, and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from one_layer_models import make

# A process of its own, for it forks while its threads ask. Texts come alone, a few, and enough for compiled code.
CODE = """
import multiprocessing, os, sys, threading
import numpy as np
from concurrent.futures import ThreadPoolExecutor
import textcnn

ROWS = [f"a good film number {n % 40} and word{n % 90} unseen" for n in range(300)]
ASKED = [ROWS[:1], [""], ROWS[7:19], ROWS, ["unseen words alone"], ROWS[::-1]]

def answers(predictor, number=0):
    order = [(number + n) % len(ASKED) for n in range(len(ASKED))]  # each begins with another question
    found = {n: predictor.predict_proba(ASKED[n]).tobytes() for n in order}
    return [found[n] for n in range(len(ASKED))]

def in_child(found, expected, runtime):
    if runtime == "look-up":
        return found == expected
    # Torch's compiled twin cannot run in a child of a fork: the plain one answers.
    return all(np.allclose(*map(np.frombuffer, pair), rtol=0, atol=1e-6) for pair in zip(found, expected))

def spawned(folder, runtime, pipe):
    pipe.send(answers(textcnn.load(folder, runtime=runtime)))

if __name__ == "__main__":
    folder, runtime = sys.argv[1:]
    predictor = textcnn.load(folder, runtime=runtime)
    expected = answers(predictor)
    begin = threading.Barrier(17)

    def ask(number):
        begin.wait()
        return [answers(predictor, number) == expected for _ in range(3)]

    with ThreadPoolExecutor(16) as threads:
        asking = [threads.submit(ask, number) for number in range(16)]
        begin.wait()
        children = []
        for number in range(2):
            child = os.fork()
            if child == 0:
                os._exit(0 if in_child(answers(predictor, number), expected, runtime) else 3)
            children.append(child)
        threaded = all(all(done.result()) for done in asking)
    forked = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print("asked", file=sys.stderr, flush=True)
    mine, other = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=spawned, args=(folder, runtime, other))
    process.start()
    assert mine.recv() == expected
    process.join()
    print(threaded, forked)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("runtime", ["look-up", "torch"])
def test_threads_and_processes_give_the_same_bits(runtime, tmp_path):
    folder = make().save(tmp_path / "model")
    (tmp_path / "ask.py").write_text(CODE, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "ask.py"), str(folder), runtime]
    asking = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"},
        start_new_session=True,
    )
    try:
        out, err = asking.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        os.killpg(asking.pid, signal.SIGKILL)  # children that wait for a lock hold the pipe too
        pytest.fail(f"still waiting after 100 s: {asking.communicate()[1]}")
    assert (asking.returncode, out.strip()) == (0, "True [0, 0]"), err
