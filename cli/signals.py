"""SIGTERM ends a long run as Ctrl-C does, with its own exit code; and neither is lost."""

from __future__ import annotations

import signal
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textcnn.progress import Reporter

_received = signal.SIGINT
_is_new = False  # whether nobody has been told of it yet


def interrupt_at_sigterm() -> None:
    """From here on SIGTERM raises KeyboardInterrupt, and either signal is remembered (:func:`remembering`)."""
    global _is_new
    _is_new = False  # one of an earlier run of this process was that run's
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, _interrupt)


def exit_code() -> int:
    """That of a process which a signal has ended, as shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _received


def remembering(reporter: Reporter) -> Reporter:
    """The same reporter, which raises at the next step what was raised in vain.

    Where C code calls Python back (a finalizer), an exception is printed and forgotten, and with it the interrupt:
    training would go on.
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
