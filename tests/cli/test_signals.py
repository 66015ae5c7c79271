"""An interrupt is not lost, wherever it comes."""

import subprocess
import sys

PROGRAM = """
import os, signal
from textcnn.progress import Silent
from textcnn_cli import signals

signal.signal(signal.SIGINT, signal.default_int_handler)
signals.interrupt_at_sigterm()
reporter = signals.remembering(Silent())
reporter.step(0, 1.0, 1.0)

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):
            pass

Finalized()
print("still here")
try:
    reporter.step(0, 1.0, 1.0)
except KeyboardInterrupt:
    print("told", signals.exit_code())
reporter.step(0, 1.0, 1.0)
Finalized()
signals.interrupt_at_sigterm()  # another run of the same process
reporter.step(0, 1.0, 1.0)
"""


def test_one_that_is_raised_in_a_finalizer_is_told_at_the_next_step():
    for name, code in (("SIGINT", 130), ("SIGTERM", 143)):
        program = [sys.executable, "-c", PROGRAM.replace("{name}", name)]
        found = subprocess.run(program, capture_output=True, text=True, timeout=60)
        assert "KeyboardInterrupt" in found.stderr  # printed, and ignored
        assert (found.returncode, found.stdout) == (0, f"still here\ntold {code}\n")
