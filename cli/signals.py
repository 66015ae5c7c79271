"""Handles signals: SIGTERM interrupts a long run as Ctrl-C does, with its own exit code, and neither gets lost."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textcnn.progress import Reporter

_received = signal.SIGINT
_is_new = False  # whether the signal has not been handled yet


def interrupt_at_sigterm() -> None:
    """Make SIGTERM raise KeyboardInterrupt from now on, and record both signals for :func:`remembering`."""
    global _is_new
    _is_new = False  # forget a signal that belonged to an earlier run in this process
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # unless the shell ignores it
        signal.signal(signal.SIGINT, _interrupt)


def exit_code() -> int:
    """Return the shell's exit code for the signal received: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _received


def remembering(reporter: Reporter) -> Reporter:
    """Return a reporter that also raises KeyboardInterrupt at the next step if a signal's exception was lost.

    When C code calls back into Python, as for a finalizer, an exception is printed and discarded; without this, the
    interrupt would be lost and training would continue.
    """
    from textcnn.progress import Silent, Together

    class Remembering(Silent):
        def start(self, num_steps: int) -> None:
            self._look()

        def step(self, epoch: int, loss: float, tokens_per_second: float) -> None:
            self._look()

        def _look(self) -> None:
            global _is_new
            if _is_new:
                _is_new = False
                raise KeyboardInterrupt

    return Together(reporter, Remembering())


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received, _is_new
    _received, _is_new = signal.Signals(number), True
    raise KeyboardInterrupt
