"""SIGTERM ends a long run as Ctrl-C does, with its own exit code."""

from __future__ import annotations

import signal
from types import FrameType

_received = signal.SIGINT


def interrupt_at_sigterm() -> None:
    """From here on SIGTERM raises KeyboardInterrupt."""
    signal.signal(signal.SIGTERM, _interrupt)


def exit_code() -> int:
    """That of a process which a signal has ended, as shells have it: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _received


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt
